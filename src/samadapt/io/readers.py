"""Which function reads which format: an explicit table, loaded when first needed, open to other packages.

A reader is ``function(path, options) -> Image | Volume``. Another package adds one through the entry-point group
``samadapt.readers``, named after the format: ``mnc = "package.module:read"``. The function has an attribute
``accepts(head) -> bool`` that is shown the first bytes of files that nothing else recognises.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path

from samadapt.core.errors import ConfigError
from samadapt.core.image import Image, Volume

GROUP = "samadapt.readers"
BUILT_IN: dict[str, str] = {
    "nifti": "samadapt.io.nifti:read",
    "nrrd": "samadapt.io.itk:read_nrrd",
    "metaimage": "samadapt.io.itk:read_metaimage",
    "png": "samadapt.io.raster:read",
    "jpeg": "samadapt.io.raster:read",
    "tiff": "samadapt.io.tiff:read",
    "dicom": "samadapt.io.dicom.series:read",
    "npz": "samadapt.io.arrays:read_npz",
    "npy": "samadapt.io.arrays:read_npy",
    "hdf5": "samadapt.io.arrays:read_hdf5",
}
WHAT_IS_READ = (
    "samadapt reads NIfTI (.nii, .nii.gz), NRRD (.nrrd), MetaImage (.mha, .mhd), DICOM (a file, or the folder of a "
    "series), PNG, JPEG, TIFF, NumPy (.npy, .npz) and HDF5 (.h5)."
)


Region = tuple[int, int, int, int]
"""(y0, x0, y1, x1) in pixels, the ends not included."""


@dataclass(frozen=True)
class ReadOptions:
    """How a file is to be read.

    Attributes
    ----------
    modality : str
        Told by the caller; "" where unknown.
    channels : bool
        A fourth axis holds channels; without it a fourth axis is refused.
    is_label : bool
        Of a file that holds an image and a label, the label is wanted.
    as_stored : bool
        Palette indices and low-bit greys are wanted as the numbers in the file, not as colours.
    series : str
        Of a folder that holds several DICOM series, the SeriesInstanceUID of the one that is wanted.
    region : Region or None
        Only this part of a picture is wanted.
    """

    modality: str = ""
    channels: bool = False
    is_label: bool = False
    as_stored: bool = False
    series: str = ""
    region: Region | None = None


Reader = Callable[[Path, ReadOptions], Image | Volume]


def table(entry_points: Iterable[metadata.EntryPoint]) -> dict[str, str]:
    """Built-in readers and those of other packages, format name to "module:function".

    Raises
    ------
    ConfigError
        If two claim the same format.
    """
    readers = dict(BUILT_IN)
    for point in entry_points:
        if point.name in readers:
            raise ConfigError(
                f"two readers claim the format {point.name!r}: {readers[point.name]} and {point.value}",
                where=f"entry-point group {GROUP}",
                remedy="Uninstall one of the packages.",
            )
        readers[point.name] = point.value
    return readers


@lru_cache(maxsize=1)
def installed() -> dict[str, str]:
    """`table` of what is installed."""
    return table(metadata.entry_points(group=GROUP))


def get(name: str) -> Reader:
    """Reader of a format that `samadapt.io.sniff` has named."""
    return load(BUILT_IN.get(name) or installed()[name])


def load(target: str) -> Reader:
    """Function named by "module:function"."""
    module, _, function = target.partition(":")
    reader: Reader = getattr(importlib.import_module(module), function)
    return reader


def accepting(head: bytes) -> str | None:
    """Name of the other package's format whose reader accepts these first bytes of a file."""
    for name, target in installed().items():
        if name not in BUILT_IN:
            accepts = getattr(load(target), "accepts", None)
            if accepts is not None and accepts(head):
                return name
    return None
