"""Label maps from any image format: numbers, thresholds, colours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import ConfigError, LabelError
from samadapt.core.image import Image, LabelMap
from samadapt.io import readers
from samadapt.io.readers import ReadOptions, Region
from samadapt.io.region import require_regions
from samadapt.io.sniff import sniff

_LUMA = (299, 587, 114)  # ITU-R BT.601, in thousandths
_SHOWN = 8

Colours = Mapping[tuple[int, int, int], int]


def open_label(
    path: str | Path,
    *,
    threshold: float | None = None,
    colors: Colours | None = None,
    region: Region | None = None,
) -> LabelMap:
    """Open a label map; the content decides the format.

    Without `threshold` and `colors` the numbers in the file are the labels: palette indices, and 255 stays 255.

    Parameters
    ----------
    path : str or Path
        Image formats give labels on (H, W), volume formats on (Z, Y, X) in canonical LPS order; of a file that
        holds an image and a label, the label.
    threshold : float, optional
        Values above it become 1, others 0: for masks saved as JPEG (127) and for probability maps.
    colors : mapping of (R, G, B) to int, optional
        Label of every colour that may occur, 0..255.
    region : (y0, x0, y1, x1), optional
        Only this part, as in `samadapt.io.open`.

    Returns
    -------
    LabelMap
        Smallest unsigned integer type that holds the values.

    Raises
    ------
    FileFormatError, InvalidGeometry
        As `samadapt.io.open`.
    LabelError
        If values are negative or not whole, a colour is not in `colors`, a colour image comes without `colors`,
        or a JPEG without `threshold`.
    """
    path = Path(path)
    if threshold is not None and colors is not None:
        raise ConfigError("threshold and colors exclude each other", where=path, remedy="Give one of them.")
    name = sniff(path)
    require_regions(name, region, path)
    options = ReadOptions(is_label=True, as_stored=colors is None, region=region)
    image = readers.get(name)(path, options)
    values = image.pixels if isinstance(image, Image) else image.voxels
    if colors is not None:
        labels = labels_of_colors(values, image.grid.shape, colors, path)
    elif threshold is not None:
        labels = (_luma(values, image.grid.shape) > threshold).astype(np.uint8)
    else:
        labels = _single_channel(values, image.grid.shape, path)
        if name == "jpeg":
            _require_lossless(labels, path)
    if isinstance(image, Image):
        return LabelMap(labels, image.grid, source=str(path))
    return LabelMap(labels, image.grid, image.orientation, str(path))


def label_names(path: str | Path) -> dict[int, str]:
    """Names of the label values that a file itself gives.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    dict of int to str
        Value to name, without 0; empty if the file names none, as most do.

    Raises
    ------
    FileFormatError
        If the file is missing, truncated, or of a format that nothing reads.
    """
    from samadapt.io import nifti

    path = Path(path)
    return nifti.label_names(path) if sniff(path) == "nifti" else {}


def labels_of_colors(
    pixels: NDArray[Any], shape: tuple[int, ...], colors: Colours, where: object
) -> NDArray[np.uint32]:
    """Label of each pixel by its colour.

    Parameters
    ----------
    pixels : ndarray of shape (*shape) or (*shape, C), uint8
        Grey counts as (g, g, g); alpha is ignored.
    shape : tuple of int
        (H, W) or (Z, Y, X).
    colors : mapping of (R, G, B) to int

    Raises
    ------
    LabelError
        If colours occur that are not in the map; the message has them and their pixel counts.
    """
    if min(colors.values(), default=0) < 0:
        raise LabelError(f"labels must not be negative: {dict(colors)}", where=where)
    if pixels.dtype != np.uint8:
        raise LabelError(f"colours are 8 bit, the file is {pixels.dtype}", where=where)
    rgb = _drop_alpha(pixels, shape).astype(np.uint32)
    if rgb.ndim == len(shape):
        rgb = np.repeat(rgb[..., np.newaxis], 3, axis=-1)
    codes = rgb[..., 0] << 16 | rgb[..., 1] << 8 | rgb[..., 2]
    labels, known = np.zeros(shape, dtype=np.uint32), np.zeros(shape, dtype=bool)
    for (r, g, b), label in colors.items():
        here = codes == (r << 16 | g << 8 | b)
        labels[here] = label
        known |= here
    if not known.all():
        raise _unknown_colors(codes[~known], codes.size, where)
    return labels


def _unknown_colors(unknown: NDArray[Any], total: int, where: object) -> LabelError:
    codes, counts = np.unique(unknown, return_counts=True)
    ordered = sorted(zip(codes.tolist(), counts.tolist()), key=lambda item: -item[1])
    shown = ", ".join(f"({c >> 16}, {c >> 8 & 255}, {c & 255}): {n} pixels" for c, n in ordered[:_SHOWN])
    more = f" and {len(ordered) - _SHOWN} more colours" if len(ordered) > _SHOWN else ""
    return LabelError(
        f"colours outside the colour map in {unknown.size} of {total} pixels: {shown}{more}",
        where=where,
        remedy="Add them to the colour map (labels.json beside the images, or with the others "
        f"options.colours.{ordered[0][0]:06X}=0): black as 0 if it is background, stray ones as what is to be "
        "ignored. Many unknown colours mean that the mask was saved with losses.",
    )


def _drop_alpha(values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    if values.ndim == len(shape) or values.shape[-1] == 3:
        return values
    return values[..., :3] if values.shape[-1] == 4 else values[..., 0]


def _luma(values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    values = _drop_alpha(values, shape)
    if values.ndim == len(shape):
        return values
    luma: NDArray[Any] = values[..., :3] @ np.array(_LUMA) / sum(_LUMA)
    return luma


def _single_channel(values: NDArray[Any], shape: tuple[int, ...], path: Path) -> NDArray[Any]:
    values = _drop_alpha(values, shape)
    if values.ndim == len(shape):
        return values
    if (values == values[..., :1]).all():
        return values[..., 0]
    raise LabelError(
        f"the label is a colour image with {values.shape[-1]} channels, so its numbers are not labels",
        where=path,
        remedy="Give colors={(R, G, B): label, ...} with all its colours (prepare: -s options.colours.FF0000=1), or "
        "threshold=127 for a mask.",
    )


def _require_lossless(labels: NDArray[Any], path: Path) -> None:
    distinct = len(np.unique(labels))
    if distinct > 2:
        raise LabelError(
            f"a JPEG mask with {distinct} different values: compression changed them along every edge",
            where=path,
            remedy="Give threshold=127 for an object/background mask; a JPEG cannot hold several classes.",
        )
