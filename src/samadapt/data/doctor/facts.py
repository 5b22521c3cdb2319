"""Numbers taken once from every case, so that no check has to read a file again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import SamadaptError
from samadapt.core.grid import Grid
from samadapt.core.image import Image, LabelMap, LabelSet, Volume
from samadapt.data.doctor.mirror import MirrorScores, mirror_scores
from samadapt.data.doctor.subjects import Subject
from samadapt.data.recipes.base import LoadedCase

_GEOMETRIC = (".nii", ".nii.gz", ".nrrd", ".nhdr", ".mha", ".mhd")


@dataclass(frozen=True)
class Region:
    """One label in one case.

    Attributes
    ----------
    area : int
        Pixels or voxels.
    size : float
        In mm^2 or mm^3.
    centre_mm : ndarray of shape (3,)
        LPS millimetres.
    intensity : float
        Mean intensity in standard deviations from the mean of the image.
    clipped : float
        Share of the pixels that the window makes black or white.
    """

    area: int
    size: float
    centre_mm: NDArray[np.float64]
    intensity: float
    clipped: float


@dataclass(frozen=True)
class CaseFacts:
    """What the checks know about a case.

    Attributes
    ----------
    name, patient, split, source : see `Subject`
    problem : SamadaptError or None
        Why it could not be read; all other facts are then empty.
    modality : str
    shape : tuple of int
    spacing_mm : tuple of float
    is_volume, oriented : bool
        `oriented`: the file format says where left and right are.
    image_hash, label_hash : str
    nonfinite : int
        Pixels that are NaN or infinite.
    constant : bool
    window : (float, float) or None
    values : dict of int to int
        Pixels of each value in the label map, 0 included.
    regions : dict of int to Region
        Known classes that occur.
    mirror : MirrorScores or None
    """

    name: str
    patient: str
    split: str | None
    source: str
    problem: SamadaptError | None = None
    modality: str = ""
    shape: tuple[int, ...] = ()
    spacing_mm: tuple[float, ...] = ()
    is_volume: bool = False
    oriented: bool = False
    image_hash: str = ""
    label_hash: str = ""
    nonfinite: int = 0
    constant: bool = False
    window: tuple[float, float] | None = None
    values: dict[int, int] = field(default_factory=dict)
    regions: dict[int, Region] = field(default_factory=dict)
    mirror: MirrorScores | None = None

    @property
    def readable(self) -> bool:
        """False if the case could not be read."""
        return self.problem is None


@dataclass(frozen=True)
class Cohort:
    """All facts together: what a check is given.

    Attributes
    ----------
    cases : tuple of CaseFacts
        Those that could be read.
    unread : tuple of CaseFacts
    label_set : LabelSet
    exclusions : tuple of (str, str)
    prepared : bool
        The cases are those of a store: what was left out can no longer do harm.
    """

    cases: tuple[CaseFacts, ...]
    unread: tuple[CaseFacts, ...]
    label_set: LabelSet
    exclusions: tuple[tuple[str, str], ...] = ()
    prepared: bool = False


def facts_of(subject: Subject, label_set: LabelSet) -> CaseFacts:
    """Read a case and measure it; a case that cannot be read keeps its error."""
    head = (subject.name, subject.patient, subject.split, subject.source)
    try:
        loaded = subject.load()
    except SamadaptError as error:
        return CaseFacts(*head, problem=error)
    image = loaded.image
    pixels = image.voxels if isinstance(image, Volume) else image.pixels
    grey = _grey(pixels, image.grid)
    labels = _flat_labels(loaded)
    usable = bool(np.isfinite(grey).all()) and labels.shape == grey.shape
    return CaseFacts(
        *head,
        modality=image.modality,
        shape=image.grid.shape,
        spacing_mm=image.grid.spacing_mm,
        is_volume=isinstance(image, Volume),
        oriented=isinstance(image, Volume) and subject.source.lower().endswith(_GEOMETRIC),
        image_hash=_hash(pixels),
        label_hash=_hash(labels),
        nonfinite=0 if pixels.dtype.kind != "f" else int((~np.isfinite(pixels)).sum()),
        constant=bool(pixels.min() == pixels.max()),
        window=image.window,
        values=_value_counts(labels),
        regions=_regions(image, grey, labels, label_set) if usable else {},
        mirror=mirror_scores(grey, labels, label_set.ignore, image.window, _axis_names(image)) if usable else None,
    )


def _grey(pixels: NDArray[Any], grid: Grid) -> NDArray[np.float32]:
    """One channel: the first of several MR channels and of grey with alpha, the mean of colours."""
    if pixels.ndim > len(grid.shape):
        pixels = pixels[..., :3].mean(axis=-1) if pixels.shape[-1] in (3, 4) else pixels[..., 0]
    grey: NDArray[np.float32] = pixels.astype(np.float32)
    return grey


def _flat_labels(loaded: LoadedCase) -> NDArray[Any]:
    if isinstance(loaded.label, LabelMap):
        return loaded.label.values
    labels = np.zeros(loaded.image.grid.shape, dtype=np.uint16)
    for one in loaded.label:
        labels[one.mask] = one.label
    return labels


def _value_counts(labels: NDArray[Any]) -> dict[int, int]:
    if labels.dtype.itemsize <= 2:
        counts = np.bincount(labels.reshape(-1))
        return {int(v): int(counts[v]) for v in np.flatnonzero(counts)}
    values, numbers = np.unique(labels, return_counts=True)
    return {int(v): int(n) for v, n in zip(values, numbers)}


def _axis_names(image: Image | Volume) -> tuple[str, ...]:
    """What a flip of each array axis is called: by the body axis it runs along, or as seen on a picture."""
    if isinstance(image, Image):
        return "up-down", "left-right"
    directions = np.abs(image.grid.affine[:3, :3]).argmax(axis=0)
    return tuple(("left-right", "front-back", "head-feet")[int(d)] for d in directions)


def _hash(array: NDArray[Any]) -> str:
    """Hash of shape and values; the number type does not matter."""
    digest = hashlib.blake2b(str(array.shape).encode(), digest_size=12)
    for plane in array if array.ndim > 2 else array[None]:
        digest.update(np.ascontiguousarray(plane, dtype=np.float32).data)
    return digest.hexdigest()


def _regions(
    image: Image | Volume, grey: NDArray[np.float32], labels: NDArray[Any], label_set: LabelSet
) -> dict[int, Region]:
    from scipy import ndimage

    mean, spread = float(grey.mean()), float(grey.std()) or 1.0
    voxel = float(np.prod(image.grid.spacing_mm))
    found: dict[int, Region] = {}
    for value, box in enumerate(ndimage.find_objects(labels.astype(np.int32, copy=False)), start=1):
        if box is None or value not in label_set:
            continue
        inside = labels[box] == value
        index = np.array([axis.mean() for axis in np.nonzero(inside)]) + [part.start for part in box]
        padded = np.concatenate([np.zeros(3 - len(index)), index, [1.0]])
        intensities = grey[box][inside]
        found[value] = Region(
            area=len(intensities),
            size=len(intensities) * voxel,
            centre_mm=(image.grid.affine @ padded)[:3],
            intensity=(float(intensities.mean()) - mean) / spread,
            clipped=_clipped(intensities, image.window),
        )
    return found


def _clipped(intensities: NDArray[np.float32], window: tuple[float, float] | None) -> float:
    if window is None:
        return 0.0
    return float(((intensities < window[0]) | (intensities > window[1])).mean())
