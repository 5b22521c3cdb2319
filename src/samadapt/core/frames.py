"""From original pixels to the square a model sees, and back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class Frame:
    """How an (H, W) image lies inside a model's square input.

    A model pixel coordinate is ``original * scale + offset`` (XY). Pixel centres are integers on both sides and
    the mapping is SAM's own: coordinates scale about the centre of the corner pixel, although images scale about its
    corner. With `half_pixel` coordinates scale as images do, which matters where a few pixels are enlarged: a box of
    6 pixels in a frame of twenty times the scale is 120 model pixels wide instead of 100.

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
    half_pixel : bool
        Coordinates scale about the corner of the image, and a box holds all of its pixels' area.
    """

    original_hw: tuple[int, int]
    content_hw: tuple[int, int]
    size: int
    offset_yx: tuple[int, int] = (0, 0)
    half_pixel: bool = False

    @property
    def scale_xy(self) -> NDArray[np.float32]:
        """(2,) model pixels per original pixel, XY."""
        (h0, w0), (h1, w1) = self.original_hw, self.content_hw
        return np.array([w1 / w0, h1 / h0], dtype=np.float32)

    @property
    def _half(self) -> NDArray[np.float32]:
        """(2,) from the centre of an enlarged pixel to that of its first model pixel."""
        half: NDArray[np.float32] = (self.scale_xy - 1) / np.float32(2)
        return half

    @property
    def _offset_xy(self) -> NDArray[np.float32]:
        """(2,) model pixels, of the original's corner pixel."""
        corner = np.array(self.offset_yx[::-1], dtype=np.float32)
        return corner + self._half if self.half_pixel else corner

    def to_model(self, xy: ArrayLike) -> NDArray[np.float32]:
        """Coordinates (..., 2) XY from original to model pixels."""
        return np.asarray(xy, dtype=np.float32) * self.scale_xy + self._offset_xy

    def to_original(self, xy: ArrayLike) -> NDArray[np.float32]:
        """Coordinates (..., 2) XY from model to original pixels."""
        return (np.asarray(xy, dtype=np.float32) - self._offset_xy) / self.scale_xy

    def box_to_model(self, xyxy: ArrayLike) -> NDArray[np.float32]:
        """Boxes (..., 4) XYXY, maximum inclusive, from original to model pixels."""
        boxes = np.asarray(xyxy, dtype=np.float32)
        corners = self.to_model(boxes.reshape(*boxes.shape[:-1], 2, 2))
        if self.half_pixel:
            grown = np.maximum(self._half, 0)
            corners = corners + np.stack([-grown, grown])
        return corners.reshape(boxes.shape)


def longest_side(hw: tuple[int, int], size: int) -> tuple[int, int]:
    """(h, w) after scaling the longer side to `size`, rounded as SAM does."""
    scale = size / max(hw)
    return int(hw[0] * scale + 0.5), int(hw[1] * scale + 0.5)
