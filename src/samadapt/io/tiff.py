"""TIFF, BigTIFF, GeoTIFF: any bit depth, one page or many, through tifffile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import FileFormatError, InvalidGeometry
from samadapt.core.grid import Grid
from samadapt.core.image import Image, Volume
from samadapt.io.decoding import decoding, native
from samadapt.io.raster import flat_image
from samadapt.io.readers import ReadOptions, Region
from samadapt.io.region import require_inside

_MIN_IS_WHITE, _PALETTE, _SEPARATED = 0, 3, 5  # TIFF photometric interpretations


def read(path: Path, options: ReadOptions) -> Image | Volume:
    """Image from one page, Volume (pages as Z) from several; values as stored.

    Bands, interleaved or planar, are the last axis. An axis of pages that the file calls channels is the last axis
    with `options.channels`, else Z. The spacing is 1: TIFF resolution is that of a printer or of a map.

    Raises
    ------
    FileFormatError
        If the file is damaged, its pages differ in size, or it is a CMYK print.
    InvalidGeometry
        If there is more than one axis of pages.
    """
    with decoding(path, "TIFF"):
        pixels, axes = _decode(path, options)
    array, axes = _squeeze(native(pixels, path), axes)
    if "S" in axes:
        array, axes = np.moveaxis(array, axes.index("S"), -1), axes.replace("S", "") + "S"
    elif options.channels and len(axes) == 3:
        array, axes = np.moveaxis(array, 0, -1), axes[1:] + "S"
    return _arrange(np.ascontiguousarray(array), axes.rstrip("S"), path, options.modality)


def size(path: Path) -> tuple[int, int]:
    """(H, W) of the first page."""
    import tifffile

    with decoding(path, "TIFF"), tifffile.TiffFile(path) as file:
        page = file.series[0].keyframe
        return int(page.imagelength), int(page.imagewidth)


def write(array: NDArray[Any], path: Path, *, colour: bool) -> None:
    """Write (H, W[, C]) or (Z, H, W[, C]) losslessly; `colour` says that the last axis holds channels."""
    import tifffile

    channels = array.shape[-1] if colour else 1
    kind = "rgb" if channels in (3, 4) and array.dtype.kind == "u" else "minisblack"
    planar = {"planarconfig": "contig"} if colour else {}
    tifffile.imwrite(path, array, photometric=kind, compression="zlib", **planar)


def _decode(path: Path, options: ReadOptions) -> tuple[NDArray[Any], str]:
    import tifffile

    with tifffile.TiffFile(path) as file:
        series = [one for one in file.series if not one.keyframe.is_reduced]
        if len(series) != 1:
            sizes = ", ".join(" x ".join(map(str, one.shape)) for one in series[:4])
            raise FileFormatError(
                f"the file holds {len(series)} images of different kind ({sizes})",
                where=path,
                remedy="Split it into one file an image (tiffsplit).",
            )
        page = series[0].keyframe
        axes: str = series[0].axes
        if options.region is not None:
            pixels, axes = _region(series[0], page, options.region, path)
        else:
            pixels = np.asarray(series[0].asarray())
        return _interpret(pixels, axes, page, options.as_stored, path)


def _region(series: Any, page: Any, region: Region, path: Path) -> tuple[NDArray[Any], str]:
    """Pixels of a part of a one-page picture and its axes; of chunky files only the strips or tiles that are needed."""
    kept = "".join(name for name, length in zip(series.axes, series.shape) if name in "YX" or length != 1)
    if kept not in ("YX", "YXS"):
        raise InvalidGeometry(
            f"only a part of a one-page picture can be read; this TIFF has the axes {series.axes} {series.shape}",
            where=path,
            remedy="Save it as one page with its bands interleaved.",
        )
    require_inside(region, (page.imagelength, page.imagewidth), path)
    y0, x0, y1, x1 = region
    bands = int(page.samplesperpixel)
    found = np.zeros((y1 - y0, x1 - x0, bands), dtype=page.dtype)
    for index in _needed(page, region):
        _paste(page, index, found, region)
    return (found, "YXS") if kept == "YXS" else (found[..., 0], "YX")


def _needed(page: Any, region: Region) -> list[int]:
    """Numbers of the strips or tiles that touch a region."""
    height = int(page.tilelength if page.is_tiled else min(page.rowsperstrip, page.imagelength))
    width = int(page.tilewidth if page.is_tiled else page.imagewidth)
    columns = -(-int(page.imagewidth) // width)
    y0, x0, y1, x1 = region
    rows = range(y0 // height, -(-y1 // height))
    return [row * columns + column for row in rows for column in range(x0 // width, -(-x1 // width))]


def _paste(page: Any, index: int, found: NDArray[Any], region: Region) -> None:
    file = page.parent.filehandle
    file.seek(page.dataoffsets[index])
    data = file.read(page.databytecounts[index])
    segment, (_, _, top, left, _), _ = page.decode(data, index, jpegtables=page.jpegtables)
    if segment is None:  # a sparse tile: all zero
        return
    pixels = segment[0]
    y0, x0, y1, x1 = region
    rows = slice(max(y0, top), min(y1, top + pixels.shape[0]))
    columns = slice(max(x0, left), min(x1, left + pixels.shape[1]))
    found[rows.start - y0 : rows.stop - y0, columns.start - x0 : columns.stop - x0] = pixels[
        rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
    ]


def _interpret(pixels: NDArray[Any], axes: str, page: Any, as_stored: bool, path: Path) -> tuple[NDArray[Any], str]:
    photometric = int(page.photometric)
    if photometric == _SEPARATED:
        raise FileFormatError("the TIFF is a CMYK print", where=path, remedy="Convert it to RGB first.")
    if photometric == _PALETTE and page.colormap is not None and not as_stored:
        colours = (np.asarray(page.colormap) >> 8).astype(np.uint8)
        return colours.T[pixels], axes + "S"
    if photometric == _MIN_IS_WHITE and pixels.dtype.kind in "bu":
        pixels = ~pixels if pixels.dtype.kind == "b" else np.iinfo(pixels.dtype).max - pixels
    if pixels.dtype.kind == "b" and not as_stored:
        pixels = pixels.astype(np.uint8) * 255
    return pixels, axes


def _squeeze(array: NDArray[Any], axes: str) -> tuple[NDArray[Any], str]:
    kept = [i for i, name in enumerate(axes) if name in "YX" or array.shape[i] != 1]
    return array.reshape([array.shape[i] for i in kept]), "".join(axes[i] for i in kept)


def _arrange(array: NDArray[Any], axes: str, path: Path, modality: str) -> Image | Volume:
    if axes == "YX":
        return flat_image(array, path, modality)
    if len(axes) == 3 and axes.endswith("YX"):
        return Volume(array, Grid.from_spacing(array.shape[:3], (1.0, 1.0, 1.0)), modality=modality, source=str(path))
    raise InvalidGeometry(
        f"the TIFF has axes {axes} of shape {array.shape}: more than one series of pages",
        where=path,
        remedy="If it holds channels of a volume or a time series, split it into one file a volume.",
    )
