"""Small holes and islands of masks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

_EIGHT = np.ones((3, 3), dtype=bool)


def clean(mask: NDArray[np.bool_], smallest_px: float) -> tuple[NDArray[np.bool_], bool]:
    """Fill small holes, then drop small islands; the largest island always stays.

    Parameters
    ----------
    mask : ndarray of shape (H, W), bool
    smallest_px : float
        Area below which a region is small, in pixels. Pixels that touch at a corner belong together, and outside
        counts as a hole where it is that small.

    Returns
    -------
    ndarray of shape (H, W), bool
    bool
        True if something was changed.
    """
    holes, small_holes, _ = _regions(~mask, smallest_px)
    filled = mask | np.isin(holes, small_holes) if len(small_holes) else mask
    islands, small_islands, largest = _regions(filled, smallest_px)
    if not len(small_islands):
        return filled, filled is not mask
    dropped = np.setdiff1d(small_islands, [largest]) if len(small_islands) == islands.max() else small_islands
    return filled & ~np.isin(islands, dropped), True


def _regions(inside: NDArray[np.bool_], smallest_px: float) -> tuple[NDArray[Any], NDArray[Any], int]:
    """Numbered regions, the numbers of the small ones, and the number of the largest."""
    numbered, count = ndimage.label(inside, _EIGHT)
    sizes = np.bincount(numbered.ravel(), minlength=count + 1)[1:]
    return numbered, np.flatnonzero(sizes < smallest_px) + 1, int(sizes.argmax()) + 1 if count else 0
