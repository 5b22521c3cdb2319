"""Neighbouring slices as the three channels of one image (2.5-D context)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from samadapt.core.image import Image, Volume


def neighbour_indices(index: int, count: int, context: int) -> list[int]:
    """Indices of the `context` slices centred on `index`, repeated at the ends; (i-1, i, i+1) for 3."""
    half = context // 2
    return [min(max(index + step, 0), count - 1) for step in range(-half, half + 1)]


def stack(images: list[Image]) -> Image:
    """Grey slices as the channels of one image, with the geometry of the middle one."""
    middle = images[len(images) // 2]
    if len(images) == 1:
        return middle
    pixels = np.stack([image.pixels for image in images], axis=-1)
    return Image(pixels, middle.grid, middle.modality, middle.source, middle.window)


def neighbours(volume: Volume, context: int) -> Iterator[Image]:
    """Every slice of a volume with its neighbours as channels; plain slices for `context` 1 or colour volumes."""
    if volume.voxels.ndim == 4:
        context = 1
    for index in range(len(volume)):
        yield stack([volume.slice(k) for k in neighbour_indices(index, len(volume), context)])
