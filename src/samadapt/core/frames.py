"""From original pixels to the square a model sees, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Frame:
    """How an (H, W) image lies inside a model's square input.

    A model pixel coordinate is ``original * scale + offset`` (XY). Pixel centres are integers on both sides and
    the mapping is SAM's own: coordinates scale about the corner, without the half-pixel shift.

    Attributes
    ----------
    original_hw : tuple of int
        (H, W) of the image.
    content_hw : tuple of int
        (h, w) of the resized image inside the square.
    size : int
        Side of the square.
    offset_yx : tuple of int
        Top left corner of the content.
    """

    original_hw: tuple[int, int]
    content_hw: tuple[int, int]
    size: int
    offset_yx: tuple[int, int] = (0, 0)

    @property
    def scale_xy(self) -> NDArray[np.float32]:
        """(2,) model pixels per original pixel, XY."""
        (h0, w0), (h1, w1) = self.original_hw, self.content_hw
        return np.array([w1 / w0, h1 / h0], dtype=np.float32)

    def to_model(self, xy: ArrayLike) -> NDArray[np.float32]:
        """Coordinates (..., 2) XY from original to model pixels."""
        offset = np.array(self.offset_yx[::-1], dtype=np.float32)
        return np.asarray(xy, dtype=np.float32) * self.scale_xy + offset

    def to_original(self, xy: ArrayLike) -> NDArray[np.float32]:
        """Coordinates (..., 2) XY from model to original pixels."""
        offset = np.array(self.offset_yx[::-1], dtype=np.float32)
        return (np.asarray(xy, dtype=np.float32) - offset) / self.scale_xy

    def box_to_model(self, xyxy: ArrayLike) -> NDArray[np.float32]:
        """Boxes (..., 4) XYXY from original to model pixels."""
        boxes = np.asarray(xyxy, dtype=np.float32)
        return self.to_model(boxes.reshape(*boxes.shape[:-1], 2, 2)).reshape(boxes.shape)


def longest_side(hw: tuple[int, int], size: int) -> tuple[int, int]:
    """(h, w) after scaling the longer side to `size`, rounded as SAM does."""
    scale = size / max(hw)
    return int(hw[0] * scale + 0.5), int(hw[1] * scale + 0.5)
