"""Pixels of a DICOM file in physical units, whatever the transfer syntax."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import FileFormatError
from samadapt.io.decoding import decoding, native, shifted
from samadapt.io.dicom.header import frame_groups, look_up, tolerant

_QUANTITIES = {"CT", "PT"}  # their numbers mean something, so they are never inverted for display
_CODECS = {
    **dict.fromkeys(("1.2.840.10008.1.2.4.57", "1.2.840.10008.1.2.4.70"), "jpeg_decode"),
    **dict.fromkeys(("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81"), "jpegls_decode"),
    **dict.fromkeys(("1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"), "jpeg2k_decode"),
    **dict.fromkeys((f"1.2.840.10008.1.2.4.{number}" for number in (201, 202, 203)), "htj2k_decode"),
}


def read_frames(path: Path, *, as_stored: bool = False) -> list[NDArray[Any]]:
    """All frames of a file, each (H, W) or (H, W, C).

    Slope and intercept are applied; whole numbers stay whole. MONOCHROME1 (low is bright) is inverted unless the
    numbers are quantities (CT, PET). Palettes become RGB; with `as_stored` the indices stay.

    Raises
    ------
    FileFormatError
        If the file is truncated or damaged, or nothing installed decodes its transfer syntax.
    """
    import pydicom

    with tolerant(), decoding(path, "DICOM"):
        dataset = pydicom.dcmread(path)
        values = native(_stored(dataset, path), path)
        count = int(dataset.get("NumberOfFrames", 1) or 1)
        frames = list(values) if count > 1 else [values]
        if as_stored:
            return frames
        shown = [_as_shown(frame, dataset) for frame in frames]
        return [_rescaled(frame, groups) for frame, groups in zip(shown, frame_groups(dataset))]


def _stored(dataset: Any, path: Path) -> NDArray[Any]:
    """(H, W[, C]) or (N, H, W[, C]) as stored, luminance and chrominance already turned into RGB."""
    from pydicom.pixels import get_decoder

    if "PixelData" not in dataset:
        return _float_pixels(dataset, path)
    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_encapsulated or _has_decoder(get_decoder, syntax):
        return np.asarray(dataset.pixel_array)
    if str(syntax) not in _CODECS:
        raise FileFormatError(
            f"nothing installed decodes the transfer syntax {syntax.name}",
            where=path,
            remedy="Convert it to an uncompressed file (gdcmconv --raw IN OUT, or dcmdjpeg IN OUT).",
        )
    return _decoded(dataset, _CODECS[str(syntax)])


def _has_decoder(get_decoder: Any, syntax: Any) -> bool:
    try:
        return bool(get_decoder(syntax).is_available)
    except NotImplementedError:
        return False


def _float_pixels(dataset: Any, path: Path) -> NDArray[Any]:
    if "FloatPixelData" in dataset or "DoubleFloatPixelData" in dataset:
        return np.asarray(dataset.pixel_array)
    raise FileFormatError(
        "the DICOM file ends before its pixels", where=path, remedy="It is truncated: copy or export it again."
    )


def _decoded(dataset: Any, codec: str) -> NDArray[Any]:
    import imagecodecs
    from pydicom.encaps import generate_frames
    from pydicom.pixels import convert_color_space

    count = int(dataset.get("NumberOfFrames", 1) or 1)
    decode = getattr(imagecodecs, codec)
    frames = [np.asarray(decode(frame)) for frame in generate_frames(dataset.PixelData, number_of_frames=count)]
    values = np.stack(frames) if count > 1 else frames[0]
    if str(dataset.PhotometricInterpretation).startswith("YBR_FULL"):
        values = convert_color_space(values, str(dataset.PhotometricInterpretation), "RGB")
    return _signed(values, dataset)


def _signed(values: NDArray[Any], dataset: Any) -> NDArray[Any]:
    """Codecs give unsigned numbers; those of a signed image are two's complement of `BitsStored` bits."""
    if int(dataset.PixelRepresentation) == 0 or values.dtype.kind == "i":
        return values
    unused = values.dtype.itemsize * 8 - int(dataset.BitsStored)
    return (values << unused).view(f"i{values.dtype.itemsize}") >> unused


def _as_shown(frame: NDArray[Any], dataset: Any) -> NDArray[Any]:
    kind = str(dataset.get("PhotometricInterpretation", ""))
    if kind == "PALETTE COLOR":
        return _coloured(frame, dataset)
    if kind != "MONOCHROME1" or dataset.get("Modality") in _QUANTITIES or frame.dtype.kind == "f":
        return frame
    top = -1 if int(dataset.PixelRepresentation) else (1 << int(dataset.BitsStored)) - 1
    turned: NDArray[Any] = top - frame.astype(np.int64)
    return turned.astype(frame.dtype)


def _coloured(frame: NDArray[Any], dataset: Any) -> NDArray[Any]:
    from pydicom.pixels import apply_color_lut

    colours = np.asarray(apply_color_lut(frame, dataset))
    return (colours >> 8).astype(np.uint8) if colours.dtype.itemsize > 1 else colours


def _rescaled(frame: NDArray[Any], groups: list[Any]) -> NDArray[Any]:
    """Slope and intercept, or the table that stands in their place."""
    if groups[-1].get("ModalityLUTSequence"):
        from pydicom.pixels import apply_modality_lut

        return native(np.asarray(apply_modality_lut(frame, groups[-1])), Path(str(groups[-1].filename)))
    slope = look_up(groups, "PixelValueTransformationSequence", "RescaleSlope")
    intercept = look_up(groups, "PixelValueTransformationSequence", "RescaleIntercept")
    return _linear(frame, 1.0 if slope is None else float(slope), 0.0 if intercept is None else float(intercept))


def _linear(frame: NDArray[Any], slope: float, intercept: float) -> NDArray[Any]:
    if slope == 1 and intercept == 0:
        return frame
    if slope == 1 and intercept.is_integer() and frame.dtype.kind in "iu" and frame.dtype.itemsize <= 2:
        return shifted(frame, int(intercept))
    dtype = np.float32 if frame.dtype.itemsize <= 2 else np.float64
    return frame * dtype(slope) + dtype(intercept)
