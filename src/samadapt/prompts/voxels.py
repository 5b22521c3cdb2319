"""Prompts of the CVPR 2025 challenge on interactive segmentation: a box in the middle slice, clicks in the volume."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import PromptError, ShapeMismatch
from samadapt.core.prompts import Box
from samadapt.prompts.boxes import box_of

_SEED = 42
_LARGEST_SHIFT, _SHIFT_FRAME = 5, 256


def middle_box(mask: NDArray[np.bool_], rng: np.random.Generator) -> tuple[int, Box]:
    """Slice of the median voxel of an object, and a loose box in it.

    Both sides of an axis move outwards by the same s * size / 256 pixels, s drawn from {0, ..., 5} once for both axes.

    Parameters
    ----------
    mask : ndarray of shape (Z, Y, X), bool
    rng : Generator

    Returns
    -------
    z : int
    box : Box
        Clipped to the slice.

    Raises
    ------
    PromptError
        If the mask is empty or not 3-D.

    References
    ----------
    .. [1] JunMa11/CVPR-MedSegFMCompetition, get_boxes.py (2025).
    """
    if mask.ndim != 3 or not mask.any():
        raise PromptError("the box of a middle slice needs a volume (Z, Y, X) with an object in it")
    areas = mask.sum(axis=(1, 2))
    z = int(np.searchsorted(np.cumsum(areas), int(areas.sum()) // 2, side="right"))
    tight, (height, width) = box_of(mask[z]), mask.shape[1:]
    shift = int(rng.integers(0, _LARGEST_SHIFT + 1))
    dx, dy = shift * width // _SHIFT_FRAME, shift * height // _SHIFT_FRAME
    right, bottom = min(tight.x1 + dx, width - 1), min(tight.y1 + dy, height - 1)
    return z, Box(max(tight.x0 - dx, 0), max(tight.y0 - dy, 0), right, bottom)


def next_voxel(reference: NDArray[Any], prediction: NDArray[Any]) -> tuple[tuple[int, int, int], int]:
    """Centre of the largest 26-connected component of wrong voxels, missed and false ones together.

    The centre is the voxel with the largest Euclidean distance, in voxels, to where the component ends; of several one
    is drawn with the challenge's fixed seed.

    Parameters
    ----------
    reference, prediction : ndarray of shape (Z, Y, X), bool or integer

    Returns
    -------
    zyx : tuple of int
    label : int
        1 where the object was missed, 0 where background was marked.

    Raises
    ------
    PromptError
        If the masks are equal or not 3-D.
    ShapeMismatch
        If their shapes differ.

    References
    ----------
    .. [1] JunMa11/CVPR-MedSegFMCompetition, CVPR25_iter_eval.py (2025).
    """
    truth, marked = np.asarray(reference) != 0, np.asarray(prediction) != 0
    if truth.shape != marked.shape:
        raise ShapeMismatch(f"reference {truth.shape} and prediction {marked.shape} differ in shape")
    if truth.ndim != 3 or not (truth != marked).any():
        raise PromptError("a click in a volume needs masks (Z, Y, X) that differ")
    part, corner = _largest_part(truth != marked)
    z, y, x = (int(a + b) for a, b in zip(_deepest(part), corner))
    return (z, y, x), int(truth[z, y, x])


def _largest_part(error: NDArray[np.bool_]) -> tuple[NDArray[np.bool_], tuple[int, ...]]:
    """The component in its own box, and the box's first corner."""
    from scipy import ndimage

    components, _ = ndimage.label(error, structure=np.ones((3, 3, 3), dtype=bool))
    largest = 1 + int(np.argmax(np.bincount(components.ravel())[1:]))
    box = ndimage.find_objects(components, largest)[-1]
    return components[box] == largest, tuple(side.start for side in box)


def _deepest(part: NDArray[np.bool_]) -> NDArray[np.int64]:
    from scipy import ndimage

    depth = ndimage.distance_transform_edt(np.pad(part, 1))[1:-1, 1:-1, 1:-1]
    ties = np.argwhere(depth == depth.max())
    chosen: NDArray[np.int64] = ties[np.random.RandomState(_SEED).choice(len(ties))]
    return chosen
