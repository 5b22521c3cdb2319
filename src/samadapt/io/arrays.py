"""Arrays without a medical header: .npy, .npz and HDF5 in the layouts of MedSAM, TransUNet and SAMed.

MedSAM saves ``imgs`` (D, H, W), (H, W, 3) or (D, H, W, 3), ``gts`` and ``spacing`` as SimpleITK's GetSpacing gives
it, that is x, y, z (bowang-lab/MedSAM, pre_CT_MR.py); MedSAM2 adds SimpleITK's ``direction`` and ``origin``.
TransUNet and SAMed save ``image`` and ``label`` of a slice (.npz) or a volume (.npy.h5), without spacing.
Pickled objects are never loaded.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import FileFormatError, InvalidGeometry, ShapeMismatch
from samadapt.core.grid import Grid
from samadapt.core.image import Image, LabelMap, Volume
from samadapt.io.decoding import decoding, native
from samadapt.io.itk import affine_of
from samadapt.io.orient import canonical_volume, require_spacing
from samadapt.io.readers import ReadOptions

IMAGE_KEYS = ("imgs", "image", "img", "images", "data")
LABEL_KEYS = ("gts", "label", "gt", "mask", "masks", "labels", "seg")
_GEOMETRY_KEYS = ("spacing", "direction", "origin")
_COLOURS = (3, 4)

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Layout:
    """What the arrays of one file are, by their names.

    Attributes
    ----------
    image, label : str or None
        Names of the two arrays; a file with a single array has that as its image.
    """

    image: str | None
    label: str | None


def read_npz(path: Path, options: ReadOptions) -> Image | Volume:
    """Image or Volume from the image array of an .npz file (the label array with `options.is_label`)."""
    return _chosen(load_npz(path), path, options)


def read_hdf5(path: Path, options: ReadOptions) -> Image | Volume:
    """Image or Volume from the image dataset of an HDF5 file (the label dataset with `options.is_label`)."""
    return _chosen(load_hdf5(path), path, options)


def read_npy(path: Path, options: ReadOptions) -> Image | Volume:
    """Image from (H, W) or (H, W, 3 or 4), Volume from (Z, H, W) or (Z, H, W, C), of unit spacing."""
    with decoding(path, "NumPy"), _no_objects(path):
        array = np.load(path, allow_pickle=False)
    return _assemble(native(array, path), None, {}, path, options)


def read_pair(path: Path, format_name: str, options: ReadOptions) -> tuple[Image | Volume, LabelMap]:
    """Image and label of a file that holds both.

    Raises
    ------
    FileFormatError
        If one of them is missing.
    ShapeMismatch
        If their shapes differ.
    """
    arrays = load_npz(path) if format_name == "npz" else load_hdf5(path)
    layout = layout_of(arrays)
    if layout.image is None or layout.label is None:
        raise _not_found("an image and a label", arrays, path)
    label = native(arrays[layout.label], path)
    image = _assemble(native(arrays[layout.image], path), label.ndim, arrays, path, options)
    return image, _label_on(image, label, arrays, path)


def load_npz(path: Path) -> dict[str, NDArray[Any]]:
    """All arrays of an .npz file."""
    with decoding(path, ".npz"), _no_objects(path), np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


def load_hdf5(path: Path) -> dict[str, NDArray[Any]]:
    """All numeric datasets at the root of an HDF5 file."""
    import h5py

    with decoding(path, "HDF5"), h5py.File(path, "r") as file:
        datasets = {name: item for name, item in file.items() if isinstance(item, h5py.Dataset)}
        return {name: item[()] for name, item in datasets.items() if item.dtype.kind in "biuf" and item.ndim}


def layout_of(arrays: Arrays) -> Layout:
    """Which of the named arrays is the image and which the label."""
    image = next((key for key in IMAGE_KEYS if key in arrays), None)
    label = next((key for key in LABEL_KEYS if key in arrays), None)
    others = [key for key in arrays if key not in _GEOMETRY_KEYS]
    if image is None and label is None and len(others) == 1:
        image = others[0]
    return Layout(image, label)


def write_npz(array: NDArray[Any], affine: NDArray[np.float64] | None, path: Path, *, is_label: bool) -> None:
    """Write in MedSAM2's layout: imgs or gts, and for volumes spacing, direction and origin as SimpleITK gives them.

    Parameters
    ----------
    array : ndarray of shape (H, W[, C]) or (Z, H, W[, C])
        In array order of the file.
    affine : ndarray of shape (4, 4), float64, or None
        Array index in array order to LPS mm; None for a 2-D image.
    """
    content: dict[str, Any] = {"gts" if is_label else "imgs": array}
    if affine is not None:
        steps = affine[:3, [2, 1, 0]]
        spacing = np.linalg.norm(steps, axis=0)
        content |= {"spacing": spacing, "direction": (steps / spacing).ravel(), "origin": affine[:3, 3]}
    with path.open("wb") as file:
        np.savez_compressed(file, **content)


def _chosen(arrays: Arrays, path: Path, options: ReadOptions) -> Image | Volume:
    layout = layout_of(arrays)
    name = (layout.label or layout.image) if options.is_label else layout.image
    if name is None:
        raise _not_found("an image", arrays, path)
    label = arrays[layout.label].ndim if layout.label is not None else None
    return _assemble(native(arrays[name], path), label, arrays, path, options)


def _assemble(
    array: NDArray[Any], spatial: int | None, arrays: Arrays, path: Path, options: ReadOptions
) -> Image | Volume:
    """`spatial` is the number of axes of the label, which tells (H, W, 3) from (D, H, W), as does a direction."""
    if "direction" in arrays:
        spatial = 3
    if spatial is None or array.ndim - spatial not in (0, 1):
        is_colour = array.ndim == 3 and array.shape[-1] in _COLOURS and array.shape[0] not in _COLOURS
        spatial = 2 if array.ndim == 2 or is_colour else 3
    if spatial not in (2, 3) or array.ndim not in (spatial, spatial + 1) or min(array.shape) < 1:
        raise InvalidGeometry(
            f"an array of shape {array.shape} is neither an image nor a volume",
            where=path,
            remedy="Save (H, W), (H, W, 3), (D, H, W) or (D, H, W, 3).",
        )
    affine = _affine(arrays, path)
    if spatial == 3:
        return canonical_volume(array, affine, path, options.modality)
    steps = np.linalg.norm(affine[:3, [1, 2]], axis=0)
    return Image(array, Grid.from_spacing(array.shape[:2], (steps[0], steps[1])), options.modality, str(path))


def _affine(arrays: Arrays, path: Path) -> NDArray[np.float64]:
    spacing = np.ravel(np.asarray(arrays.get("spacing", np.ones(3)), dtype=np.float64))
    direction = np.ravel(np.asarray(arrays.get("direction", np.eye(3)), dtype=np.float64))
    origin = np.ravel(np.asarray(arrays.get("origin", np.zeros(3)), dtype=np.float64))
    require_spacing(spacing, path)
    if spacing.size not in (2, 3) or direction.size != 9 or origin.size != 3:
        raise InvalidGeometry(
            f"spacing, direction and origin have {spacing.size}, {direction.size} and {origin.size} numbers",
            where=path,
            remedy="Store them as SimpleITK gives them: 3, 9 and 3 numbers in the order x, y, z.",
        )
    return affine_of(np.append(spacing, 1.0)[:3], direction, origin)


def _label_on(image: Image | Volume, label: NDArray[Any], arrays: Arrays, path: Path) -> LabelMap:
    if isinstance(image, Volume):
        volume = canonical_volume(label, _affine(arrays, path), path) if label.ndim == 3 else None
        if volume is not None and volume.shape == image.shape:
            return LabelMap(volume.voxels, image.grid, image.orientation, str(path))
    elif label.shape == image.shape:
        return LabelMap(label, image.grid, source=str(path))
    raise ShapeMismatch(
        f"the image has shape {image.shape} and the label {label.shape}", where=path, remedy="Make the file again."
    )


@contextmanager
def _no_objects(path: Path) -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        if "pickle" not in str(error).lower():
            raise
        raise FileFormatError(
            "the file holds pickled Python objects, which can run any code and are never loaded",
            where=path,
            remedy="Save plain numbers: np.savez(path, image=np.asarray(image, dtype=np.float32)).",
        ) from error


def _not_found(what: str, arrays: Arrays, path: Path) -> FileFormatError:
    return FileFormatError(
        f"the file does not hold {what}; its arrays are {sorted(arrays)}",
        where=path,
        remedy=f"Name the image one of {', '.join(IMAGE_KEYS)} and the label one of {', '.join(LABEL_KEYS)}.",
    )
