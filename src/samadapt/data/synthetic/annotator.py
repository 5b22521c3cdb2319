"""Outlines as people draw them: rounder than what is to be seen, across dents, and a little beside it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_fill_holes, distance_transform_edt, gaussian_filter, shift

LEAST_AGREEMENT = 0.7
"""IoU with what is to be seen, below which an outline is another object (a thin tube blurred away)."""
_MARGIN = 0.5
_ACROSS_DENTS = 0.4


def outlined(mask: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Mask as an annotator might have drawn it.

    Blurred by 2 to 10 % of the square root of its area, drawn generously or tightly, moved by about 2 %, half the time
    without holes, and 40 % of the time across dents (a muscle that reaches into a heart's chamber belongs to it).

    Parameters
    ----------
    mask : ndarray of shape (H, W), bool
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (H, W), bool
        The mask itself where it is empty, or where the outline would agree with it by less than `LEAST_AGREEMENT`.
    """
    if not mask.any():
        return mask
    extent = float(np.sqrt(mask.sum()))
    window = _around(mask, round(extent * _MARGIN) + 1)
    seen = mask[window]
    meant = _closed(seen, extent * rng.uniform(0.1, 0.45)) if rng.random() < _ACROSS_DENTS else seen
    soft = gaussian_filter(meant.astype(np.float32), extent * rng.uniform(0.02, 0.1), mode="nearest")
    soft = shift(soft, rng.normal(0, 0.02 * extent, 2), order=1, mode="nearest")
    drawn = soft > rng.uniform(0.35, 0.6)
    if rng.random() < 0.5:
        drawn = binary_fill_holes(drawn)
    if (drawn & seen).sum() < LEAST_AGREEMENT * (drawn | seen).sum():
        return mask
    whole = np.zeros_like(mask)
    whole[window] = drawn
    return whole


def _closed(mask: NDArray[np.bool_], radius: float) -> NDArray[np.bool_]:
    """Morphological closing by a disk; the frame's border is no border of the object."""
    if mask.all():
        return mask
    padded = np.pad(mask, int(radius) + 2)
    near = distance_transform_edt(~padded) <= radius
    closed = distance_transform_edt(near) > radius
    inner = int(radius) + 2
    return np.asarray(closed[inner:-inner, inner:-inner] | mask)


def _around(mask: NDArray[np.bool_], margin: int) -> tuple[slice, slice]:
    """Part of the frame that holds the mask and a margin."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    return tuple(slice(max(int(a[0]) - margin, 0), int(a[-1]) + margin + 1) for a in (rows, columns))  # type: ignore[return-value]
