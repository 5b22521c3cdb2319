"""A part of a picture: which formats have it, and that it lies inside."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from samadapt.core.errors import FileFormatError, InvalidGeometry
from samadapt.io.readers import Region

_FORMATS = ("png", "jpeg", "tiff")


def require_regions(format_name: str, region: Region | None, path: Path) -> None:
    """Raise `FileFormatError` if a region is wanted of a format that is no plain picture."""
    if region is not None and format_name not in _FORMATS:
        raise FileFormatError(
            f"only a part of a picture can be read, and this is {format_name.upper()}",
            where=path,
            remedy=f"Regions are for {', '.join(_FORMATS).upper()}.",
        )


def require_inside(region: Region, shape: tuple[int, ...], path: Path) -> None:
    """Raise `InvalidGeometry` unless `region` is not empty and inside a picture of `shape` (H, W, ...)."""
    y0, x0, y1, x1 = region
    if not (0 <= y0 < y1 <= shape[0] and 0 <= x0 < x1 <= shape[1]):
        raise InvalidGeometry(
            f"rows {y0} to {y1}, columns {x0} to {x1} are not inside a picture of {shape[0]} x {shape[1]}", where=path
        )


def cropped(pixels: NDArray[Any], region: Region | None, path: Path) -> NDArray[Any]:
    """A copy of the region of (H, W[, C]) pixels; all of them for None."""
    if region is None:
        return pixels
    require_inside(region, pixels.shape, path)
    y0, x0, y1, x1 = region
    return pixels[y0:y1, x0:x1].copy()
