"""Prompts from masks: exact answers on small masks, properties on random ones."""

from __future__ import annotations

import numpy as np
import pytest

from samadapt import prompts
from samadapt.core.errors import PromptError, ShapeMismatch
from samadapt.core.prompts import Box
from samadapt.core.rng import named_rng


def rng(*names):
    return named_rng("test prompts", *names)


def blob(hw=(20, 30), rows=slice(5, 12), columns=slice(7, 19)):
    mask = np.zeros(hw, dtype=bool)
    mask[rows, columns] = True
    return mask


def random_masks(count=25):
    for k in range(count):
        generator = rng("masks", k)
        mask = generator.random((17, 23)) < generator.uniform(0.02, 0.6)
        mask[generator.integers(17), generator.integers(23)] = True
        yield k, mask


def test_box_has_an_inclusive_maximum():
    assert prompts.box_of(blob()) == Box(7, 5, 18, 11)
    single = np.zeros((4, 5), dtype=np.uint8)
    single[2, 3] = 9
    assert prompts.box_of(single) == Box(3, 2, 3, 2)


def test_box_encloses_every_pixel_and_touches_all_sides():
    seen = 0
    for _, mask in random_masks():
        y, x = np.nonzero(mask)
        assert prompts.box_of(mask).xyxy.tolist() == [x.min(), y.min(), x.max(), y.max()]
        seen += 1
    assert seen == 25


def test_jitter_only_expands_reaches_both_ends_and_stays_inside():
    box, hw = Box(10, 10, 20, 15), (40, 50)
    draws = np.array([prompts.jitter_box(box, hw, 3, rng("jitter", k)).xyxy for k in range(200)])
    moved = (draws - box.xyxy) * [-1, -1, 1, 1]
    assert moved.min(axis=0).tolist() == [0] * 4
    assert moved.max(axis=0).tolist() == [3] * 4
    edge = Box(0, 0, 49, 39)
    assert all(prompts.jitter_box(edge, hw, 20, rng(k)) == edge for k in range(20))
    assert prompts.jitter_box(box, hw, 0, rng()) == box
    with pytest.raises(PromptError, match="-1"):
        prompts.jitter_box(box, hw, -1, rng())


def test_noise_moves_the_whole_box_by_less_than_its_limit():
    box, hw = Box(20, 20, 39, 31), (64, 64)
    draws = np.array([prompts.noisy_box(box, hw, rng("noise", k)).xyxy for k in range(300)])
    shift = draws - box.xyxy
    assert (shift[:, 0] == shift[:, 2]).all()
    assert (shift[:, 1] == shift[:, 3]).all()
    assert (shift.min(), shift.max()) == (-5, 4)
    assert prompts.noisy_box(box, hw, rng(), max_px=0) == box
    pixel = Box(3, 3, 3, 3)
    assert prompts.noisy_box(pixel, hw, rng()) == pixel


def test_random_points_lie_inside_and_differ():
    mask = blob()
    xy = prompts.random_points(mask, 40, rng("points"))
    assert (xy.shape, xy.dtype) == ((40, 2), np.float32)
    assert mask[xy[:, 1].astype(int), xy[:, 0].astype(int)].all()
    assert len(np.unique(xy, axis=0)) == 40
    tiny = np.zeros((3, 3), dtype=bool)
    tiny[1, 2] = True
    assert prompts.random_points(tiny, 3, rng()).tolist() == [[2, 1]] * 3


def test_random_points_depend_on_the_generator_alone():
    first, again = (prompts.random_points(blob(), 5, rng("same")) for _ in range(2))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, prompts.random_points(blob(), 5, rng("other")))


def test_centre_is_the_deepest_pixel_of_the_largest_component():
    mask = blob((21, 21), slice(3, 10), slice(3, 10))
    mask[15:17, 15:17] = True
    assert prompts.centre_point(mask).tolist() == [6, 6]


def test_centre_counts_the_image_border_as_background():
    assert prompts.centre_point(np.ones((7, 9), dtype=bool)).tolist() == [3, 3]


