"""Along which axis a volume is cut, with the way back to the file's own order kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from samadapt.core.grid import Grid
from samadapt.core.image import LabelMap, Orientation, Volume
from samadapt.io.orient import nearest_orientation

SliceAxis = Literal["axial", "coronal", "sagittal", "auto"]
PLANES = ("axial", "coronal", "sagittal")
_ORDER = {"axial": (0, 1, 2), "coronal": (1, 0, 2), "sagittal": (2, 0, 1)}
_Cut = TypeVar("_Cut", Volume, LabelMap)
_ANISOTROPIC = 1.5
_FLAT = 4


def choose_axis(spacing_mm: tuple[float, ...], wanted: SliceAxis) -> str:
    """ "axial", "coronal" or "sagittal".

    "auto" is the axis whose spacing is more than 1.5 times both others, the one the scanner sliced along; axial
    where there is none.
    """
    if wanted != "auto":
        return wanted
    for name, (first, *others) in _ORDER.items():
        if all(spacing_mm[first] > _ANISOTROPIC * spacing_mm[axis] for axis in others):
            return name
    return "axial"


def plane_of(grid: Grid) -> str:
    """Plane in which the slices of a volume lie, by where its first axis points: one of `PLANES`."""
    return PLANES[[axis for axis, _ in nearest_orientation(grid.affine)].index(0)]


def wanted_plane(grid: Grid, axis: SliceAxis) -> str:
    """Plane of the slices that `choose_axis` chooses for a volume cut along any plane."""
    spacing = grid.spacing_mm
    return choose_axis(tuple(spacing[array_axis] for array_axis, _ in nearest_orientation(grid.affine)), axis)


def is_even(grid: Grid) -> bool:
    """True if cuts along every axis look alike: no spacing is over 1.5 times another, no side over 4 times another."""
    spacing, sides = grid.spacing_mm, grid.shape
    return max(spacing) <= _ANISOTROPIC * min(spacing) and max(sides) <= _FLAT * min(sides)


def reslice(volume: Volume, label: LabelMap, axis: str) -> tuple[Volume, LabelMap]:
    """Views of a volume and its label with the slice axis first.

    Coronal and sagittal slices have the head at the top, as radiologists look at them.

    Parameters
    ----------
    volume, label : Volume, LabelMap
        On the same (Z, Y, X) grid.
    axis : {"axial", "coronal", "sagittal"}

    Returns
    -------
    Volume, LabelMap
        No copies. Affine and orientation describe the new order, so that writing restores the file's own.
    """
    return turned(volume, "axial", axis), turned(label, "axial", axis)


def turned(cut: _Cut, before: str, after: str) -> _Cut:
    """View of a volume or label map whose slices lie in plane `before`, cut along plane `after` (see `reslice`)."""
    if before == after:
        return cut
    if before != "axial":
        cut = _permuted(_upside_down(cut), _inverse(_ORDER[before]))
    return cut if after == "axial" else _upside_down(_permuted(cut, _ORDER[after]))


def _inverse(order: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(order.index(axis) for axis in range(3))


def _permuted(cut: _Cut, order: tuple[int, ...]) -> _Cut:
    grid = Grid(tuple(cut.grid.shape[axis] for axis in order), cut.grid.affine[:, [*order, 3]])
    orientation: Orientation = tuple(cut.orientation[axis] for axis in order)
    return _with_array(cut, np.moveaxis(_array(cut), order, (0, 1, 2)), grid, orientation)


def _upside_down(cut: _Cut) -> _Cut:
    """With the rows of every slice in reverse."""
    affine = cut.grid.affine.copy()
    affine[:3, 3] += affine[:3, 1] * (cut.grid.shape[1] - 1)
    affine[:3, 1] *= -1
    first, (axis, sign), last = cut.orientation
    return _with_array(cut, _array(cut)[:, ::-1], Grid(cut.grid.shape, affine), (first, (axis, -sign), last))


def _array(cut: Volume | LabelMap) -> NDArray[Any]:
    return cut.voxels if isinstance(cut, Volume) else cut.values


def _with_array(cut: _Cut, array: NDArray[Any], grid: Grid, orientation: Orientation) -> _Cut:
    changed = {"voxels" if isinstance(cut, Volume) else "values": array}
    return replace(cut, **changed, grid=grid, orientation=orientation)  # type: ignore[arg-type]
