"""Any axis order to canonical LPS and back, by permutation and flips alone: no voxel is interpolated."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import InvalidGeometry
from samadapt.core.grid import Grid
from samadapt.core.image import Orientation, Volume

_WORLD_ROW = (2, 1, 0)  # canonical axes z, y, x lie along world rows 2, 1, 0
REPAIR = "Correct the spacing or the orientation in the file's header (nibabel: img.header.set_zooms)."


def nearest_orientation(affine: NDArray[np.float64]) -> Orientation:
    """Permutation and flips that bring the array axes nearest to z, y, x of LPS.

    Parameters
    ----------
    affine : ndarray of shape (4, 4), float64
        Array index in array order (a0, a1, a2, 1) to LPS mm; may be oblique or sheared.

    Returns
    -------
    Orientation
        For canonical axis z, y, x: (array axis, +1 or -1). Of equally near permutations the first counts.
    """
    cosines = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    best, order = -1.0, [0, 1, 2]
    for candidate in permutations((0, 1, 2)):
        score = sum(abs(cosines[row, axis]) for row, axis in zip(_WORLD_ROW, candidate))
        if score > best + 1e-9:
            best, order = score, list(candidate)
    z, y, x = ((axis, 1 if cosines[row, axis] >= 0 else -1) for row, axis in zip(_WORLD_ROW, order))
    return z, y, x


def to_canonical(
    array: NDArray[Any], affine: NDArray[np.float64], orientation: Orientation
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Array (a0, a1, a2[, C]) and its affine, permuted and flipped as `orientation` says."""
    axes = [axis for axis, _ in orientation]
    moved = affine.copy()
    for column, (axis, sign) in enumerate(orientation):
        moved[:3, column] = affine[:3, axis] * sign
        if sign < 0:
            moved[:3, 3] += affine[:3, axis] * (array.shape[axis] - 1)
    flips = tuple(slice(None, None, sign) for _, sign in orientation)
    return array.transpose(*axes, *range(3, array.ndim))[flips], moved


def from_canonical(
    array: NDArray[Any], affine: NDArray[np.float64], orientation: Orientation
) -> tuple[NDArray[Any], NDArray[np.float64]]:
    """Inverse of `to_canonical`: the array in the file's own axis order, and its affine."""
    restored = affine.copy()
    flips = tuple(slice(None, None, sign) for _, sign in orientation)
    for column in reversed(range(3)):
        axis, sign = orientation[column]
        restored[:3, axis] = affine[:3, column] * sign
        if sign < 0:
            restored[:3, 3] -= restored[:3, axis] * (array.shape[column] - 1)
    inverse = np.argsort([axis for axis, _ in orientation])
    return array[flips].transpose(*inverse, *range(3, array.ndim)), restored


def canonical_volume(array: NDArray[Any], affine: NDArray[np.float64], path: Path, modality: str = "") -> Volume:
    """Volume in canonical order.

    Parameters
    ----------
    array : ndarray of shape (a0, a1, a2) or (a0, a1, a2, C)
        In array order (last spatial axis fastest in the file).
    affine : ndarray of shape (4, 4), float64
        Array index in array order to LPS mm.

    Raises
    ------
    InvalidGeometry
        If the affine is not finite, a step has no length, or axes coincide.
    """
    if min(array.shape) < 1:
        raise InvalidGeometry(f"the image has no voxels (shape {array.shape})", where=path)
    if not np.isfinite(affine).all() or abs(np.linalg.det(affine[:3, :3])) < 1e-12:
        raise InvalidGeometry(
            "the affine is not finite, has zero spacing, or its axes coincide", where=path, remedy=REPAIR
        )
    orientation = nearest_orientation(affine)
    voxels, moved = to_canonical(array, affine, orientation)
    voxels = np.ascontiguousarray(voxels)
    return Volume(voxels, Grid(voxels.shape[:3], moved), orientation, modality, str(path))


def require_spacing(spacing_mm: NDArray[np.float64], path: Path) -> None:
    """Raise `InvalidGeometry` unless every spacing is finite and above zero."""
    if not (np.isfinite(spacing_mm).all() and (spacing_mm > 0).all()):
        values = [float(f"{value:g}") for value in spacing_mm]
        raise InvalidGeometry(f"spacing must be positive, the header says {values}", where=path, remedy=REPAIR)


def squeeze_fourth(array: NDArray[Any], channels: bool, path: Path) -> NDArray[Any]:
    """(a, b, c) or, with `channels`, (a, b, c, C): axes of length one past the third are dropped, missing ones added.

    Raises
    ------
    InvalidGeometry
        If a fourth axis remains and is not declared to hold channels, or more than one remains.
    """
    spatial = array.shape[:3] + (1,) * (3 - array.ndim)
    extra = [length for length in array.shape[3:] if length != 1]
    array = array.reshape(*spatial, *extra)
    if len(extra) > 1 or (extra and not channels):
        raise InvalidGeometry(
            f"the image has {3 + len(extra)} axes {array.shape}: channels, or a time series",
            where=path,
            remedy="Open it with channels=True if the fourth axis holds channels; split a time series into volumes.",
        )
    return array
