"""Points inside a mask."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import PromptError
from samadapt.prompts.masks import require_mask


def random_points(mask: NDArray[Any], n: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Points drawn uniformly from the pixels of a mask.

    Parameters
    ----------
    mask : ndarray of shape (H, W), bool or integer
    n : int
        How many, at least 1. All differ unless the mask has fewer pixels.
    rng : Generator

    Returns
    -------
    ndarray of shape (n, 2), float32
        XY in pixels of `mask`, pixel centres.

    Raises
    ------
    PromptError
        If the mask is empty or `n` is below 1.
    """
    if n < 1:
        raise PromptError(f"at least one point is needed, not {n}")
    inside = require_mask(mask)
    pixels = np.flatnonzero(inside)
    return _xy(rng.choice(pixels, size=n, replace=len(pixels) < n), inside.shape[1])


def centre_point(mask: NDArray[Any]) -> NDArray[np.float32]:
    """The pixel of the largest component that is farthest from its edge.

    Components are 8-connected; the image border counts as background; the first in raster order wins a tie.

    Parameters
    ----------
    mask : ndarray of shape (H, W), bool or integer

    Returns
    -------
    ndarray of shape (2,), float32
        XY in pixels of `mask`.

    Raises
    ------
    PromptError
        If the mask is empty.

    References
    ----------
    .. [1] Mazurowski et al. 2023, Med Image Anal 89:102918 (prompt mode 1).
    """
    return deepest_pixel(largest_component(mask))


def largest_component(mask: NDArray[Any]) -> NDArray[np.bool_]:
    """Largest 8-connected component of a mask, (H, W) bool; the first in raster order wins a tie.

    Raises
    ------
    PromptError
        If the mask is empty.
    """
    components, count = components_of(require_mask(mask))
    largest = 1 if count == 1 else 1 + int(np.argmax(np.bincount(components.ravel())[1:]))
    return np.asarray(components == largest)


def components_of(mask: NDArray[np.bool_]) -> tuple[NDArray[np.int32], int]:
    """8-connected components of a 2-D mask, numbered from 1, and how many."""
    from scipy import ndimage

    components = np.empty(mask.shape, dtype=np.int32)
    return components, int(ndimage.label(mask, structure=np.ones((3, 3), dtype=bool), output=components))


def deepest_pixel(component: NDArray[np.bool_]) -> NDArray[np.float32]:
    """XY of the maximum of the distance to the background, outside the image included."""
    from scipy import ndimage

    rows, columns = np.flatnonzero(component.any(axis=1)), np.flatnonzero(component.any(axis=0))
    y0, x0 = int(rows[0]), int(columns[0])
    crop = np.pad(component[y0 : rows[-1] + 1, x0 : columns[-1] + 1], 1)
    depth = ndimage.distance_transform_edt(crop)
    y, x = np.unravel_index(int(np.argmax(depth)), crop.shape)
    return np.array([x0 + x - 1, y0 + y - 1], dtype=np.float32)


def _xy(flat: NDArray[np.int64], width: int) -> NDArray[np.float32]:
    return np.stack([flat % width, flat // width], axis=1).astype(np.float32)
