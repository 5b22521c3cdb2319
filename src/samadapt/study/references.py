"""What existing predictions are scored against, case by case, and the files that hold the predictions."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import DataError, GridMismatch, LabelError
from samadapt.core.grid import Grid
from samadapt.core.image import LabelMap, LabelSet
from samadapt.data.recipes.nnunet import label_set_of, read_dataset_json
from samadapt.data.store import Store
from samadapt.io import find_images, open_label
from samadapt.io.sniff import sniff
from samadapt.study.label_maps import Subject

WITH_GEOMETRY = ("nifti", "nrrd", "metaimage", "dicom")
_DOUBLE = (".nii.gz", ".npy.h5")
_SHOWN = 5


class References(Protocol):
    """Cases with their true label maps."""

    @property
    def names(self) -> Sequence[str]:
        """Names of the cases."""

    @property
    def label_set(self) -> LabelSet:
        """All labels."""

    def subject(self, name: str) -> Subject:
        """Whose case it is, and its spacing."""

    def truth(self, name: str) -> LabelMap:
        """True label map."""

    def facts(self) -> dict[str, Any]:
        """What a run states about its data."""


@dataclass(frozen=True)
class StoreReferences:
    """The cases of one split of a prepared store."""

    store: Store
    split: str

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Case numbers by name."""
        return {self.store.cases[case].name: case for case in self.store.split(self.split)}

    @property
    def names(self) -> Sequence[str]:
        """Names of the cases."""
        return list(self.numbers)

    @property
    def label_set(self) -> LabelSet:
        """Classes of the store."""
        return self.store.label_set

    def subject(self, name: str) -> Subject:
        """Whose case it is, and its spacing."""
        return Subject.of(self.store.cases[self.numbers[name]])

    def truth(self, name: str) -> LabelMap:
        """True label map, in the order of the store's slices."""
        return self.store.label_map(self.numbers[name])

    def facts(self) -> dict[str, Any]:
        """Store, its fingerprint, and the names of its datasets."""
        datasets = [dataset["name"] for dataset in self.store.datasets]
        fingerprint = self.store.fingerprint
        return {"store": str(self.store.path), "store_fingerprint": fingerprint, "datasets": datasets}


@dataclass(frozen=True)
class FolderReferences:
    """Label maps in a folder, one file a case.

    Attributes
    ----------
    folder : Path
    given : LabelSet or None
        Else that of dataset.json in the folder or above it, else the values that occur, called "label 1", ...
    """

    folder: Path
    given: LabelSet | None = None

    @cached_property
    def files(self) -> dict[str, Path]:
        """Files by case."""
        return files_by_case(self.folder)

    @property
    def names(self) -> Sequence[str]:
        """Names of the cases."""
        return list(self.files)

    @cached_property
    def label_set(self) -> LabelSet:
        """All labels."""
        if self.given is not None:
            return self.given
        for folder in (self.folder, self.folder.parent):
            if (folder / "dataset.json").is_file():
                return label_set_of(read_dataset_json(folder).get("labels") or {}, "", folder / "dataset.json")
        values = sorted({int(v) for name in self.files for v in np.unique(self.truth(name).values)} - {0})
        return LabelSet.from_names({value: f"label {value}" for value in values})

    def subject(self, name: str) -> Subject:
        """Each case is a patient of its own."""
        truth = self.truth(name)
        slices = truth.values.shape[0] if truth.values.ndim == 3 else 1
        spacing = truth.grid.spacing_mm
        return Subject(name, name, spacing if slices > 1 else spacing[-2:], slices > 1, slices)

    def truth(self, name: str) -> LabelMap:
        """True label map; labels outside the label set are an error."""
        truth = _open(self.files[name])
        if "label_set" in self.__dict__:
            self.label_set.require_known(truth.values, where=self.files[name])
        return truth

    def facts(self) -> dict[str, Any]:
        """Folder, and a fingerprint of its names and labels."""
        digest = hashlib.blake2b(digest_size=8)
        for name in self.names:
            truth = self.truth(name)
            digest.update(f"{name} {truth.values.shape} {truth.grid.spacing_mm}".encode())
            digest.update(np.ascontiguousarray(truth.values, dtype=np.uint32).tobytes())
        folder = self.folder.resolve()
        return {"store": str(folder), "store_fingerprint": digest.hexdigest(), "datasets": [folder.name]}


@lru_cache(maxsize=1)
def _open(path: Path) -> LabelMap:
    """The label map that was asked for last is kept, since a case is asked for it more than once in a row."""
    return open_label(path)


