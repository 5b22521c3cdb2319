"""Low-resolution logits back to the pixels of the original image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor
from torch.nn.functional import interpolate

if TYPE_CHECKING:
    from samadapt.core.frames import Frame


def to_original(logits: Tensor, frame: Frame) -> Tensor:
    """Bilinear to the model's square, crop to the content, bilinear to the original size, as SAM does.

    Parameters
    ----------
    logits : Tensor of shape (B, M, h, w), float
    frame : Frame

    Returns
    -------
    Tensor of shape (B, M, H, W)
    """
    return interpolate(to_content(logits, frame), frame.original_hw, mode="bilinear", align_corners=False)


def to_content(logits: Tensor, frame: Frame) -> Tensor:
    """Bilinear to the model's square, cropped to the (h, w) of the resized image: (B, M, h, w)."""
    square = interpolate(logits, (frame.size, frame.size), mode="bilinear", align_corners=False)
    (top, left), (height, width) = frame.offset_yx, frame.content_hw
    return square[..., top : top + height, left : left + width]
