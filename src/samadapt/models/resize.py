"""The resize of each published checkpoint, in numpy, without the library it came from where that can be avoided."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from torch import Tensor

Pixels = NDArray[np.float32]


def resize_array(image: Pixels, hw: tuple[int, int], how: str) -> Pixels:
    """Resize (H, W, C) to (h, w, C); an image that has this size already is returned as it is.

    Parameters
    ----------
    image : ndarray of shape (H, W, C), float32 in 0..255
    hw : tuple of int
    how : {"pil-bilinear", "bilinear", "cubic-antialiased", "cubic", "nearest"}

    Returns
    -------
    ndarray of shape (h, w, C), float32
    """
    if image.shape[:2] == tuple(hw):
        return image
    if how == "bilinear":
        return _torch_bilinear(image, hw)
    if how == "nearest":
        return _nearest(image, hw)
    one = {"pil-bilinear": _pil, "cubic-antialiased": _cubic_antialiased, "cubic": _cubic}[how]
    channels = image.shape[2]
    if (image[..., :1] == image).all():  # grey: once instead of three times
        return np.repeat(one(image[..., 0], hw)[..., None], channels, axis=2)
    return np.stack([one(image[..., c], hw) for c in range(channels)], axis=2)


def resize_tensor(images: Tensor, hw: tuple[int, int]) -> Tensor:
    """Antialiased bilinear resize of (B, C, H, W)."""
    from torch.nn.functional import interpolate

    return interpolate(images, hw, mode="bilinear", align_corners=False, antialias=True)


def _torch_bilinear(image: Pixels, hw: tuple[int, int]) -> Pixels:
    import torch

    chw = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1)))
    resized: Pixels = resize_tensor(chw[None], hw)[0].permute(1, 2, 0).numpy()
    return resized


def _pil(channel: Pixels, hw: tuple[int, int]) -> Pixels:
    """PIL's bilinear: on 8 bits where the values are whole, as SAM does, else on floats."""
    from PIL import Image

    whole = channel.astype(np.uint8)
    source = whole if (whole == channel).all() else np.ascontiguousarray(channel)
    resized = Image.fromarray(source).resize((hw[1], hw[0]), Image.Resampling.BILINEAR)
    result: Pixels = np.asarray(resized, dtype=np.float32)
    return result


def _nearest(image: Pixels, hw: tuple[int, int]) -> Pixels:
    rows, columns = (
        np.minimum((np.arange(new) * (old / new)).astype(int), old - 1) for new, old in zip(hw, image.shape)
    )
    nearest: Pixels = image[rows[:, None], columns]
    return nearest


def _cubic(channel: Pixels, hw: tuple[int, int]) -> Pixels:
    from scipy.ndimage import zoom

    factors = tuple(new / old for new, old in zip(hw, channel.shape))
    zoomed: Pixels = zoom(channel, factors, order=3).astype(np.float32)
    return zoomed


def _cubic_antialiased(channel: Pixels, hw: tuple[int, int]) -> Pixels:
    """What scikit-image's resize does with order 3: Gaussian where shrinking, spline, clipped to the old range."""
    from scipy.ndimage import gaussian_filter, zoom

    shrink = [old / new for new, old in zip(hw, channel.shape)]
    source = channel.astype(np.float64)
    smooth = gaussian_filter(source, [max(0.0, (s - 1) / 2) for s in shrink], mode="mirror")
    zoomed = zoom(smooth, [1 / s for s in shrink], order=3, mode="mirror", grid_mode=True)
    clipped: Pixels = np.clip(zoomed, source.min(), source.max()).astype(np.float32)
    return clipped