def files_by_case(folder: Path) -> dict[str, Path]:
    """Readable images of a folder and of those in it, by path without suffix.

    Raises
    ------
    DataError
        If there is none, or two are of one case.
    """
    found: dict[str, Path] = {}
    for path in find_images(folder, recursive=True):
        name = _stem(path.relative_to(folder).as_posix())
        if name in found:
            raise DataError(
                f"two files are of the case {name!r}: {found[name].name} and {path.name}",
                where=folder,
                remedy="Leave one label map for each case in the folder.",
            )
        found[name] = path
    if not found:
        raise DataError("the folder holds no label map", where=folder, remedy="Name the folder with the label maps.")
    return found


def _stem(name: str) -> str:
    ending = next((double for double in _DOUBLE if name.lower().endswith(double)), Path(name).suffix)
    return name[: len(name) - len(ending)] if ending else name


def prediction_files(folder: Path, names: Sequence[str]) -> tuple[dict[str, Path], list[str]]:
    """The prediction of every case by its name, and the files that are of no case.

    Raises
    ------
    DataError
        If a case has no prediction.
    """
    files = files_by_case(folder)
    placed = {name: _file_of(name, files) for name in names}
    missing = [name for name, path in placed.items() if path is None]
    if missing:
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise DataError(
            f"{len(missing)} of {len(names)} cases have no prediction: {', '.join(missing[:_SHOWN])}{more}",
            where=folder,
            remedy="Name each file as its case, e.g. "
            f"{missing[0]}.nii.gz; the folder has {', '.join(list(files)[:_SHOWN])}. Predict every case: one left "
            "out would make the mean better than it is.",
        )
    found = {name: path for name, path in placed.items() if path is not None}
    used = set(found.values())
    return found, [path.name for path in files.values() if path not in used]


def _file_of(name: str, files: Mapping[str, Path]) -> Path | None:
    """By the name of the case, its last part, or that with the channel number of nnU-Net's images."""
    last = Path(name).name
    return next((files[one] for one in (name, last, f"{last}_0000") if one in files), None)


def read_prediction(path: Path, truth: LabelMap, values: Mapping[int, int], label_set: LabelSet) -> NDArray[Any]:
    """Predicted labels, in the axes of the truth and the numbers of its label set.

    Parameters
    ----------
    values : mapping of int to int
        Number in the file to number in the label set; numbers that are not named stay.

    Returns
    -------
    ndarray of the shape of `truth`, unsigned integer

    Raises
    ------
    GridMismatch
        If it lies on another grid.
    LabelError
        If it holds a label that the label set does not have.
    """
    read = open_label(path)
    placed = _onto(read, truth, sniff(path) in WITH_GEOMETRY)
    if placed is None:
        raise GridMismatch(
            f"the prediction lies on another grid: shape {read.values.shape}, spacing {_mm(read.grid)} mm; the truth "
            f"has {truth.values.shape}, {_mm(truth.grid)} mm",
            where=path,
            remedy="Write predictions on the grid of the images: resample labels with nearest neighbour, keep the "
            "header.",
        )
    table = np.arange(int(max(placed.max(), *values, 0)) + 1, dtype=np.uint32)
    table[list(values)] = list(values.values())
    answer: NDArray[Any] = table[placed]
    unknown = sorted(set(np.unique(answer).tolist()) - {0, *label_set.values})
    if unknown:
        raise LabelError(
            f"labels {unknown[:_SHOWN]} of the prediction are not among those of the truth: {label_set.names}",
            where=path,
            remedy=f"Say what they are: -s values.{unknown[0]}=1, or 0 for background.",
        )
    return answer


def _onto(read: LabelMap, truth: LabelMap, has_geometry: bool) -> NDArray[Any] | None:
    """Values in the axes of the truth, or None if the grids differ by more than the order of their axes."""
    if not has_geometry or truth.values.ndim != 3 or read.values.ndim != 3:
        shapes = [[n for n in values.shape if n > 1] for values in (read.values, truth.values)]
        return read.values.reshape(truth.values.shape) if shapes[0] == shapes[1] else None
    step = np.linalg.inv(read.grid.affine) @ truth.grid.affine  # index of the truth to index of the file
    axes = [int(np.abs(step[:3, column]).argmax()) for column in range(3)]
    if sorted(axes) != [0, 1, 2]:
        return None
    flips = tuple(slice(None, None, -1 if step[axis, column] < 0 else 1) for column, axis in enumerate(axes))
    values: NDArray[Any] = read.values.transpose(axes)[flips]
    moved = Grid(values.shape, _moved(read.grid, axes, flips))
    return values if moved.matches(truth.grid, tolerance_mm=0.1) else None


def _moved(grid: Grid, axes: Sequence[int], flips: Sequence[slice]) -> NDArray[np.float64]:
    affine = grid.affine[:, [*axes, 3]].copy()
    for column, (axis, flip) in enumerate(zip(axes, flips)):
        if flip.step < 0:
            affine[:3, 3] += affine[:3, column] * (grid.shape[axis] - 1)
            affine[:3, column] *= -1
    return affine


def _mm(grid: Grid) -> str:
    return " x ".join(f"{step:g}" for step in grid.spacing_mm)
