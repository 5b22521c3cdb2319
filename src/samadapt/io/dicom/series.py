"""The slices of one series in order of their positions, with every gap and double found."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import FileFormatError, InvalidGeometry, ShapeMismatch
from samadapt.core.grid import Grid
from samadapt.core.image import Image, LabelMap, Volume
from samadapt.io.dicom.header import Header, Plane, is_image, read_header
from samadapt.io.dicom.pixels import read_frames
from samadapt.io.orient import canonical_volume
from samadapt.io.raster import flat_image
from samadapt.io.readers import ReadOptions
from samadapt.io.sniff import HEAD, format_of

_TOLERANCE_MM = 0.01
_TOLERANCE = 0.02  # of the step: positions are written with few digits
_SHOWN = 6


@dataclass(frozen=True, eq=False)
class Series:
    """Slices of one series along the normal of the slices.

    Attributes
    ----------
    files : tuple of Path
        One for each slice, in order of position; one file for a volume in one file.
    affine : ndarray of shape (4, 4), float64
        Index (slice, row, column, 1) to LPS mm.
    shape : (int, int, int)
        Slices, rows, columns.
    modality : str
    source : Path
        The folder or file.
    frames : tuple of int
        Where all slices lie in one file: which frame is which slice.
    """

    files: tuple[Path, ...]
    affine: NDArray[np.float64]
    shape: tuple[int, int, int]
    modality: str
    source: Path
    frames: tuple[int, ...] = ()

    def load(self, modality: str = "") -> Volume:
        """Decode all slices into a volume in canonical LPS order, intensities in physical units."""
        if self.frames:
            frames = read_frames(self.files[0])
            slices = [frames[index] for index in self.frames]
        else:
            slices = [read_frames(path)[0] for path in self.files]
        return canonical_volume(_stacked(slices, self.source), self.affine, self.source, modality or self.modality)

    def label_map(self, values: NDArray[Any], *, source: str = "") -> LabelMap:
        """Labels drawn slice by slice, on the grid of the volume.

        Parameters
        ----------
        values : ndarray of shape (slices, rows, columns), whole numbers
            Slices in the order of `files`, each as its file shows it.

        Raises
        ------
        ShapeMismatch
            If the shape is not that of the series.
        """
        if values.shape != self.shape:
            raise ShapeMismatch(
                f"labels {values.shape} do not fit the series {self.shape}", where=source or self.source
            )
        volume = canonical_volume(values, self.affine, self.source)
        return LabelMap(volume.voxels, volume.grid, volume.orientation, source or str(self.source))


def read(path: Path, options: ReadOptions) -> Image | Volume:
    """Volume from a folder, or from a file with several frames; Image from a file with one.

    A volume is in canonical LPS order. An image keeps the rows and columns of its file; its grid says where they lie.

    Raises
    ------
    FileFormatError
        If a file is truncated, damaged or no image; if the folder holds several series and none was chosen.
    InvalidGeometry
        If slices are missing, doubled, unevenly spaced or without position.
    """
    if path.is_dir():
        series = find_series(path, options.series)
        return series.load(options.modality) if isinstance(series, Series) else _flat(series, options)
    header = read_header(path)
    if len(header.planes) > 1:
        return _multiframe(header, options)
    return _flat(header, options)


def find_series(folder: Path, series: str = "") -> Series | Header:
    """The one image series directly in a folder, or the one that is asked for.

    Other files (notes, reports, contours, segmentation objects) are passed over.

    Parameters
    ----------
    folder : Path
    series : str
        SeriesInstanceUID; needed if the folder holds several.

    Returns
    -------
    Series or Header
        A header where the only file is an image without a place in the patient.

    Raises
    ------
    FileFormatError, InvalidGeometry
        See `read`.
    """
    headers = [read_header(path) for path in _image_files(folder)]
    chosen = _chosen(headers, series, folder)
    _require_alike(chosen, folder)
    if len(chosen) == 1:
        return one_file(chosen[0]) or chosen[0]
    planes = [header.planes[0] for header in chosen]
    missing = [header.path.name for header, plane in zip(chosen, planes) if plane is None]
    if missing:
        raise InvalidGeometry(
            f"{len(missing)} of {len(chosen)} files do not say where their slice lies ({missing[0]})",
            where=folder,
            remedy="Each needs ImagePositionPatient, ImageOrientationPatient and PixelSpacing; open the files singly.",
        )
    return _ordered(chosen, [plane for plane in planes if plane is not None], folder)


def one_file(header: Header) -> Series | None:
    """Series of a file whose frames lie in the patient; None if they do not."""
    planes = [plane for plane in header.planes if plane is not None]
    if len(planes) != len(header.planes):
        return None
    order, affine = _order(planes, [f"frame {k}" for k in range(1, len(planes) + 1)], header.path)
    frames = tuple(order) if len(order) > 1 else (0,)
    return Series((header.path,), affine, (len(order), *header.shape), header.modality, header.path, frames)


def _image_files(folder: Path) -> list[Path]:
    found = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    dicom = [path for path in found if _is_dicom(path)]
    images = [path for path in dicom if is_image(path)]
    if not images:
        raise FileFormatError(
            f"none of the {len(dicom)} DICOM files of this folder holds an image",
            where=folder,
            remedy="Open the folder of the image series they belong to.",
        )
    return images


def _is_dicom(path: Path) -> bool:
    with path.open("rb") as file:
        return format_of(file.read(HEAD)) == "dicom"


def _chosen(headers: list[Header], series: str, folder: Path) -> list[Header]:
    groups: dict[str, list[Header]] = {}
    for header in headers:
        groups.setdefault(header.series, []).append(header)
    if series in groups:
        return groups[series]
    if len(groups) == 1 and not series:
        return headers
    listed = "; ".join(_described(group) for group in list(groups.values())[:_SHOWN])
    what = f"the folder has no series {series!r}" if series else f"the folder holds {len(groups)} series"
    raise FileFormatError(
        f"{what}: {listed}",
        where=folder,
        remedy='Name one: samadapt.open(folder, series="its SeriesInstanceUID"), or give each its own folder.',
    )


def _described(group: list[Header]) -> str:
    first = group[0]
    words = [f"{len(group)} files {first.shape[0]} x {first.shape[1]}", first.modality, first.description]
    return f"{first.series or '(no SeriesInstanceUID)'} ({', '.join(word for word in words if word)})"


def _require_alike(headers: list[Header], folder: Path) -> None:
    """Refuse a series that mixes sizes or directions, as a scout view among slices does."""
    if any(len(header.planes) > 1 for header in headers) and len(headers) > 1:
        raise FileFormatError(
            f"the series has {len(headers)} files of several frames each", where=folder, remedy="Open one of the files."
        )
    kinds = Counter(_kind(header) for header in headers)
    if len(kinds) == 1:
        return
    common = kinds.most_common(1)[0][0]
    other = next(header for header in headers if _kind(header) != common)
    raise InvalidGeometry(
        f"the series mixes {len(kinds)} kinds of slices: {kinds[common]} of {common[0]} x {common[1]}, and others such "
        f"as {other.path.name} of {other.shape[0]} x {other.shape[1]} in another size, direction or spacing",
        where=folder,
        remedy="Move scout views and other stacks to folders of their own.",
    )


def _kind(header: Header) -> tuple[Any, ...]:
    plane = header.planes[0]
    if plane is None:
        return header.shape
    return (*header.shape, *np.round(plane.axes.ravel(), 2).tolist(), *np.round(plane.spacing_mm, 3).tolist())


def _ordered(headers: list[Header], planes: list[Plane], folder: Path) -> Series:
    _require_different(headers, folder)
    order, affine = _order(planes, [header.path.name for header in headers], folder)
    files = tuple(headers[index].path for index in order)
    return Series(files, affine, (len(files), *headers[0].shape), headers[0].modality, folder)


def _require_different(headers: list[Header], folder: Path) -> None:
    seen: dict[str, Header] = {}
    for header in headers:
        first = seen.setdefault(header.instance or str(header.path), header)
        if first is not header:
            raise FileFormatError(
                f"{first.path.name} and {header.path.name} are the same slice (SOPInstanceUID {header.instance})",
                where=folder,
                remedy="Delete one of the two.",
            )


def _order(planes: Sequence[Plane], names: Sequence[str], where: Path) -> tuple[list[int], NDArray[np.float64]]:
    """Order along the normal of the first plane, and the affine of the stack."""
    first = planes[0]
    heights = np.array([plane.origin_mm @ first.normal for plane in planes])
    order = [int(index) for index in np.argsort(heights, kind="stable")]
    if len(order) == 1:
        return order, first.affine()
    origins = np.stack([planes[index].origin_mm for index in order])
    _require_even(heights[order], [names[index] for index in order], where)
    step = (origins[-1] - origins[0]) / (len(order) - 1)
    expected = origins[0] + np.arange(len(order))[:, np.newaxis] * step
    off = np.linalg.norm(origins - expected, axis=1)
    if off.max() > _allowed(float(np.linalg.norm(step))):
        worst = int(off.argmax())
        raise InvalidGeometry(
            f"the slices do not lie on a straight line: {names[order[worst]]} is {off[worst]:.2f} mm beside it",
            where=where,
            remedy="Resample the series to an even grid first (dcm2niix does).",
        )
    return order, planes[order[0]].affine(step)


def _require_even(heights: NDArray[np.float64], names: list[str], where: Path) -> None:
    steps = np.diff(heights)
    usual = float(np.median(steps))
    doubled = int(steps.argmin())
    if steps[doubled] < _TOLERANCE_MM:
        raise InvalidGeometry(
            f"{names[doubled]} and {names[doubled + 1]} lie at the same place",
            where=where,
            remedy="A time series, several echoes or a copy: keep the files of one volume in the folder.",
        )
    wrong = np.flatnonzero(np.abs(steps - usual) > _allowed(usual))
    if len(wrong) == 0:
        return
    at = int(wrong[0])
    gap = f"between {names[at]} and {names[at + 1]} are {steps[at]:.2f} mm, elsewhere {usual:.2f} mm"
    missing = steps[at] / usual
    if missing > 1.5 and abs(missing - round(missing)) < 0.1:
        count = round(missing) - 1
        what = f"{count} slice{'s are' if count > 1 else ' is'} missing: {gap}"
    else:
        what = f"the slices are not evenly spaced: {gap}"
    raise InvalidGeometry(what, where=where, remedy="Export the series again, or resample it to an even grid first.")


def _allowed(step_mm: float) -> float:
    return _TOLERANCE_MM + _TOLERANCE * step_mm


def _multiframe(header: Header, options: ReadOptions) -> Volume:
    """Frames that lie in the patient as their places say; a run of others as pages one after another."""
    series = one_file(header)
    if series is not None:
        return series.load(options.modality)
    array = _stacked(read_frames(header.path, as_stored=options.as_stored), header.path)
    affine = np.diag([1.0, *header.spacing_mm, 1.0])[[2, 1, 0, 3]]
    return canonical_volume(array, affine, header.path, options.modality or header.modality)


def _flat(header: Header, options: ReadOptions) -> Image:
    pixels = read_frames(header.path, as_stored=options.as_stored)[0]
    image = flat_image(pixels, header.path, options.modality or header.modality)
    plane = header.planes[0]
    if plane is None:
        return Image(pixels, Grid.from_spacing(header.shape, header.spacing_mm), image.modality, image.source)
    return Image(pixels, Grid(header.shape, plane.affine()), image.modality, image.source)


def _stacked(slices: list[NDArray[Any]], where: Path) -> NDArray[Any]:
    shapes = {one.shape for one in slices}
    if len(shapes) > 1:
        raise FileFormatError(f"the slices decode to different shapes {sorted(shapes)}", where=where)
    return np.stack(slices)
