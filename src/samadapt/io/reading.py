"""Open an image, or an image with its label, whatever format it is in."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from samadapt.core.errors import ConfigError, FileFormatError
from samadapt.core.image import Image, LabelMap, Volume
from samadapt.io import readers
from samadapt.io.decoding import require_finite
from samadapt.io.readers import ReadOptions, Region
from samadapt.io.region import require_regions
from samadapt.io.sniff import sniff

NonFinite = Literal["refuse", "keep", "zero"]


def open(
    path: str | Path,
    *,
    modality: str = "",
    channels: bool = False,
    series: str = "",
    nonfinite: NonFinite = "refuse",
    region: Region | None = None,
) -> Image | Volume:
    """Open an image; the content decides the format, the name never does.

    NIfTI, NRRD, MetaImage, multi-page TIFF and the folder of a DICOM series give a `Volume` in canonical LPS order,
    PNG, JPEG, one-page TIFF and a DICOM file of one frame an `Image`, arrays (.npy, .npz, .h5) either. Intensities are
    as stored, after the file's own slope and intercept.

    Parameters
    ----------
    path : str or Path
        A file, or a folder with the files of a DICOM series.
    modality : str
        "CT", "MR", "infrared", ...; "" leaves it unknown, except that colour and grey pictures say so.
    channels : bool
        A fourth axis of a volume holds channels: voxels are (Z, Y, X, C). Otherwise a fourth axis is refused.
    series : str
        SeriesInstanceUID of the DICOM series that is wanted, if the folder holds several.
    nonfinite : {"refuse", "keep", "zero"}
        What to do with NaN and infinite values.
    region : (y0, x0, y1, x1), optional
        Only this part of a PNG, JPEG or one-page TIFF, ends not included; of a TIFF no other strips are read.

    Returns
    -------
    Image or Volume
        Pixels (H, W) or (H, W, C), voxels (Z, Y, X) or (Z, Y, X, C).

    Raises
    ------
    FileFormatError
        If the file is missing, empty, truncated, or of a format that nothing reads; if the folder holds several
        DICOM series and none was chosen.
    InvalidGeometry
        If the spacing is not positive, the axes coincide, there is a fourth axis, slices are missing or doubled, or
        `region` is not inside.
    NonFiniteValues
        If there are NaN or infinite values and `nonfinite` is "refuse".
    """
    path = Path(path)
    name = sniff(path)
    require_regions(name, region, path)
    image = readers.get(name)(path, ReadOptions(modality=modality, channels=channels, series=series, region=region))
    return _checked(image, path, nonfinite)


def open_pair(
    path: str | Path, *, modality: str = "", nonfinite: NonFinite = "refuse"
) -> tuple[Image | Volume, LabelMap]:
    """Open a file that holds an image and its label: MedSAM's .npz, TransUNet's and SAMed's .npz and .npy.h5.

    Parameters
    ----------
    path : str or Path
    modality, nonfinite : see `open`

    Returns
    -------
    image : Image or Volume
    label : LabelMap
        On the same grid. The spacing of MedSAM's files is read in their order x, y, z; files without one get 1 mm.

    Raises
    ------
    FileFormatError
        As `open`; also if the format cannot hold both or one is missing.
    ShapeMismatch
        If image and label differ in shape.
    """
    from samadapt.io.arrays import read_pair

    path = Path(path)
    name = sniff(path)
    if name not in ("npz", "hdf5"):
        raise FileFormatError(
            f"a {name.upper()} file holds an image or a label, not both",
            where=path,
            remedy="Open the two files with samadapt.io.open and samadapt.io.open_label.",
        )
    image, label = read_pair(path, name, ReadOptions(modality=modality))
    return _checked(image, path, nonfinite), label


def picture_size(path: str | Path) -> tuple[int, int]:
    """(H, W) of a PNG, JPEG or one-page TIFF, from its header.

    Raises
    ------
    FileFormatError
        If it is none of these, or damaged.
    """
    path = Path(path)
    name = sniff(path)
    require_regions(name, (0, 0, 1, 1), path)
    module = importlib.import_module("samadapt.io.tiff" if name == "tiff" else "samadapt.io.raster")
    height, width = module.size(path)
    return height, width


def _checked(image: Image | Volume, path: Path, nonfinite: NonFinite) -> Image | Volume:
    if nonfinite not in get_args(NonFinite):
        raise ConfigError(f"nonfinite is one of {', '.join(get_args(NonFinite))}, not {nonfinite!r}", where=path)
    values = image.pixels if isinstance(image, Image) else image.voxels
    if values.dtype.kind != "f" or nonfinite == "keep":
        return image
    if nonfinite == "refuse":
        require_finite(values, path)
        return image
    zeroed = np.where(np.isfinite(values), values, values.dtype.type(0))
    return replace(image, pixels=zeroed) if isinstance(image, Image) else replace(image, voxels=zeroed)