def test_centre_lies_inside_a_ring():
    y, x = np.mgrid[:31, :31]
    radius = np.hypot(y - 15, x - 15)
    ring = (radius < 14) & (radius > 8)
    cx, cy = prompts.centre_point(ring).astype(int)
    assert ring[cy, cx]


def test_components_join_over_corners():
    diagonal = np.eye(6, dtype=bool)
    diagonal[0, 4:6] = True
    assert np.array_equal(prompts.largest_component(diagonal), np.eye(6, dtype=bool))


def test_next_point_in_the_centre_of_what_was_missed():
    reference, prediction = blob((20, 20), slice(2, 9), slice(2, 9)), np.zeros((20, 20), dtype=bool)
    prediction[15:17, 15:17] = True
    xy, label = prompts.next_point(reference, prediction, "centre", rng())
    assert (xy.tolist(), label) == ([5, 5], 1)
    xy, label = prompts.next_point(reference, prediction | reference, "centre", rng())
    assert (xy.tolist(), label) == ([15, 15], 0)


def test_next_point_does_not_join_missed_and_extra_pixels():
    reference, prediction = np.zeros((8, 12), dtype=bool), np.zeros((8, 12), dtype=bool)
    reference[1:6, 1:4], prediction[1:6, 4:9] = True, True
    xy, label = prompts.next_point(reference, prediction, "centre", rng())
    assert (xy.tolist(), label) == ([6, 3], 0)


def test_next_point_at_random_always_hits_an_error():
    labels = []
    for k, mask in random_masks():
        prediction = np.roll(mask, 3, axis=1)
        if (prediction == mask).all():
            continue
        xy, label = prompts.next_point(mask, prediction, "random", rng(k))
        x, y = xy.astype(int)
        assert mask[y, x] != prediction[y, x]
        assert label == mask[y, x]
        labels.append(label)
    assert len(labels) == 25
    assert set(labels) == {0, 1}


def test_random_error_points_label_missed_and_extra():
    reference, prediction = blob(), np.roll(blob(), 4, axis=1)
    points = prompts.random_error_points(reference, prediction, 9, rng())
    x, y = points.xy.astype(int).T
    assert len(points) == 9
    assert (reference[y, x] != prediction[y, x]).all()
    assert (points.labels == reference[y, x]).all()


def test_no_error_is_an_error():
    with pytest.raises(PromptError, match="no error"):
        prompts.next_point(blob(), blob(), "centre", rng())
    with pytest.raises(PromptError, match="no error"):
        prompts.random_error_points(blob(), blob(), 1, rng())
    with pytest.raises(PromptError, match="nearest"):
        prompts.next_point(blob(), ~blob(), "nearest", rng())
    with pytest.raises(ShapeMismatch, match="20"):
        prompts.next_point(blob(), blob()[:-1], "centre", rng())


@pytest.mark.parametrize(
    "call",
    [
        prompts.box_of,
        prompts.centre_point,
        prompts.largest_component,
        lambda mask: prompts.random_points(mask, 2, rng()),
    ],
)
def test_empty_and_3d_masks_are_refused(call):
    empty = np.zeros((5, 6), dtype=bool)
    assert not empty.any()
    with pytest.raises(PromptError, match="empty"):
        call(empty)
    with pytest.raises(PromptError, match=r"\(2, 3, 4\)"):
        call(np.ones((2, 3, 4), dtype=bool))
    with pytest.raises(PromptError, match="not 0"):
        prompts.random_points(blob(), 0, rng())


def test_ellipse_is_symmetric_and_has_the_area_of_an_ellipse():
    mask = prompts.ellipse_in(Box(10, 5, 69, 44), (60, 90))
    assert prompts.box_of(mask) == Box(10, 5, 69, 44)
    assert np.array_equal(mask[5:45, 10:70], mask[5:45, 10:70][::-1, ::-1])
    assert abs(mask.sum() / (np.pi * 30 * 20) - 1) < 0.01


def test_ellipse_of_one_pixel_and_of_a_box_over_the_border():
    assert np.argwhere(prompts.ellipse_in(Box(3, 2, 3, 2), (5, 6))).tolist() == [[2, 3]]
    assert prompts.ellipse_in(Box(-10, -10, 9, 9), (5, 5))[0, 0]
