"""Volumes to learn from, cut along all three axes: a store of its own in the run's folder, while the run lasts.

One network that has seen every direction answers three times for each voxel, and what one plane shows badly another
shows well. Only volumes of even spacing and sides are cut so; thick slices and slabs are looked at as they were made.

References
----------
.. [1] Guha Roy et al. 2019, QuickNAT, NeuroImage, arXiv:1801.04161: answers along three planes, aggregated.
.. [2] Henschel et al. 2020, FastSurfer, NeuroImage, arXiv:1910.03866.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Literal

from samadapt.core.errors import ConfigError
from samadapt.data.channels import Channels
from samadapt.data.prepare import prepare
from samadapt.data.recipes.base import CaseSource, Found, LoadedCase, RecipeInfo
from samadapt.data.slicing import PLANES as ALL
from samadapt.data.slicing import SliceAxis, is_even, plane_of, turned
from samadapt.data.store import Store
from samadapt.train.config import SemanticTask, TrainConfig
from samadapt.train.pictures import StorePictures, split_rows

PLANES = "planes"
"""Folder of the store in that of the run."""
_BETWEEN = "@"


def seen(config: TrainConfig, store: Store) -> dict[str, Any]:
    """What a semantic head must know of how it was shown volumes (`SemanticHead`)."""
    assert isinstance(config.task, SemanticTask)
    return {"context": config.context, "planes": config.task.planes, "slice_axis": slice_axis(store)}


def slice_axis(store: Store) -> SliceAxis | Literal[""]:
    """Direction of the slices of a store; "auto" where its datasets were cut differently, "" without volumes."""
    if not any(record.is_volume for record in store.cases[:64]):
        return ""
    found = {str(facts["settings"]["slice_axis"]) for facts in store.datasets}
    return found.pop() if len(found) == 1 else "auto"  # type: ignore[return-value]


def in_planes(config: TrainConfig) -> bool:
    """Whether a run learns from volumes cut along all three axes."""
    return isinstance(config.task, SemanticTask) and config.task.planes > 1


def cases_to_cut(store: Store, config: TrainConfig) -> list[int]:
    """The cases to learn from.

    Raises
    ------
    ConfigError
        If none is a volume of even spacing.
    """
    rows = split_rows(store, config.train_split, config.train_fraction, config.seed)
    cases = sorted(set(store.slices["case"][rows].tolist()))
    if not any(_is_even(store, case) for case in cases):
        raise ConfigError(
            "no volume to learn from has nearly equal spacing and sides, so there are no other planes to cut",
            where=f"task.planes with {store.path}",
            remedy="Set task.planes=1, or resample the volumes first.",
        )
    return cases


def cut_planes(store: Store, cases: list[int], out: Path) -> None:
    """Prepare cases of a store along every plane they can be cut along, as a store at `out`; resumes.

    Raises
    ------
    DiskFull
        If there is no room for three times these cases.
    """
    prepare(recipe=_Cuts(store, cases), source=store.path, out=out, splits={"train": 1.0})


def pictures_of(config: TrainConfig, channels: Channels) -> StorePictures:
    """All cuts of a run."""
    store = Store.open(config.out / PLANES)
    return StorePictures(store, split_rows(store, "train"), config.context, channels)


def uncut(name: str) -> str:
    """Name of the case that a cut is of."""
    whole, _, plane = name.rpartition(_BETWEEN)
    return whole if plane in ALL else name


def _is_even(store: Store, case: int) -> bool:
    record = store.cases[case]
    return record.is_volume and is_even(record.grid)


@dataclass(frozen=True)
class _Cuts:
    """Recipe over the cases of a store, each along the planes it can be cut along."""

    store: Store
    cases: list[int]
    info: ClassVar[RecipeInfo] = RecipeInfo(
        "planes", "Volumes along every plane", "", "", "", "Made by training with task.planes=3."
    )

    def matches(self, source: Path) -> bool:
        return False

    def find(self, source: Path, **options: Any) -> Found:
        return Found(list(self._sources()), self.store.label_set)

    def _sources(self) -> Iterator[CaseSource]:
        for case in self.cases:
            record = self.store.cases[case]
            own = plane_of(record.grid)
            for plane in ALL if _is_even(self.store, case) else (own,):
                load = partial(_load, self.store, case, own, plane)
                yield CaseSource(f"{record.name}{_BETWEEN}{plane}", record.patient, "train", record.modality, load)


def _load(store: Store, case: int, own: str, plane: str) -> LoadedCase:
    volume, label = store.volume(case), store.label_map(case)
    return LoadedCase(turned(volume, own, plane), turned(label, own, plane), volume.window)
