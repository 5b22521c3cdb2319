"""NRRD and MetaImage, through SimpleITK."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import InvalidGeometry
from samadapt.core.image import Volume
from samadapt.io.decoding import decoding, native
from samadapt.io.orient import REPAIR, canonical_volume, require_spacing, squeeze_fourth
from samadapt.io.readers import ReadOptions


def read_nrrd(path: Path, options: ReadOptions) -> Volume:
    """Volume in canonical LPS order; a file with 2 axes is a volume of one slice. Errors as `nifti.read`."""
    with decoding(path, "NRRD"):
        image = _execute(path, "NrrdImageIO", path)
    return _volume(image, path, options)


def read_metaimage(path: Path, options: ReadOptions) -> Volume:
    """Volume in canonical LPS order; a file with 2 axes is a volume of one slice. Errors as `nifti.read`."""
    _require_metaimage_spacing(path)
    with decoding(path, "MetaImage"):
        image = _execute(path, "MetaImageIO", path)
    return _volume(image, path, options)


def write(array: NDArray[Any], affine: NDArray[np.float64], path: Path) -> None:
    """Write an array in array order with its affine to LPS mm; the suffix decides between NRRD and MetaImage."""
    import SimpleITK

    steps = affine[:3, [2, 1, 0]]
    spacing = np.linalg.norm(steps, axis=0)
    image = SimpleITK.GetImageFromArray(np.ascontiguousarray(array), isVector=array.ndim == 4)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((steps / spacing).ravel().tolist())
    image.SetOrigin(affine[:3, 3].tolist())
    SimpleITK.WriteImage(image, str(path), useCompression=True)


def affine_of(spacing: Any, direction: Any, origin: Any) -> NDArray[np.float64]:
    """Array index in array order to LPS mm, from SimpleITK's spacing, direction (row by row) and origin in x, y, z."""
    affine = np.eye(4)
    steps = np.asarray(direction, dtype=np.float64).reshape(3, 3) * np.asarray(spacing, dtype=np.float64)
    affine[:3, :3] = steps[:, ::-1]
    affine[:3, 3] = origin
    return affine


def _execute(path: Path, decoder: str, where: Path) -> Any:
    import SimpleITK

    reader = SimpleITK.ImageFileReader()
    reader.SetImageIO(decoder)
    reader.SetFileName(str(path))
    try:
        return reader.Execute()
    except RuntimeError as error:
        if "spacing" in str(error).lower():
            raise InvalidGeometry("the spacing is zero or not a number", where=where, remedy=REPAIR) from error
        raise


def _volume(image: Any, path: Path, options: ReadOptions) -> Volume:
    import SimpleITK

    array = native(cast("NDArray[Any]", SimpleITK.GetArrayFromImage(image)), path)
    dimension = image.GetDimension()
    if dimension == 4:  # the outermost axis of the array is the fourth of the file
        array = np.moveaxis(array, 0, -1)
    if dimension == 2:
        array = array[np.newaxis]
    array = squeeze_fourth(array, options.channels, path)
    affine = affine_of(*(_in_3d(values, dimension) for values in _geometry(image)))
    return canonical_volume(array, affine, path, options.modality)


def _geometry(image: Any) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    size = image.GetDimension()
    direction = np.asarray(image.GetDirection()).reshape(size, size)
    return np.asarray(image.GetSpacing()), direction, np.asarray(image.GetOrigin())


def _in_3d(values: NDArray[np.float64], dimension: int) -> NDArray[np.float64]:
    if dimension >= 3:
        return values[:3, :3] if values.ndim == 2 else values[:3]
    if values.ndim == 2:
        padded = np.eye(3)
        padded[:2, :2] = values
        return padded
    return np.append(values, 1.0)


def _require_metaimage_spacing(path: Path) -> None:
    """ITK takes the absolute value of a negative ElementSpacing without a word."""
    with path.open("rb") as file:
        head = file.read(4096)
    for line in head.split(b"\n"):
        key, _, value = line.partition(b"=")
        if key.strip() in (b"ElementSpacing", b"ElementSize"):
            with decoding(path, "MetaImage"):
                require_spacing(np.array([float(number) for number in value.split()]), path)
        if key.strip() == b"ElementDataFile":
            return
