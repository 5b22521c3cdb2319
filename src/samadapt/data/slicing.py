"""Along which axis a volume is cut, with the way back to the file's own order kept."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from samadapt.core.grid import Grid
from samadapt.core.image import LabelMap, Orientation, Volume

SliceAxis = Literal["axial", "coronal", "sagittal", "auto"]
_ORDER = {"axial": (0, 1, 2), "coronal": (1, 0, 2), "sagittal": (2, 0, 1)}
_ANISOTROPIC = 1.5


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
    if axis == "axial":
        return volume, label
    order = _ORDER[axis]
    grid, orientation = _turn_grid(volume.grid, order), _turn_orientation(volume.orientation, order)
    voxels = np.moveaxis(volume.voxels, order, (0, 1, 2))[:, ::-1]
    values = np.moveaxis(label.values, order, (0, 1, 2))[:, ::-1]
    turned = _turn_orientation(label.orientation, order)
    return (
        replace(volume, voxels=voxels, grid=grid, orientation=orientation),
        replace(label, values=values, grid=grid, orientation=turned),
    )


def _turn_grid(grid: Grid, order: tuple[int, ...]) -> Grid:
    affine = grid.affine[:, [*order, 3]].copy()
    shape = tuple(grid.shape[axis] for axis in order)
    affine[:3, 3] += affine[:3, 1] * (shape[1] - 1)
    affine[:3, 1] *= -1
    return Grid(shape, affine)


def _turn_orientation(orientation: Orientation, order: tuple[int, ...]) -> Orientation:
    turned = [orientation[axis] for axis in order]
    turned[1] = (turned[1][0], -turned[1][1])
    return tuple(turned)
