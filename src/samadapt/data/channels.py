"""Which channels of an image become red, green and blue, each with its own window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import ConfigError
from samadapt.core.image import Image, Volume
from samadapt.data.window import to_display, window_of

AnyImage = TypeVar("AnyImage", Image, Volume)


def as_colour(image: AnyImage, channels: Sequence[int], window: str = "auto") -> AnyImage:
    """Image or volume of any number of channels as the colours that a model takes.

    Parameters
    ----------
    image : Image with pixels (H, W) or (H, W, C), or Volume with voxels (Z, Y, X) or (Z, Y, X, C)
        Contrast phases, MR sequences or spectral bands along the last axis.
    channels : sequence of three int
        From 0, those that become red, green and blue. One may be named more than once.
    window : str
        See `samadapt.data.window.window_of`: the policy for each channel by itself, over all slices. The image's
        own window is one for all channels and is not used.

    Returns
    -------
    Image or Volume
        (H, W, 3) or (Z, Y, X, 3), float32 in 0..255, with the window (0, 255).

    Raises
    ------
    ConfigError
        If there are not three channels, one of them does not exist, or `window` is not a window.
    """
    values: NDArray[Any] = image.pixels if isinstance(image, Image) else image.voxels
    spread: NDArray[Any] = values[..., None] if values.ndim == len(image.grid.shape) else values
    _require_channels(channels, spread.shape[-1], image.source)
    colour = np.empty((*spread.shape[:-1], 3), np.float32)
    for place, index in enumerate(channels):
        colour[..., place] = _shown(spread[..., index], image.modality, window)
    if isinstance(image, Image):
        return replace(image, pixels=colour, window=(0.0, 255.0))
    return replace(image, voxels=colour, window=(0.0, 255.0))


def _shown(channel: NDArray[Any], modality: str, window: str) -> NDArray[np.float32]:
    flat = channel.reshape(channel.shape[0], -1)
    return to_display(flat, window_of(channel, modality, window))[..., 0].reshape(channel.shape)


def _require_channels(channels: Sequence[int], available: int, where: str) -> None:
    if len(channels) != 3:
        raise ConfigError(
            f"red, green and blue need three channels, not {len(channels)}",
            where=where or "channels",
            remedy="Name a channel more than once if there are fewer.",
        )
    for index in channels:
        if not 0 <= index < available:
            raise ConfigError(
                f"there is no channel {index}",
                where=where or "channels",
                remedy=f"The image has {available}, counted from 0.",
            )
