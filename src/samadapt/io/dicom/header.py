"""What a DICOM file says of its image: size, place, series; no pixel is read."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import FileFormatError, InvalidGeometry
from samadapt.io.decoding import decoding
from samadapt.io.orient import require_spacing

MODALITIES = {
    **{"PT": "PET", "US": "ultrasound", "IVUS": "ultrasound"},
    **dict.fromkeys(("CR", "DX", "MG", "XA", "RF", "RG", "PX"), "X-ray"),
    **dict.fromkeys(("SM", "GM"), "microscopy"),
}
_NO_IMAGES = {"SEG", "RTSTRUCT", "RTDOSE", "RTPLAN", "SR", "PR", "KO", "REG", "FID"}
_SPACING_TAGS = ("PixelSpacing", "ImagerPixelSpacing", "NominalScannedPixelSpacing")
_TAGS = (
    *("SOPClassUID", "SOPInstanceUID", "SeriesInstanceUID", "SeriesDescription", "Modality", "Rows", "Columns"),
    *("NumberOfFrames", "ImagePositionPatient", "ImageOrientationPatient", "SliceThickness", "SamplesPerPixel"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence", "PhotometricInterpretation"),
    *_SPACING_TAGS,
)
_REMEDY = "Correct the tag, or convert the series to NIfTI with a tool that knows the scanner."


@dataclass(frozen=True, eq=False)
class Plane:
    """Place of one frame.

    Attributes
    ----------
    origin_mm : ndarray of shape (3,), float64
        Centre of the first pixel, LPS.
    axes : ndarray of shape (3, 2), float64
        Unit vectors in LPS along which the row index and the column index grow.
    spacing_mm : (float, float)
        Between rows, between columns.
    thickness_mm : float
        Step to the next slice where no next slice tells; 1 if the file does not say.
    """

    origin_mm: NDArray[np.float64]
    axes: NDArray[np.float64]
    spacing_mm: tuple[float, float]
    thickness_mm: float

    @property
    def normal(self) -> NDArray[np.float64]:
        """Unit vector across the slice: column direction x row direction as DICOM counts them."""
        return np.cross(self.axes[:, 1], self.axes[:, 0])

    def affine(self, step_mm: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
        """Index (slice, row, column, 1) to LPS mm; `step_mm` leads to the next slice, default across the plane."""
        affine = np.eye(4)
        affine[:3, 0] = self.normal * self.thickness_mm if step_mm is None else step_mm
        affine[:3, 1:3] = self.axes * np.array(self.spacing_mm)
        affine[:3, 3] = self.origin_mm
        return affine


@dataclass(frozen=True, eq=False)
class Header:
    """One DICOM image file.

    Attributes
    ----------
    path : Path
    series, instance : str
        SeriesInstanceUID and SOPInstanceUID; "" where they were removed.
    description, modality : str
        Modality as the rest of the toolkit names it: "CT", "MR", "PET", "X-ray", "ultrasound", ...
    shape : (int, int)
        Rows and columns.
    planes : tuple of (Plane or None)
        One for each frame; None where the file does not say where it lies.
    spacing_mm : (float, float)
        Between rows and columns; 1 where the file does not say.
    """

    path: Path
    series: str
    instance: str
    description: str
    modality: str
    shape: tuple[int, int]
    planes: tuple[Plane | None, ...]
    spacing_mm: tuple[float, float]


def read_header(path: Path) -> Header:
    """Header of a file that holds an image.

    Raises
    ------
    FileFormatError
        If the file is damaged or holds no image (a report, contours, a segmentation object, an index).
    InvalidGeometry
        If the spacing is not positive or the directions are no right angle.
    """
    with tolerant(), decoding(path, "DICOM"):
        dataset = _dataset(path)
        _require_image(dataset, path)
        planes = tuple(_plane(groups, path) for groups in frame_groups(dataset))
        modality = str(dataset.get("Modality", "") or "")
        return Header(
            path=path,
            series=str(dataset.get("SeriesInstanceUID", "") or ""),
            instance=str(dataset.get("SOPInstanceUID", "") or ""),
            description=str(dataset.get("SeriesDescription", "") or ""),
            modality=MODALITIES.get(modality, modality if modality in ("CT", "MR") else ""),
            shape=(int(dataset.Rows), int(dataset.Columns)),
            planes=planes,
            spacing_mm=planes[0].spacing_mm if planes[0] else _flat_spacing(dataset, path) or (1.0, 1.0),
        )


def is_image(path: Path) -> bool:
    """True if a DICOM file holds an image, False for reports, contours, segmentation objects and indices."""
    with tolerant(), decoding(path, "DICOM"):
        return _why_no_image(_dataset(path), path) is None


@contextmanager
def tolerant() -> Iterator[None]:
    """No warnings of pydicom: anonymised files break the rules for identifiers, and nothing depends on them."""
    from pydicom.config import disable_value_validation

    with disable_value_validation(), warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def frame_groups(dataset: Any) -> list[list[Any]]:
    """For each frame the datasets to look a value up in, the most specific first."""
    shared = list(dataset.get("SharedFunctionalGroupsSequence") or [])
    per_frame = list(dataset.get("PerFrameFunctionalGroupsSequence") or [])
    count = int(dataset.get("NumberOfFrames", 1) or 1)
    own = [[frame] for frame in per_frame] if len(per_frame) == count else [[] for _ in range(count)]
    return [[*frame, *shared, dataset] for frame in own]


def look_up(groups: list[Any], sequence: str, tag: str) -> Any:
    """Value of `tag` in the first group that has it, inside its `sequence` or directly; None if there is none."""
    for group in groups:
        for place in (*(group.get(sequence) or []), group):
            value = place.get(tag)
            if value is not None and value != "":
                return value
    return None


def _dataset(path: Path) -> Any:
    import pydicom

    return pydicom.dcmread(path, stop_before_pixels=True, specific_tags=list(_TAGS))


def _why_no_image(dataset: Any, path: Path) -> str | None:
    """What the file holds instead of an image; None if it holds one."""
    kind = dataset.get("Modality", "")
    if kind not in _NO_IMAGES and dataset.get("Rows") and dataset.get("Columns"):
        return None
    title = getattr(dataset.get("SOPClassUID") or dataset.file_meta.get("MediaStorageSOPClassUID"), "name", "")
    if kind not in _NO_IMAGES and (not title or "Image Storage" in title):
        raise FileFormatError(
            "the DICOM file ends before it says how large its image is",
            where=path,
            remedy="It is truncated: copy or export it again.",
        )
    return str(title or kind)


def _require_image(dataset: Any, path: Path) -> None:
    reason = _why_no_image(dataset, path)
    if reason is not None:
        raise FileFormatError(
            f"this DICOM file holds no image ({reason})",
            where=path,
            remedy="Open the folder of the image series it belongs to.",
        )


def _plane(groups: list[Any], path: Path) -> Plane | None:
    origin = look_up(groups, "PlanePositionSequence", "ImagePositionPatient")
    directions = look_up(groups, "PlaneOrientationSequence", "ImageOrientationPatient")
    spacing = look_up(groups, "PixelMeasuresSequence", "PixelSpacing")
    if origin is None or directions is None or spacing is None:
        return None
    along_columns, along_rows = np.asarray(directions, dtype=np.float64).reshape(2, 3)
    axes = np.stack([along_rows, along_columns], axis=1)
    _require_right_angle(axes, path)
    thickness = look_up(groups, "PixelMeasuresSequence", "SliceThickness")
    rows, columns = (float(v) for v in spacing)
    require_spacing(np.array([rows, columns]), path)
    step = float(thickness) if thickness is not None and float(thickness) > 0 else 1.0
    return Plane(np.asarray(origin, dtype=np.float64), axes / np.linalg.norm(axes, axis=0), (rows, columns), step)


def _require_right_angle(axes: NDArray[np.float64], path: Path) -> None:
    lengths = np.linalg.norm(axes, axis=0)
    if not (np.abs(lengths - 1) < 0.01).all() or abs(axes[:, 0] @ axes[:, 1]) > 0.01:
        raise InvalidGeometry(
            f"ImageOrientationPatient {[round(float(v), 4) for v in axes.T[::-1].ravel()]} is not two unit vectors at "
            "a right angle",
            where=path,
            remedy=_REMEDY,
        )


def _flat_spacing(dataset: Any, path: Path) -> tuple[float, float] | None:
    """Spacing of an image without a place in the patient, such as a radiograph (at the detector)."""
    for tag in _SPACING_TAGS:
        if dataset.get(tag):
            rows, columns = (float(v) for v in dataset[tag].value)
            require_spacing(np.array([rows, columns]), path)
            return rows, columns
    return None
