"""`sweep`: every combination of models, sizes, prompts, phases and mask choices; one row each."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from samadapt.config import dump, load_config
from samadapt.core.atomic import write_text
from samadapt.core.errors import ConfigError, DataError, PromptError
from samadapt.core.manifest import close_run, open_run, require_free
from samadapt.core.progress import progress
from samadapt.data.channels import require_shown
from samadapt.data.store import Store
from samadapt.study.rows import to_csv
from samadapt.study.sweep_case import CaseSweep, views_of
from samadapt.study.sweep_config import SweepConfig
from samadapt.study.sweep_journal import OWN_SIZE, Place, SweepJournal
from samadapt.study.sweep_rows import Cell, ConditionRow, LabelRow, over_phases, summarise, summarise_labels

if TYPE_CHECKING:
    from samadapt.models.promptable import SamPromptable

JOURNAL = "cells.jsonl"
CONDITIONS, CASES, LABELS = "conditions.csv", "cases.csv", "labels.csv"
AXES = ("models", "image_sizes", "prompts", "choices", "fusions")
"""Fields that a resumed sweep may extend."""


@dataclass(frozen=True)
class SweepResult:
    """What a sweep found.

    Attributes
    ----------
    folder : Path
        Run folder with conditions.csv, labels.csv, cases.csv, page.html and run.json.
    rows : tuple of ConditionRow
    excluded : tuple of (str, str)
        Cases that were left out, and why.
    empty_labels : tuple of str
        Labels that no measured case holds.
    """

    folder: Path
    rows: tuple[ConditionRow, ...]
    excluded: tuple[tuple[str, str], ...]
    empty_labels: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        rows = [asdict(row) for row in self.rows]
        excluded = [{"case": case, "reason": reason} for case, reason in self.excluded]
        return {"folder": str(self.folder), "rows": rows, "excluded": excluded, "empty_labels": list(self.empty_labels)}


def sweep(config: SweepConfig | None = None, **fields: Any) -> SweepResult:
    """Measure every combination of the axes of a configuration.

    A slice is encoded once for a model and size, whatever is asked about it. What is measured of a case is written
    down at once, so an interrupted sweep goes on, and a sweep whose axes got new values measures only those.

    Parameters
    ----------
    config : SweepConfig, optional
        Or its fields as keywords.

    Returns
    -------
    SweepResult

    Raises
    ------
    DataError
        If no case of the split can be measured.
    ConfigError
        If a label is unknown, or a case lacks a channel that a model is shown.
    RunFolderError
        If the folder holds another run, or this one and `resume` is false.
    """
    config = config or load_config(SweepConfig, values=fields)
    store = Store.open(config.data)
    labels = _labels(store, config)
    cases, excluded = _usable(store, config, set(labels))
    identity = config.model_dump(mode="json", exclude={"out", "resume", "device", *AXES})
    require_free(config.out, "sweep", identity, resume=config.resume)
    began, models = time.perf_counter(), _Models(store, cases, config)
    if not config.out.exists():
        models.get(config.models[0], (config.image_sizes or (OWN_SIZE,))[0])
    manifest = open_run(config.out, "sweep", identity, resume=config.resume)
    write_text(config.out / "config.yaml", dump(config))
    cells = _measure(models, store, cases, labels, config)
    rows = tuple(summarise(cells, config.seed))
    write_text(config.out / CASES, to_csv(cells, Cell))
    write_text(config.out / LABELS, to_csv(summarise_labels(cells, config.seed), LabelRow))
    write_text(config.out / CONDITIONS, to_csv(rows, ConditionRow))
    empty = tuple(name for name in labels.values() if not any(cell.name == name for cell in cells))
    facts = _facts(store, cases, excluded, empty, config) | {"seconds_total": round(time.perf_counter() - began, 2)}
    close_run(config.out, manifest, axes=config.model_dump(mode="json", include=set(AXES)), facts=facts)
    _write_page(config.out)
    return SweepResult(config.out, rows, tuple(excluded), empty)


def _write_page(folder: Path) -> None:
    from samadapt.report.sweeps import sweep_page

    sweep_page(folder, folder / "page.html")


def _labels(store: Store, config: SweepConfig) -> dict[int, str]:
    names = store.label_set.names
    unknown = [name for name in config.labels if name not in names.values()]
    if unknown:
        known = ", ".join(names.values())
        raise ConfigError(f"the store has no label {unknown[0]!r}", where=config.data, remedy=f"It has {known}.")
    return {value: name for value, name in names.items() if not config.labels or name in config.labels}


def _usable(store: Store, config: SweepConfig, labels: set[int]) -> tuple[list[int], list[tuple[str, str]]]:
    """Cases to measure, and (name, reason) of those that preparing or this sweep left out."""
    excluded = [(entry["name"], entry["reason"]) for entry in store.excluded]
    cases: list[int] = []
    for case in store.split(config.split):
        record, rows = store.cases[case], store.objects[store.objects_of(case)]
        if config.phases and record.channels != len(config.phases):
            excluded.append((record.name, f"it has {record.channels} channels, not {len(config.phases)} phases"))
        elif not np.isin(rows["label"], sorted(labels)).any():
            excluded.append((record.name, "it holds none of the labels"))
        else:
            cases.append(case)
    if not cases:
        said = "; ".join(f"{name}: {reason}" for name, reason in excluded[:3])
        raise DataError(f"no case of the split {config.split!r} can be measured ({said or 'it is empty'})",
                        where=config.data, remedy="Choose another --split, or other phases or labels.")  # fmt: skip
    return cases[: config.max_cases], excluded


def _measure(
    models: _Models, store: Store, cases: list[int], labels: dict[int, str], config: SweepConfig
) -> list[Cell]:
    journal = SweepJournal(config.out / JOURNAL)
    views = views_of(config.phases, config.fusions)
    wanted: set[tuple[str, str]] = {(view.name, choice) for view in views for choice in config.choices}
    jobs = [(m, s, case) for m in config.models for s in config.image_sizes or (OWN_SIZE,) for case in cases]
    found: list[Cell] = []
    with progress("sweeping", len(jobs)) as advance:
        for name, size, case in jobs:
            place = Place(name, size, store.cases[case].name)
            todo = [policy for policy in config.prompts if not journal.holds(place, policy, wanted)]
            if todo:
                model = models.get(name, size)
                asked = CaseSweep(model, store, case, views, config.choices, set(labels), config.seed)
                asked.ask(todo, len(config.phases))
                for policy in todo:
                    journal.add(place, policy, model.image_size, asked.counts[policy])
            found += journal.cells(place, config.prompts, wanted, labels)
            advance()
    shown = (
        found if not config.phases or "each" in config.fusions else [c for c in found if c.phases.startswith("prob")]
    )
    return shown + over_phases(found, config.phases, config.fusions)


@dataclass
class _Models:
    """The models of a sweep, one at a time: the last one is kept."""

    store: Store
    cases: list[int]
    config: SweepConfig
    last: tuple[tuple[str, int], SamPromptable] | None = None

    def get(self, name: str, size: int) -> SamPromptable:
        """Model of a name and size, which every case can be shown to."""
        if self.last is None or self.last[0] != (name, size):
            model = _load(name, size, self.config)
            if not self.config.phases:
                require_shown(self.store, self.cases, model.channels)
            self.last = (name, size), model
        return self.last[1]


def _load(name: str, size: int, config: SweepConfig) -> SamPromptable:
    from samadapt.adapt.load import load_model
    from samadapt.models.device import choose_device

    model = load_model(name, size or None, channels=config.channels).to(choose_device(config.device)).eval()
    if model.head is not None:
        raise PromptError(
            "this model is prompt-free: its mask tokens are classes, not answers to prompts",
            where=name,
            remedy="Leave it out of the sweep; measure it with samadapt evaluate --prompts none.",
        )
    return model


def _facts(
    store: Store, cases: list[int], excluded: list[tuple[str, str]], empty: tuple[str, ...], config: SweepConfig
) -> dict[str, Any]:
    return {
        "store": str(config.data),
        "store_fingerprint": store.fingerprint,
        "datasets": [dataset["name"] for dataset in store.datasets],
        "split": config.split,
        "cases": len(cases),
        "slices": sum(store.cases[case].shape[0] for case in cases),
        "phases": list(config.phases),
        "channels": list(config.channels),
        "excluded": [{"case": case, "reason": reason} for case, reason in excluded],
        "empty_labels": list(empty),
        "seed": config.seed,
    }
