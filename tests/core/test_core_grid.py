"""Grid: where an array lies in the world."""

from __future__ import annotations

import numpy as np
import pytest

from samadapt.core.errors import GridMismatch, InvalidGeometry
from samadapt.core.grid import Grid


def test_spacing_is_in_array_order():
    grid = Grid.from_spacing((4, 5, 6), (2.5, 0.8, 0.7))
    assert grid.spacing_mm == pytest.approx((2.5, 0.8, 0.7))
    assert Grid.from_spacing((5, 6), (0.8, 0.7)).spacing_mm == pytest.approx((0.8, 0.7))


def test_affine_maps_zyx_index_to_xyz_millimetres():
    grid = Grid.from_spacing((4, 5, 6), (2.5, 0.8, 0.7))
    assert (grid.affine @ [1, 2, 3, 1])[:3] == pytest.approx([3 * 0.7, 2 * 0.8, 1 * 2.5])


def test_slice_moves_the_origin_and_keeps_the_plane():
    affine = Grid.from_spacing((4, 5, 6), (2.5, 0.8, 0.7)).affine.copy()
    affine[:3, 3] = (10, 20, 30)
    plane = Grid((4, 5, 6), affine).slice(3)
    assert plane.shape == (5, 6)
    assert plane.spacing_mm == pytest.approx((0.8, 0.7))
    assert plane.affine[:3, 3] == pytest.approx([10, 20, 30 + 3 * 2.5])


def test_spacing_of_a_rotated_grid_is_the_length_of_a_step():
    turn = np.eye(4)
    turn[:2, :2] = [[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]]
    grid = Grid.from_spacing((4, 5, 6), (2.5, 0.8, 0.7))
    assert Grid(grid.shape, turn @ grid.affine).spacing_mm == pytest.approx(grid.spacing_mm)


def test_matches_compares_corners_within_a_tolerance():
    grid = Grid.from_spacing((4, 5, 6), (1, 1, 1))
    near, far = grid.affine.copy(), grid.affine.copy()
    near[0, 3] += 0.009
    far[0, 3] += 0.011
    assert grid.matches(Grid(grid.shape, near))
    assert not grid.matches(Grid(grid.shape, far))
    # A tiny error of the spacing adds up over the extent of the array.
    assert not grid.matches(Grid.from_spacing((4, 5, 6), (1, 1, 1.002)))
    assert not grid.matches(Grid.from_spacing((4, 5, 7), (1, 1, 1)))


def test_require_match_says_what_differs():
    grid = Grid.from_spacing((4, 5, 6), (1, 1, 1))
    with pytest.raises(GridMismatch, match=r"a\.nii.*\(4, 5, 6\).*\(4, 5, 7\)"):
        grid.require_match(Grid.from_spacing((4, 5, 7), (1, 1, 1)), where="a.nii")
    with pytest.raises(GridMismatch, match=r"affines differ: spacing \(1, 1, 1\) and \(2, 1, 1\) mm"):
        grid.require_match(Grid.from_spacing((4, 5, 6), (2, 1, 1)))
    flipped, moved = grid.affine.copy(), grid.affine.copy()
    flipped[:, 2] *= -1
    moved[0, 3] = 5
    with pytest.raises(GridMismatch, match="affines differ: the directions of the axes"):
        grid.require_match(Grid(grid.shape, flipped))
    with pytest.raises(GridMismatch, match=r"affines differ: origin \(0, 0, 0\) and \(5, 0, 0\) mm"):
        grid.require_match(Grid(grid.shape, moved))
    grid.require_match(Grid.from_spacing((4, 5, 6), (1, 1, 1)))


@pytest.mark.parametrize(
    ("shape", "spacing", "message"),
    [
        ((4, 5), (1, 1, 1), "2 axes need as many spacings"),
        ((4, 5), (0, 1), "spacing must be positive"),
        ((4, 5), (-1, 1), "spacing must be positive"),
        ((4, 5), (float("nan"), 1), "spacing must be positive"),
        ((0, 5), (1, 1), "2 or 3 axes"),
    ],
)
def test_impossible_geometry_is_refused(shape, spacing, message):
    with pytest.raises(InvalidGeometry, match=message):
        Grid.from_spacing(shape, spacing)


@pytest.mark.parametrize("shape", [(5,), (2, 3, 4, 5), (0, 3, 4)])
def test_a_grid_has_two_or_three_axes(shape):
    with pytest.raises(InvalidGeometry, match="2 or 3 axes"):
        Grid(shape, np.eye(4))


@pytest.mark.parametrize("affine", [np.eye(3), np.full((4, 4), np.nan), np.diag([1.0, 1, 0, 1])])
def test_impossible_affine_is_refused(affine):
    with pytest.raises(InvalidGeometry):
        Grid((2, 3, 4), affine)


def test_four_axes_are_refused_by_name() -> None:
    with pytest.raises(InvalidGeometry, match="2 or 3 axes, not 4"):
        Grid.from_spacing((2, 3, 4, 5), (1, 1, 1, 1))
