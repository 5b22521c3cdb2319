"""Smaller training pictures, made the way published preprocessing made them."""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from samadapt.config import Config
from samadapt.core.grid import Grid
from samadapt.core.image import Image, LabelMap, Volume
from samadapt.data.recipes.base import LoadedCase

_CUBIC: Final = 3
_NEAREST: Final = 0


class ShrinkOptions(Config):
    """Whether training slices are shrunk."""

    train_px: int | None = Field(
        None, ge=32, description="Side to which training slices are shrunk; SAMed trains on slices of 224"
    )


def shrink(case: LoadedCase, side_px: int) -> LoadedCase:
    """Every slice zoomed to `side_px` x `side_px`, as TransUNet's and SAMed's preprocessing does it.

    Cubic splines for the image, nearest neighbour for the label (`scipy.ndimage.zoom`), the sides independently.

    Parameters
    ----------
    case : LoadedCase
        With a LabelMap.
    side_px : int

    Returns
    -------
    LoadedCase
        float32 intensities; the grid keeps the extent.
    """
    image, label = case.image, case.label
    if not isinstance(label, LabelMap):
        raise TypeError("shrink needs a label map")
    values = _zoomed(label.values, side_px, _NEAREST)
    grid = _smaller(image.grid, values.shape)
    small = LabelMap(values, grid, label.orientation, label.source)
    if isinstance(image, Image):
        pixels = _zoomed(image.pixels.astype(np.float32), side_px, _CUBIC)
        return LoadedCase(Image(pixels, grid, image.modality, image.source), small, case.window)
    voxels = _zoomed(image.voxels.astype(np.float32), side_px, _CUBIC)
    volume = Volume(voxels, grid, image.orientation, image.modality, image.source)
    return LoadedCase(volume, small, case.window)


def _zoomed(array: NDArray[Any], side_px: int, order: Literal[0, 3]) -> NDArray[Any]:
    from scipy import ndimage

    planes = array[None] if array.ndim == 2 else array
    factors = (side_px / planes.shape[1], side_px / planes.shape[2])
    small = np.stack([ndimage.zoom(plane, factors, order=order) for plane in planes])
    return small[0] if array.ndim == 2 else small


def _smaller(grid: Grid, shape: tuple[int, ...]) -> Grid:
    """Grid of `shape` over the same extent, pixel edges kept."""
    affine = grid.affine.copy()
    for column, old, new in zip((1, 2), grid.shape[-2:], shape[-2:]):
        step = affine[:3, column].copy()
        affine[:3, column] = step * (old / new)
        affine[:3, 3] += step * ((old / new - 1) / 2)
    return Grid(tuple(shape), affine)
