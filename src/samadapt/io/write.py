"""Write images, label maps and masks: whole or not at all, in the file's own orientation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.atomic import atomic_path
from samadapt.core.errors import FileFormatError, InvalidGeometry, ShapeMismatch
from samadapt.core.grid import Grid
from samadapt.core.image import Image, LabelMap, Orientation, Volume, as_label_values
from samadapt.io.orient import from_canonical

_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha", ".png", ".tif", ".tiff", ".npz")
_IDENTITY: Orientation = ((0, 1), (1, 1), (2, 1))


def save_label(label: LabelMap, path: str | Path) -> None:
    """Write a label map as unsigned integers; the suffix decides the format.

    Parameters
    ----------
    label : LabelMap
        (H, W) or (Z, Y, X).
    path : str or Path
        .nii.gz, .nii, .nrrd, .mha: in the orientation of the file it was read from, with its affine (a 2-D label is
        one slice). .npz: the same, as MedSAM2's gts with spacing. .tif: canonical order, without geometry.
        .png: 2-D, up to 65535.

    Raises
    ------
    FileFormatError
        If the suffix is none of these or the format cannot hold the values.
    InvalidGeometry
        If a volume is to be written as PNG.
    """
    _write(as_label_values(label.values), label.grid, label.orientation, Path(path), is_label=True)


def save_image(image: Image | Volume, path: str | Path) -> None:
    """Write an image with its values unchanged; the suffix decides the format.

    Parameters
    ----------
    image : Image or Volume
        Channels are the last axis.
    path : str or Path
        As for `save_label`; the array in .npz is MedSAM2's imgs. A format that cannot hold the values exactly
        refuses them: HU go to .nii.gz or .tif, not to .png.

    Raises
    ------
    FileFormatError, InvalidGeometry
        As `save_label`.
    """
    if isinstance(image, Volume):
        _write(image.voxels, image.grid, image.orientation, Path(path), is_label=False)
    else:
        _write(image.pixels, image.grid, _IDENTITY, Path(path), is_label=False)


def save_mask(mask: NDArray[np.bool_], path: str | Path, like: Image | Volume | LabelMap | None = None) -> None:
    """Write a binary mask: 0 and 255 in PNG, so that it can be looked at, 0 and 1 in all other formats.

    Parameters
    ----------
    mask : ndarray of shape (H, W) or (Z, Y, X), bool
    path : str or Path
        As for `save_label`.
    like : Image, Volume or LabelMap, optional
        Gives the grid and orientation; without it the spacing is 1 mm.

    Raises
    ------
    ShapeMismatch
        If `mask` and `like` differ in shape.
    FileFormatError, InvalidGeometry
        As `save_label`.
    """
    path = Path(path)
    if like is not None and like.grid.shape != mask.shape:
        raise ShapeMismatch(f"the mask has shape {mask.shape}, the image {like.grid.shape}", where=path)
    grid = like.grid if like is not None else Grid.from_spacing(mask.shape, (1.0,) * mask.ndim)
    orientation = _IDENTITY if like is None or isinstance(like, Image) else like.orientation
    top = 255 if _suffix(path) == ".png" else 1
    _write(np.asarray(mask, dtype=bool).astype(np.uint8) * np.uint8(top), grid, orientation, path, is_label=True)


def _write(array: NDArray[Any], grid: Grid, orientation: Orientation, path: Path, *, is_label: bool) -> None:
    suffix = _suffix(path)
    array = _storable(array)
    if path.is_dir():
        raise FileFormatError("this is a folder", where=path, remedy="Name a file to write.")
    blocked = next((parent for parent in path.parents if parent.is_file()), None)
    if blocked is not None:
        raise FileFormatError(f"{blocked} is a file, not a folder", where=path, remedy="Choose another output folder.")
    with atomic_path(path) as temporary:
        if suffix in (".png", ".tif", ".tiff"):
            _write_flat(array, grid, path, temporary)
        elif suffix == ".npz":
            _write_npz(array, grid, orientation, temporary, is_label)
        else:
            _write_volume(array, grid, orientation, temporary)


def _write_flat(array: NDArray[Any], grid: Grid, path: Path, temporary: Path) -> None:
    from samadapt.io import raster, tiff

    if _suffix(path) != ".png":
        tiff.write(array, temporary, colour=array.ndim > len(grid.shape))
    elif len(grid.shape) == 3:
        raise InvalidGeometry(
            f"a volume {grid.shape} does not fit into a PNG",
            where=path,
            remedy="Write .nii.gz, .nrrd, .tif or .npz, or save its slices one by one.",
        )
    else:
        raster.write(array, temporary)


def _write_npz(array: NDArray[Any], grid: Grid, orientation: Orientation, temporary: Path, is_label: bool) -> None:
    from samadapt.io import arrays

    affine: NDArray[np.float64] | None = None
    if len(grid.shape) == 3:
        array, affine = from_canonical(array, grid.affine, orientation)
    arrays.write_npz(array, affine, temporary, is_label=is_label)


def _write_volume(array: NDArray[Any], grid: Grid, orientation: Orientation, temporary: Path) -> None:
    from samadapt.io import itk, nifti

    if len(grid.shape) == 2:
        array, orientation = array[np.newaxis], _IDENTITY
    array, affine = from_canonical(array, grid.affine, orientation)
    writer = nifti.write if temporary.name.lower().endswith((".nii", ".nii.gz")) else itk.write
    writer(array, affine, temporary)


def _storable(array: NDArray[Any]) -> NDArray[Any]:
    if array.dtype == bool:
        return array.astype(np.uint8)
    return array.astype(np.float32) if array.dtype == np.float16 else array


def _suffix(path: Path) -> str:
    name = path.name.lower()
    for suffix in _SUFFIXES:
        if name.endswith(suffix):
            return suffix
    lossy = name.endswith((".jpg", ".jpeg"))
    raise FileFormatError(
        "JPEG changes the values it stores" if lossy else "nothing here writes a file of this suffix",
        where=path,
        remedy=f"Choose one of {', '.join(_SUFFIXES)}.",
    )
