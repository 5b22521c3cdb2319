"""The box of every label that occurs, from one pass over an array."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Bounds = tuple[slice, ...]
BITS = ((8, np.uint8), (16, np.uint16), (32, np.uint32), (64, np.uint64))


def label_boxes(values: NDArray[Any]) -> dict[int, Bounds]:
    """Smallest box around each label.

    Parameters
    ----------
    values : ndarray of shape (H, W) or (Z, Y, X), non-negative integer

    Returns
    -------
    dict of int to tuple of slice
        By ascending label, background (0) left out.
    """
    largest = int(values.max())
    kind = next((kind for bits, kind in BITS if largest < bits), None)
    return _boxes_of_many(values, largest) if kind is None else _boxes_by_bits(values, kind, largest)


def _boxes_by_bits(values: NDArray[Any], kind: type[np.unsignedinteger[Any]], largest: int) -> dict[int, Bounds]:
    """Each voxel becomes the bit of its label; planes, rows and columns are joined by "or"."""
    planes = np.zeros(len(values), dtype=kind)
    across = np.zeros(values.shape[1:], dtype=kind)
    for index, plane in enumerate(values):
        marks = np.left_shift(kind(1), plane.astype(kind, copy=False))
        planes[index] = np.bitwise_or.reduce(marks, axis=None)
        across |= marks
    profiles = (
        [planes, across] if across.ndim == 1 else [planes, *(np.bitwise_or.reduce(across, axis=a) for a in (1, 0))]
    )
    present = int(np.bitwise_or.reduce(planes))
    labels = [label for label in range(1, largest + 1) if present >> label & 1]
    return {label: tuple(_span(profile & kind(1 << label)) for profile in profiles) for label in labels}


def _boxes_of_many(values: NDArray[Any], largest: int) -> dict[int, Bounds]:
    from scipy import ndimage

    if largest > 2**16:
        names, numbers = np.unique(values, return_inverse=True)
        found = zip(names, ndimage.find_objects(numbers.reshape(values.shape) + 1))
        return {int(name): box for name, box in found if name}
    return {k: box for k, box in enumerate(ndimage.find_objects(values), start=1) if box is not None}


def _span(profile: NDArray[Any]) -> slice:
    used = np.flatnonzero(profile)
    return slice(int(used[0]), int(used[-1]) + 1)
