"""Frames: original pixels to model pixels and back."""

from __future__ import annotations

import numpy as np
import pytest

from samadapt.core.frames import Frame, longest_side
from samadapt.core.rng import named_rng

FRAMES = {
    "longest side, padded": Frame((480, 640), (768, 1024), 1024),
    "stretched": Frame((100, 300), (256, 256), 256),
    "centred padding": Frame((200, 180), (200, 180), 256, (28, 38)),
    "upscaled": Frame((64, 48), (1024, 768), 1024),
    "with its pixels": Frame((480, 640), (96, 128), 128, (3, 5), half_pixel=True),
}


@pytest.mark.parametrize("name", FRAMES)
def test_points_and_boxes_come_back(name):
    frame = FRAMES[name]
    rng = named_rng("frame", name)
    points = rng.uniform(0, 1, (50, 2)) * np.array(frame.original_hw[::-1])
    assert frame.to_original(frame.to_model(points)) == pytest.approx(points, abs=1e-3)
    boxes = np.concatenate([points, points + 1], axis=1).reshape(5, 10, 4)
    moved = frame.box_to_model(boxes)
    assert moved.shape == (5, 10, 4)
    assert frame.to_original(moved[..., :2]) == pytest.approx(boxes[..., :2], abs=1e-3)
    assert frame.to_original(moved[..., 2:]) == pytest.approx(boxes[..., 2:], abs=1e-3)


def test_coordinates_are_xy_and_the_offset_is_yx():
    frame = Frame((100, 200), (50, 100), 256, (7, 11))
    assert frame.scale_xy.tolist() == [0.5, 0.5]
    assert frame.to_model([[20, 40]]).tolist() == [[20 * 0.5 + 11, 40 * 0.5 + 7]]
    assert frame.box_to_model([0, 0, 200, 100]).tolist() == [11, 7, 111, 57]


def test_with_half_pixels_points_and_boxes_lie_where_the_enlarged_image_has_them():
    frame = Frame((12, 10), (96, 80), 96, (0, 8), half_pixel=True)
    mask = np.zeros((12, 10), bool)
    mask[3:7, 4:5] = True
    enlarged = np.zeros((96, 96), bool)
    enlarged[:, 8:88] = mask.repeat(8, axis=0).repeat(8, axis=1)
    rows, columns = np.nonzero(enlarged)
    assert frame.box_to_model([4, 3, 4, 6]).tolist() == [columns.min(), rows.min(), columns.max(), rows.max()]
    assert frame.to_model([4, 4.5]).tolist() == pytest.approx([columns.mean(), rows.mean()])


def test_with_half_pixels_a_reduced_box_keeps_its_order():
    frame = Frame((512, 512), (64, 64), 64, half_pixel=True)
    x0, y0, x1, y1 = frame.box_to_model([100, 200, 100, 207])
    assert x0 == x1
    assert y0 < y1


def test_empty_arrays_stay_empty():
    assert FRAMES["stretched"].to_model(np.zeros((0, 2))).shape == (0, 2)
    assert FRAMES["stretched"].box_to_model(np.zeros((0, 4))).shape == (0, 4)


@pytest.mark.parametrize(
    ("hw", "size", "expected"),
    [
        ((480, 640), 1024, (768, 1024)),
        ((1, 1000), 256, (0, 256)),
        ((333, 500), 1024, (682, 1024)),
        ((5, 5), 64, (64, 64)),
    ],
)
def test_longest_side_rounds_as_sam_does(hw, size, expected):
    assert longest_side(hw, size) == expected
