"""Whatever a user holds as an image, as pixels in 0..255."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import DataError, NonFiniteValues, ShapeMismatch
from samadapt.core.image import Image

if TYPE_CHECKING:
    from samadapt.data.channels import Channels

_REMEDY = "Give a samadapt Image (samadapt.open), whose window says what is black and white, or map to 0..255 first."


def to_pixels(
    image: Image | NDArray[Any], channels: Channels | None = None, *, where: object = None
) -> NDArray[np.float32]:
    """Image or array as (H, W, C) float32 in 0..255.

    Parameters
    ----------
    image : Image, or ndarray of shape (H, W) or (H, W, C) in 0..255
        An `Image` is mapped by its window. Grey is repeated, alpha dropped.
    channels : Channels, optional
        What is shown instead of the colours.

    Returns
    -------
    ndarray of shape (H, W, C), float32
        C is 3 where no channels are named.

    Raises
    ------
    ShapeMismatch
        If it is not a 2-D image.
    NonFiniteValues
        If it holds NaN or infinity.
    DataError
        If an array's values cannot be 0..255.
    ConfigError
        If a named channel does not exist, or none is named of more than three.
    """
    from samadapt.core.grid import Grid
    from samadapt.data.channels import Channels

    chosen = channels or Channels()
    if isinstance(image, Image):
        _require_finite(image.pixels, image.source or where)
        return chosen.show(image)
    array = np.asarray(image)
    if array.ndim not in (2, 3) or 0 in array.shape or (array.ndim == 3 and array.shape[2] > 4 and not chosen):
        wanted = "(H, W, C)" if chosen else "(H, W) or (H, W, 3)"
        raise ShapeMismatch(f"an image array is {wanted}, not {array.shape}", where=where)
    _require_finite(array, where)
    _require_display_range(array, where)
    modality = "RGB" if array.ndim == 3 and not chosen else ""
    return chosen.show(Image(array, Grid.from_spacing(array.shape[:2], (1.0, 1.0)), modality, window=(0.0, 255.0)))


def _require_finite(array: NDArray[Any], where: object) -> None:
    if array.dtype.kind not in "uifb":
        raise ShapeMismatch(f"an image holds numbers, not {array.dtype}", where=where)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        raise NonFiniteValues(
            "the image holds NaN or infinity", where=where, remedy="Replace them, e.g. np.nan_to_num."
        )


def _require_display_range(array: NDArray[Any], where: object) -> None:
    if array.dtype == np.uint8:
        return
    low, high = float(array.min()), float(array.max())
    if low < -0.5 or high > 255.5:
        raise DataError(f"intensities from {low:g} to {high:g} are not in 0..255", where=where, remedy=_REMEDY)
    if array.dtype.kind == "f" and low < high <= 1.0:
        raise DataError(f"intensities from {low:g} to {high:g} look like 0..1", where=where, remedy=_REMEDY)
