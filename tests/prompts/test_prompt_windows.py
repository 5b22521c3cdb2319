"""Windows around prompts."""

from __future__ import annotations

import numpy as np
import pytest

from samadapt.core.errors import PromptError
from samadapt.core.prompts import Box
from samadapt.prompts import Window, box_around, window_around


def test_a_window_is_a_square_around_the_box():
    window = window_around(Box(40, 50, 59, 69), (200, 300), 2.0)
    assert window == Window(40, 30, 80, 70)
    assert window.hw == (40, 40)
    assert np.zeros((200, 300))[window.slices].shape == (40, 40)


def test_a_window_is_cut_at_the_border_and_never_empty():
    assert window_around(Box(0, 0, 19, 9), (30, 25), 2.0) == Window(0, 0, 25, 25)
    assert window_around(Box(290, 190, 299, 199), (200, 300), 2.0) == Window(185, 285, 200, 300)
    assert window_around(Box(0, 0, 0, 0), (1, 1), 1.0) == Window(0, 0, 1, 1)


def test_small_boxes_get_the_least_window():
    window = window_around(Box(100, 100, 101, 101), (256, 256), 2.0)
    assert window.hw == (16, 16)
    assert window_around(Box(100, 100, 101, 101), (256, 256), 2.0, least_px=40).hw == (40, 40)


@pytest.mark.parametrize("seed", range(20))
def test_every_box_lies_inside_its_window(seed):
    rng = np.random.default_rng(seed)
    hw = tuple(int(n) for n in rng.integers(1, 90, 2))
    x = np.sort(rng.integers(0, hw[1], 2))
    y = np.sort(rng.integers(0, hw[0], 2))
    box = Box(x[0], y[0], x[1], y[1])
    window = window_around(box, hw, float(rng.uniform(1, 4)))
    assert window.holds(Window(int(y[0]), int(x[0]), int(y[1]) + 1, int(x[1]) + 1))
    assert Window(0, 0, *hw).holds(window)
    inside = window.shift_box(box)
    assert inside.xyxy.tolist() == [x[0] - window.x0, y[0] - window.y0, x[1] - window.x0, y[1] - window.y0]


def test_a_box_of_another_window_is_cut():
    assert Window(10, 10, 20, 30).shift_box(Box(0, 0, 100, 12)).xyxy.tolist() == [0, 0, 19, 2]
    assert Window(10, 10, 20, 30).shift([[12, 15]]).tolist() == [[2, 5]]


def test_box_around_holds_box_and_points():
    assert box_around(None, None) is None
    assert box_around(None, np.zeros((0, 2))) is None
    assert box_around(Box(3, 4, 5, 6), None) == Box(3, 4, 5, 6)
    assert box_around(Box(3, 4, 5, 6), np.array([[1, 5], [4, 9]])) == Box(1, 4, 5, 9)


def test_a_factor_below_one_is_refused():
    with pytest.raises(PromptError, match="at least as large"):
        window_around(Box(0, 0, 4, 4), (9, 9), 0.5)
