"""Cases of a prepared store or of a raw folder, behind one face."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from samadapt.core.errors import DataError
from samadapt.core.image import Image, LabelSet, Volume
from samadapt.data import recipes
from samadapt.data.recipes.base import CaseSource, Exclusion, LoadedCase
from samadapt.data.window import window_of

_STORE = "store"


@dataclass(frozen=True)
class Subject:
    """One case as the checks see it.

    Attributes
    ----------
    name, patient : str
    split : str or None
    source : str
        File the image came from.
    load : callable
        Returns the `LoadedCase`, image with its window.
    """

    name: str
    patient: str
    split: str | None
    source: str
    load: Callable[[], LoadedCase]


@dataclass(frozen=True)
class Subjects:
    """Everything to be examined.

    Attributes
    ----------
    kind : str
        Recipe name, or "store".
    subjects : tuple of Subject
    label_set : LabelSet
    exclusions : tuple of (str, str)
        What preparation or the recipe left out.
    """

    kind: str
    subjects: tuple[Subject, ...]
    label_set: LabelSet
    exclusions: tuple[Exclusion, ...]

    @property
    def prepared(self) -> bool:
        """True for the cases of a store."""
        return self.kind == _STORE


def collect(path: Path, recipe: str, options: dict[str, Any], window: str) -> Subjects:
    """Subjects of a store, or of a folder through its recipe.

    Raises
    ------
    DataError
        If the path is no folder, or no recipe fits.
    """
    if not path.is_dir():
        raise DataError("there is no such folder", where=path, remedy="Give a dataset folder or a prepared store.")
    if (path / "store.json").exists():
        return _of_store(path)
    name = recipes.detect(path) if recipe == "auto" else recipe
    found = recipes.get(name).find(path, **options)
    subjects = tuple(_of_source(case, window) for case in found.cases)
    return Subjects(name, subjects, found.label_set, tuple(found.exclusions))


def _of_source(case: CaseSource, window: str) -> Subject:
    def load() -> LoadedCase:
        loaded = case.load()
        image = loaded.image
        if isinstance(image, Volume):
            shown = window_of(image.voxels, image.modality or case.modality, window)
            return LoadedCase(replace(image, window=shown), loaded.label)
        return LoadedCase(
            replace(image, window=window_of(image.pixels, image.modality or case.modality, window)), loaded.label
        )

    return Subject(case.name, case.patient, case.split, str(case.files[0]) if case.files else case.name, load)


def _of_store(path: Path) -> Subjects:
    from samadapt.data.store import Store

    store = Store.open(path)
    subjects = []
    for number, record in enumerate(store.cases):
        load = _store_loader(store, number, record.is_volume)
        subjects.append(Subject(record.name, f"{record.dataset}/{record.patient}", record.split, record.source, load))
    exclusions = tuple((str(entry["name"]), str(entry["reason"])) for entry in store.excluded)
    return Subjects(_STORE, tuple(subjects), store.label_set, exclusions)


def _store_loader(store: Any, case: int, is_volume: bool) -> Callable[[], LoadedCase]:
    def load() -> LoadedCase:
        volume, label = store.volume(case), store.label_map(case)
        if is_volume:
            return LoadedCase(volume, label)
        picture: Image = volume.slice(0)
        return LoadedCase(picture, replace(label, values=label.values[0], grid=picture.grid))

    return load
