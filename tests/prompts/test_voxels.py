"""Box of the middle slice and clicks in a volume."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from samadapt.core.errors import PromptError, ShapeMismatch
from samadapt.core.rng import named_rng
from samadapt.prompts import box_of, middle_box, next_voxel


def _ball(shape, centre, radius):
    z, y, x = np.indices(shape)
    return (z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2 <= radius**2


def test_click_goes_to_the_centre_of_what_was_missed_or_falsely_marked():
    truth = _ball((12, 30, 30), (6, 10, 10), 4)
    assert next_voxel(truth, np.zeros_like(truth)) == ((6, 10, 10), 1)
    false = truth | _ball(truth.shape, (5, 22, 22), 3)
    assert next_voxel(truth, false) == ((5, 22, 22), 0)


def test_parts_that_touch_at_a_corner_are_one():
    truth = np.zeros((4, 8, 8), dtype=bool)
    truth[0, 0, 0] = truth[1, 1, 1] = truth[2, 2, 2] = True
    truth[3, 6, 6] = truth[3, 6, 7] = True
    (z, y, x), label = next_voxel(truth, np.zeros_like(truth))
    assert z == y == x
    assert label == 1


def test_click_is_the_deepest_voxel_of_the_largest_part_of_random_errors():
    rng, seen = named_rng("voxel clicks"), 0
    for _ in range(20):
        truth, marked = rng.random((2, 6, 9, 9)) < 0.4
        (z, y, x), label = next_voxel(truth, marked)
        parts, count = ndimage.label(truth != marked, structure=np.ones((3, 3, 3)))
        sizes = np.bincount(parts.ravel(), minlength=count + 1)[1:]
        assert sizes[parts[z, y, x] - 1] == sizes.max()
        depth = ndimage.distance_transform_edt(np.pad(parts == parts[z, y, x], 1))[1:-1, 1:-1, 1:-1]
        assert depth[z, y, x] == depth.max()
        assert label == truth[z, y, x] != marked[z, y, x]
        seen += 1
    assert seen == 20


def test_equal_masks_and_other_shapes_are_refused():
    mask = _ball((4, 8, 8), (2, 4, 4), 2)
    with pytest.raises(PromptError, match="differ"):
        next_voxel(mask, mask)
    with pytest.raises(ShapeMismatch):
        next_voxel(mask, mask[1:])
    with pytest.raises(PromptError, match="volume"):
        middle_box(mask[0], named_rng("x"))


def test_middle_box_is_a_loose_box_in_the_slice_of_the_median_voxel():
    mask = np.zeros((9, 256, 512), dtype=bool)
    mask[1:8, 100:140, 200:260] = True
    mask[6:8, 80:160, 150:300] = True  # most voxels lie high
    shifts = set()
    for number in range(40):
        z, box = middle_box(mask, named_rng("middle", number))
        tight = box_of(mask[z])
        assert z == np.nonzero(mask)[0][mask.sum() // 2] == 6
        shift = tight.y0 - box.y0
        assert tight.x0 - box.x0 == box.x1 - tight.x1 == 2 * shift  # twice as wide as high
        assert box.y1 - tight.y1 == shift
        shifts.add(shift)
    assert shifts == {0, 1, 2, 3, 4, 5}
