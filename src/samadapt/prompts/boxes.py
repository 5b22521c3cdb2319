"""Boxes: tight, expanded as in MedSAM, shifted as in SAM-Med2D; and the ellipse that only a box knows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import PromptError
from samadapt.core.prompts import Box
from samadapt.prompts.masks import require_mask


def box_of(mask: NDArray[Any]) -> Box:
    """Tight box of a mask.

    Parameters
    ----------
    mask : ndarray of shape (H, W), bool or integer
        Non-zero inside the object, all of its components.

    Returns
    -------
    Box
        XYXY in pixels of `mask`, maximum inclusive, as SAM's own mask-to-box.

    Raises
    ------
    PromptError
        If the mask is empty or not 2-D.
    """
    inside = require_mask(mask)
    columns, rows = np.flatnonzero(inside.any(axis=0)), np.flatnonzero(inside.any(axis=1))
    return Box(float(columns[0]), float(rows[0]), float(columns[-1]), float(rows[-1]))


def jitter_box(box: Box, hw: tuple[int, int], max_px: int, rng: np.random.Generator) -> Box:
    """Box with every side moved outward by a whole number of pixels drawn from {0, ..., max_px}.

    Parameters
    ----------
    box : Box
    hw : tuple of int
        (H, W) of the image; the result is clipped to it.
    max_px : int
        Largest shift. MedSAM draws up to 20 in its 1024-pixel frame.
    rng : Generator

    Returns
    -------
    Box
        Contains `box` wherever that lies inside the image.

    Raises
    ------
    PromptError
        If `max_px` is negative.

    References
    ----------
    .. [1] Ma et al. 2024, Nat Commun 15:654 (bowang-lab/MedSAM, training data set).
    """
    if max_px < 0:
        raise PromptError(f"the largest box shift must not be negative, not {max_px}")
    left, top, right, bottom = (int(v) for v in rng.integers(0, max_px + 1, 4))
    return _clip(box.x0 - left, box.y0 - top, box.x1 + right, box.y1 + bottom, hw)


def noisy_box(
    box: Box, hw: tuple[int, int], rng: np.random.Generator, *, relative: float = 0.1, max_px: int = 5
) -> Box:
    """Box moved as a whole by the noise of SAM-Med2D.

    The shift of each axis is drawn from {-m, ..., m - 1} with ``m = min(max_px, int(5 * relative * shorter side))``
    and is zero where m is zero.

    Parameters
    ----------
    box : Box
    hw : tuple of int
        (H, W) of the image; the result is clipped to it, which the original leaves out.
    rng : Generator
    relative : float
        Noise as a fraction of the shorter side.
    max_px : int
        Largest shift in pixels; 0 gives the box back, as in their test protocol.

    Returns
    -------
    Box

    References
    ----------
    .. [1] Cheng et al. 2023, arXiv:2308.16184 (OpenGVLab/SAM-Med2D bfd2b93).
    """
    shorter = min(box.x1 - box.x0, box.y1 - box.y0) + 1
    limit = min(max_px, int(shorter * relative * 5))
    dx, dy = (int(v) for v in rng.integers(-limit, limit, 2)) if limit > 0 else (0, 0)
    return _clip(box.x0 + dx, box.y0 + dy, box.x1 + dx, box.y1 + dy, hw)


def ellipse_in(box: Box, hw: tuple[int, int]) -> NDArray[np.bool_]:
    """Ellipse inscribed in a box: what a box gives away about an object without any model.

    Parameters
    ----------
    box : Box
        Its pixels run from ``x0 - 0.5`` to ``x1 + 0.5``.
    hw : tuple of int
        (H, W) of the mask.

    Returns
    -------
    ndarray of shape (H, W), bool
        True where the pixel centre lies inside.
    """
    mask = np.zeros(hw, dtype=bool)
    x0, y0 = max(int(np.ceil(box.x0)), 0), max(int(np.ceil(box.y0)), 0)
    x1, y1 = min(int(np.floor(box.x1)), hw[1] - 1), min(int(np.floor(box.y1)), hw[0] - 1)
    u = (np.arange(x0, x1 + 1) - (box.x0 + box.x1) / 2) / ((box.x1 - box.x0 + 1) / 2)
    v = (np.arange(y0, y1 + 1) - (box.y0 + box.y1) / 2) / ((box.y1 - box.y0 + 1) / 2)
    mask[y0 : y1 + 1, x0 : x1 + 1] = u[None] ** 2 + v[:, None] ** 2 <= 1
    return mask


def _clip(x0: float, y0: float, x1: float, y1: float, hw: tuple[int, int]) -> Box:
    right, bottom = float(hw[1] - 1), float(hw[0] - 1)
    return Box(min(max(x0, 0.0), right), min(max(y0, 0.0), bottom), min(max(x1, 0.0), right), min(max(y1, 0.0), bottom))
