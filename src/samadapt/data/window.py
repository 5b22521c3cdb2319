"""Intensity windows: which intensities become black and white, for display and for the models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import ConfigError, ShapeMismatch

Window = tuple[float, float]

_PRESETS: dict[str, Window] = {
    "ct-soft-tissue": (-160.0, 240.0),
    "ct-lung": (-1350.0, 150.0),
    "ct-brain": (0.0, 80.0),
    "ct-samed": (-125.0, 275.0),
}
_PERCENTILES = (0.5, 99.5)
_EXACT_LIMIT = 1 << 22
_WIDE = 1 << 20


def presets() -> dict[str, Window]:
    """{name: (low, high)} of all presets, in Hounsfield units."""
    return dict(_PRESETS)


def preset(name: str) -> Window:
    """(low, high) in HU of a named window.

    Parameters
    ----------
    name : str
        "ct-soft-tissue" (level 40, width 400), "ct-lung" (-600, 1500), "ct-brain" (40, 80): the windows of
        MedSAM [1]_; "ct-samed": [-125, 275], of SAMed and TransUNet [2]_.

    Raises
    ------
    ConfigError
        If there is no such preset.

    References
    ----------
    .. [1] Ma et al. 2024, Nature Communications 15:654; github.com/bowang-lab/MedSAM.
    .. [2] Zhang and Liu 2023, arXiv:2304.13785; github.com/hitachinsk/SAMed.
    """
    if name not in _PRESETS:
        raise ConfigError(
            f"there is no window called {name!r}",
            where="window",
            remedy=f'Choose "auto", "percentile", one of {", ".join(_PRESETS)}, or "[low,high]".',
        )
    return _PRESETS[name]


def fixed_window(policy: str) -> Window | None:
    """(low, high) of a preset or of "[low,high]"; None for "auto" and "percentile", which need the voxels.

    Raises
    ------
    ConfigError
        If the policy is none of these or low is not below high.
    """
    text = policy.strip()
    if text in ("auto", "percentile"):
        return None
    return _parse_bounds(text) if "," in text else preset(text)


def window_of(voxels: NDArray[Any], modality: str, policy: str = "auto") -> Window:
    """Window of one whole volume or image.

    Parameters
    ----------
    voxels : ndarray of shape (Z, Y, X[, C]) or (H, W[, C])
        Finite intensities.
    modality : str
        "CT" has a fixed window; any other takes percentiles, since its intensities have no unit.
    policy : str
        "auto": 8-bit data as they are, soft tissue for CT, else "percentile", which is the 0.5 and 99.5
        percentiles of the voxels that are not zero; a preset's name; or "[low,high]".

    Returns
    -------
    (float, float)
        low < high, also for a constant image. Percentiles are exact for integers of up to 16 bits and for up
        to 4 million voxels, else those of an evenly spaced sample.

    Raises
    ------
    ConfigError
        If `policy` is not a window.
    """
    fixed = fixed_window(policy)
    if fixed is not None:
        return fixed
    if policy.strip() == "auto":
        if voxels.dtype in (np.uint8, np.bool_):
            return 0.0, 255.0
        if modality.upper() == "CT":
            return _PRESETS["ct-soft-tissue"]
    return _percentile_window(voxels)


def to_display(pixels: NDArray[Any], window: Window | None) -> NDArray[np.float32]:
    """Pixels as grey or colour in 0..255, which every model and every screen takes.

    Parameters
    ----------
    pixels : ndarray of shape (H, W) or (H, W, C)
        One channel is repeated; of two the third is the mean; of more than three (alpha, further MR
        sequences) the first three are taken.
    window : (float, float) or None
        Intensities that become 0 and 255; values outside are clipped. None: 8-bit as is, else the range of
        the pixels.

    Returns
    -------
    ndarray of shape (H, W, 3), float32
        Contiguous, in 0..255, not rounded.

    Raises
    ------
    ShapeMismatch
        If `pixels` is not a 2-D image.
    """
    if pixels.ndim not in (2, 3) or 0 in pixels.shape:
        raise ShapeMismatch(f"a display image is (H, W) or (H, W, C), not {pixels.shape}")
    if pixels.ndim == 3:
        pixels = pixels[..., :3]
    grey = _rescale(pixels, _display_window(pixels) if window is None else window)
    if grey.ndim == 2:
        grey = grey[..., None]
    if grey.shape[2] == 2:
        grey = np.concatenate([grey, grey.mean(axis=2, keepdims=True)], axis=2)
    return np.ascontiguousarray(np.broadcast_to(grey, (*grey.shape[:2], 3)))


def display_channels(pixels: NDArray[Any], windows: Sequence[Window | None]) -> NDArray[np.float32]:
    """Channels in 0..255, each by its own window.

    Parameters
    ----------
    pixels : ndarray of shape (H, W, C)
    windows : sequence of (float, float) or None
        One a channel; None: 8-bit as is, else the range of all pixels.

    Returns
    -------
    ndarray of shape (H, W, C), float32
        Contiguous, in 0..255, not rounded.

    Raises
    ------
    ShapeMismatch
        If `pixels` is not a 2-D image of as many channels.
    """
    if pixels.ndim != 3 or 0 in pixels.shape or pixels.shape[2] != len(windows):
        raise ShapeMismatch(f"{len(windows)} windows do not fit an image {pixels.shape}")
    shown = np.empty(pixels.shape, np.float32)
    for channel, window in enumerate(windows):
        shown[..., channel] = _rescale(pixels[..., channel], _display_window(pixels) if window is None else window)
    return shown


def _parse_bounds(text: str) -> Window:
    try:
        low, high = (float(part) for part in text.strip("[]() ").split(","))
    except ValueError as error:
        raise ConfigError(f"not a window: {text!r}", where="window", remedy='Write "[low,high]".') from error
    if not (np.isfinite([low, high]).all() and low < high):
        raise ConfigError(f"the window {text} needs low < high", where="window", remedy='Write "[low,high]".')
    return low, high


def _display_window(pixels: NDArray[Any]) -> Window:
    if pixels.dtype == np.uint8:
        return 0.0, 255.0
    return _ordered(float(pixels.min()), float(pixels.max()))


def _rescale(pixels: NDArray[Any], window: Window) -> NDArray[np.float32]:
    grey = pixels.astype(np.float32)
    low, high = window
    if (low, high) != (0.0, 255.0):
        grey -= np.float32(low)
        grey *= np.float32(255.0 / (high - low))
    return np.clip(grey, 0.0, 255.0, out=grey)


def _ordered(low: float, high: float) -> Window:
    return (low, high) if high > low else (low, low + 1.0)


def _percentile_window(voxels: NDArray[Any]) -> Window:
    if voxels.dtype.kind in "iu" and voxels.dtype.itemsize <= 2:
        return _histogram_window(voxels)
    flat = _sample(voxels)
    flat = flat[flat != 0]
    if flat.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(flat.astype(np.float64, copy=False), _PERCENTILES)
    return _ordered(float(low), float(high))


def _sample(voxels: NDArray[Any]) -> NDArray[Any]:
    if voxels.size <= _EXACT_LIMIT:
        return voxels.ravel()
    step = max(1, -(-voxels.size // _EXACT_LIMIT)) | 1  # odd: does not lock onto a row or column of even size
    planes = [plane.ravel()[index % step :: step] for index, plane in enumerate(voxels)]
    return np.concatenate(planes)


def _histogram_window(voxels: NDArray[Any]) -> Window:
    offset = -np.iinfo(voxels.dtype).min
    counts = np.zeros(1 << (8 * voxels.dtype.itemsize), dtype=np.int64)
    for plane in voxels if voxels.size > _WIDE else voxels[None]:
        counts += np.bincount(plane.ravel().astype(np.int32) + offset, minlength=len(counts))
    counts[offset] = 0
    total = int(counts.sum())
    if total == 0:
        return 0.0, 1.0
    ends = np.cumsum(counts)
    low, high = (_order_statistic(ends, (total - 1) * p / 100.0) - offset for p in _PERCENTILES)
    return _ordered(low, high)


def _order_statistic(ends: NDArray[np.int64], position: float) -> float:
    lower = int(np.floor(position))
    below, above = np.searchsorted(ends, [lower, min(lower + 1, int(ends[-1]) - 1)], side="right")
    return float(below + (above - below) * (position - lower))
