"""Outlines as people draw them."""

from __future__ import annotations

import numpy as np
import pytest

from samadapt.core.rng import named_rng
from samadapt.data.synthetic.annotator import LEAST_AGREEMENT, outlined


def star(size: int = 96) -> np.ndarray:
    y, x = np.mgrid[:size, :size] - size / 2
    return np.hypot(x, y) < 25 + 5 * np.sin(9 * np.arctan2(y, x))


def iou(first: np.ndarray, second: np.ndarray) -> float:
    return float((first & second).sum() / (first | second).sum())


def test_an_outline_is_near_what_is_seen_and_never_elsewhere():
    found = [iou(star(), outlined(star(), named_rng("outline", i))) for i in range(40)]
    assert min(found) >= LEAST_AGREEMENT
    assert 0.8 < np.mean(found) < 0.97


def test_an_outline_has_fewer_dents():
    def border(mask: np.ndarray) -> int:
        return int((mask[1:] != mask[:-1]).sum() + (mask[:, 1:] != mask[:, :-1]).sum())

    drawn = [outlined(star(), named_rng("outline", i)) for i in range(40)]
    assert np.mean([border(mask) for mask in drawn]) < 0.95 * border(star())


def test_holes_are_filled_half_the_time():
    ring = star()
    ring[46:50, 46:50] = False
    filled = [bool(outlined(ring, named_rng("hole", i))[48, 48]) for i in range(40)]
    assert 5 < sum(filled) < 40


@pytest.mark.parametrize("mask", [np.zeros((20, 20), bool), np.eye(64, dtype=bool)])
def test_what_an_outline_would_lose_stays_as_it_is(mask):
    np.testing.assert_array_equal(outlined(mask, named_rng("thin")), mask)


def test_the_border_of_the_image_is_no_border_of_the_object():
    mask = np.zeros((60, 60), bool)
    mask[:, :30] = True
    assert all(outlined(mask, named_rng("border", i))[5:-5, :10].all() for i in range(10))


def test_some_outlines_run_across_dents():
    y, x = np.mgrid[:96, :96] - 48
    chamber = (np.hypot(x, y) < 28) & ~(np.hypot(x - 22, y) < 7)  # a muscle reaches into it
    drawn = [outlined(chamber, named_rng("dent", i)) for i in range(60)]
    crossed = [bool(mask[48, 66]) for mask in drawn]
    assert 10 < sum(crossed) < 40
