"""The part of an image around a prompt, for models that look closer at what they are asked about."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from samadapt.core.errors import PromptError
from samadapt.core.prompts import Box

LEAST_SIDE_PX = 16
"""A window is never smaller: below that, pixels are larger than what a network has seen."""


@dataclass(frozen=True)
class Window:
    """Rows ``y0:y1`` and columns ``x0:x1`` of an image, half-open."""

    y0: int
    x0: int
    y1: int
    x1: int

    @property
    def hw(self) -> tuple[int, int]:
        """(H, W) of the part."""
        return self.y1 - self.y0, self.x1 - self.x0

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the part in an (H, W, ...) array."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    def shift(self, xy: ArrayLike) -> NDArray[np.float32]:
        """Coordinates (..., 2) XY of the image as coordinates of the part."""
        return np.asarray(xy, dtype=np.float32) - np.array([self.x0, self.y0], dtype=np.float32)

    def shift_box(self, box: Box) -> Box:
        """Box of the image as a box of the part, cut at its borders."""
        (height, width), corners = self.hw, self.shift(box.xyxy.reshape(2, 2))
        (x0, y0), (x1, y1) = np.clip(corners, 0, np.array([width - 1, height - 1], dtype=np.float32))
        return Box(float(x0), float(y0), float(x1), float(y1))

    def holds(self, other: Window) -> bool:
        """True if `other` lies inside."""
        return self.y0 <= other.y0 and self.x0 <= other.x0 and self.y1 >= other.y1 and self.x1 >= other.x1


def window_around(
    box: Box,
    hw: tuple[int, int],
    factor: float,
    *,
    shift_xy: tuple[float, float] = (0.0, 0.0),
    least_px: int = LEAST_SIDE_PX,
) -> Window:
    """Square around a box, cut at the border of the image.

    Parameters
    ----------
    box : Box
        In pixels of the image.
    hw : tuple of int
        (H, W) of the image.
    factor : float
        Side of the square as a multiple of the longer side of the box, at least 1.
    shift_xy : tuple of float
        Shift of the square's centre as a share of its side.
    least_px : int
        The side is not smaller.

    Returns
    -------
    Window
        Of at least one pixel.

    Raises
    ------
    PromptError
        If `factor` is below 1.
    """
    if factor < 1:
        raise PromptError(f"a window is at least as large as its box: factor {factor:g} is below 1")
    side = max(factor * max(box.x1 - box.x0 + 1, box.y1 - box.y0 + 1), float(least_px))
    x = _span((box.x0 + box.x1 + 1) / 2 + shift_xy[0] * side, side, hw[1])
    y = _span((box.y0 + box.y1 + 1) / 2 + shift_xy[1] * side, side, hw[0])
    return Window(y[0], x[0], y[1], x[1])


def box_around(box: Box | None, xy: NDArray[Any] | None) -> Box | None:
    """Smallest box that holds a box and points (N, 2); None without either."""
    corners = [] if box is None else [box.xyxy.reshape(2, 2)]
    if xy is not None and len(xy):
        corners.append(np.asarray(xy, dtype=np.float32).reshape(-1, 2))
    if not corners:
        return None
    (x0, y0), (x1, y1) = np.concatenate(corners).min(0), np.concatenate(corners).max(0)
    return Box(float(x0), float(y0), float(x1), float(y1))


def _span(middle: float, side: float, length: int) -> tuple[int, int]:
    """Half-open range of whole pixels inside [0, length)."""
    low = min(max(int(np.floor(middle - side / 2)), 0), length - 1)
    return low, max(min(int(np.ceil(middle + side / 2)), length), low + 1)
