"""NIfTI-1 and NIfTI-2, compressed or not, in any orientation."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import FileFormatError, InvalidGeometry
from samadapt.core.image import Volume
from samadapt.io.decoding import decoding, native, shifted
from samadapt.io.orient import canonical_volume, require_spacing, squeeze_fourth
from samadapt.io.readers import ReadOptions

_LPS_FROM_RAS = np.array([[-1.0], [-1.0], [1.0], [1.0]])
_MM_PER_UNIT = {1: 1000.0, 3: 1e-3}  # NIfTI unit codes: metre, micrometre; all others count as millimetre


def read(path: Path, options: ReadOptions) -> Volume:
    """Volume in canonical LPS order.

    The affine is the sform, else the qform, else the spacing alone (as nibabel decides). Stored integers stay
    integers unless the header's slope or intercept is fractional. A file with 2 axes is a volume of one slice.

    Raises
    ------
    FileFormatError
        If the file is truncated, damaged, or Analyze 7.5 (which does not say left from right).
    InvalidGeometry
        If a spacing is zero or negative, or there is a fourth axis and `options.channels` is False.
    """
    with decoding(path, "NIfTI"), _stream(path) as stream:
        image = _load(stream, path)
        values = _values(image.dataobj)
        affine = _LPS_FROM_RAS * image.affine.astype(np.float64)
        affine[:3] *= _MM_PER_UNIT.get(int(image.header["xyzt_units"]) & 7, 1.0)
    if values.dtype.names is not None:  # RGB voxels
        values = np.stack([values[name] for name in values.dtype.names], axis=-1)
        options = replace(options, channels=True)
    array = squeeze_fourth(native(values, path), options.channels, path)
    in_array_order = array.transpose(2, 1, 0, *range(3, array.ndim))
    return canonical_volume(in_array_order, affine[:, [2, 1, 0, 3]], path, options.modality)


def write(array: NDArray[Any], affine: NDArray[np.float64], path: Path) -> None:
    """Write an array in array order with its affine to LPS mm, as sform and qform in millimetres.

    The qform is left out where it cannot say the same, that is for sheared axes.
    """
    import nibabel

    ras = _LPS_FROM_RAS * affine[:, [2, 1, 0, 3]]
    data = array.transpose(2, 1, 0, *range(3, array.ndim))
    image = nibabel.Nifti1Image(data, ras, dtype=data.dtype)
    image.header.set_xyzt_units("mm")
    image.set_sform(ras, code=1)
    image.set_qform(ras, code=1)
    if not np.allclose(image.get_qform(), ras, atol=1e-3):
        image.header["qform_code"] = 0
    nibabel.save(image, path)


def label_names(path: Path) -> dict[int, str]:
    """Names of label values in the header's extension (the label table of Connectome Workbench and TotalSegmentator).

    Parameters
    ----------
    path : Path
        Of a NIfTI file.

    Returns
    -------
    dict of int to str
        Without 0; empty if the file names no values.
    """
    from xml.etree import ElementTree

    with decoding(path, "NIfTI"), _stream(path) as stream:
        extensions = _load(stream, path).header.extensions
    names: dict[int, str] = {}
    for extension in extensions:
        text = bytes(extension.get_content()).strip(b"\0 \n")
        if b"<LabelTable>" in text:
            with decoding(path, "label table of the NIfTI"):
                table = ElementTree.fromstring(text)
            names |= {int(label.get("Key", 0)): (label.text or "").strip() for label in table.iter("Label")}
    return {value: name for value, name in names.items() if value and name}


@contextmanager
def _stream(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not zipped:
            yield file
            return
        with gzip.GzipFile(fileobj=file) as inside:
            yield cast(IO[bytes], inside)


def _load(stream: IO[bytes], path: Path) -> Any:
    import nibabel
    from nibabel.fileholders import FileHolder

    is_first = {int.from_bytes(head, order) for head in (stream.read(4),) for order in ("little", "big")} & {348}
    image_class = nibabel.Nifti1Image if is_first else nibabel.Nifti2Image
    stream.seek(0)
    header = image_class.header_class.from_fileobj(stream, check=False)
    _require_sound(header, path)
    stream.seek(0)
    holder = FileHolder(fileobj=stream)
    return image_class.from_file_map({"header": holder, "image": holder}, mmap=False)


def _require_sound(header: Any, path: Path) -> None:
    if bytes(header["magic"])[:2] not in (b"n+", b"ni"):
        raise FileFormatError(
            "this is an Analyze 7.5 header, which does not say where left and right are",
            where=path,
            remedy="Convert it to NIfTI with a tool that knows the scanner's convention.",
        )
    if bytes(header["magic"])[:2] == b"ni":
        raise FileFormatError(
            "this is the header of a .hdr/.img pair",
            where=path,
            remedy="Convert it to one file: nibabel.save(nibabel.load('x.hdr'), 'x.nii.gz').",
        )
    axes = int(header["dim"][0])
    if not 1 <= axes <= 7:
        raise FileFormatError(f"the header says {axes} axes", where=path, remedy="The file is damaged: copy it again.")
    if axes < 2:
        raise InvalidGeometry("the image has one axis only", where=path)
    require_spacing(np.asarray(header["pixdim"][1 : min(axes, 3) + 1], dtype=np.float64), path)


def _values(proxy: Any) -> NDArray[Any]:
    slope, intercept = float(proxy.slope), float(proxy.inter)
    if slope == 1 and intercept == 0:
        return cast(NDArray[Any], proxy.get_unscaled())
    if slope == 1 and intercept.is_integer() and proxy.dtype.kind in "iu" and proxy.dtype.itemsize <= 2:
        return shifted(proxy.get_unscaled(), int(intercept))
    exact_in_32_bit = proxy.dtype.itemsize <= 2 or proxy.dtype == np.float32
    return np.asarray(proxy, dtype=np.float32 if exact_in_32_bit else np.float64)
