"""`score`: label maps that any program has written, scored as if a model of ours had made them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samadapt.config import dump, load_config
from samadapt.core.atomic import write_json, write_text
from samadapt.core.errors import DataError
from samadapt.core.image import LabelMap, LabelSet
from samadapt.core.manifest import close_run, open_run
from samadapt.core.progress import progress, say
from samadapt.data.store import Store
from samadapt.study.config import ScoreConfig
from samadapt.study.label_maps import Condition, Subject, score_label_maps
from samadapt.study.ledger import Ledger
from samadapt.study.overlays import keep_best_median_worst, save_overlay
from samadapt.study.references import (
    FolderReferences,
    References,
    StoreReferences,
    prediction_files,
    read_prediction,
)
from samadapt.study.rows import Row, summarise, to_csv


@dataclass(frozen=True)
class Scored:
    """What a scoring found: run folder, rows and summary as of an evaluation, and files that were of no case."""

    folder: Path
    rows: tuple[Row, ...]
    summary: tuple[dict[str, Any], ...]
    unused: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {"folder": str(self.folder), "summary": list(self.summary), "unused": list(self.unused)}


def score(config: ScoreConfig | None = None, **fields: Any) -> Scored:
    """Score existing predictions against a store or a folder of label maps.

    Parameters
    ----------
    config : ScoreConfig, optional
        Or its fields as keywords: ``score(reference="store", prediction="predicted", out="run")``.

    Returns
    -------
    Scored
        The run folder has the files of an evaluation, so it can be reported on and compared like one.

    Raises
    ------
    DataError
        If there is no case, a case has no prediction, or two.
    GridMismatch
        If a prediction lies on another grid than its truth.
    LabelError
        If a prediction holds a label that the truth does not know.
    """
    config = config or load_config(ScoreConfig, values=fields)
    references = _references(config)
    files, unused = prediction_files(config.prediction, _names(references, config))
    _require_scorable(references, files, config)
    manifest = open_run(config.out, "score", config.model_dump(mode="json", exclude={"out"}))
    write_text(config.out / "config.yaml", dump(config))
    ledger = Ledger(config.out, config.conventions, references.label_set.names, references.label_set.ignore)
    subjects: list[Subject] = []
    rows = list(_score_all(references, files, config, ledger, subjects))
    summary = summarise(rows, config.seed)
    write_text(config.out / "rows.csv", to_csv(rows))
    write_json(config.out / "summary.json", summary)
    ledger.write(list(files))
    if isinstance(references, StoreReferences):
        keep_best_median_worst(config.out, rows, config.prompts)
    if unused:
        say(f"{len(unused)} files are of no case and were left out: {', '.join(unused[:5])}")
    close_run(config.out, manifest, facts=_facts(references, subjects, config) | {"unused": unused})
    return Scored(config.out, tuple(rows), tuple(summary), tuple(unused))


def _references(config: ScoreConfig) -> References:
    if (config.reference / "store.json").exists():
        return StoreReferences(Store.open(config.reference), config.split)
    given = LabelSet.from_names(config.labels, config.ignore) if config.labels else None
    return FolderReferences(config.reference, given)


def _names(references: References, config: ScoreConfig) -> list[str]:
    names = list(references.names)
    if not names:
        raise DataError(
            f"the split {config.split!r} holds no case", where=config.reference, remedy="Choose another --split."
        )
    return names


def _require_scorable(references: References, files: dict[str, Path], config: ScoreConfig) -> None:
    """Read every prediction once, so that a bad one is found before anything is scored or written."""
    with progress("reading", len(files)) as advance:
        for name, path in files.items():
            read_prediction(path, references.truth(name), config.values, references.label_set)
            advance()


def _score_all(
    references: References, files: dict[str, Path], config: ScoreConfig, ledger: Ledger, subjects: list[Subject]
) -> Iterator[Row]:
    """Rows of every case; `subjects` gets who they are of."""
    condition = _condition(config)
    label_set = references.label_set
    with progress("scoring", len(files)) as advance:
        for name, path in files.items():
            truth = references.truth(name)
            answer = read_prediction(path, truth, config.values, label_set)
            if isinstance(references, StoreReferences):
                shown = LabelMap(answer, truth.grid, truth.orientation, str(path))
                save_overlay(config.out, references.store, references.numbers[name], shown)
            pair = truth.values, answer
            subjects.append(references.subject(name))
            seconds = config.seconds_per_case or 0.0
            yield from score_label_maps(subjects[-1], *pair, label_set, condition, config.convention, seconds, ledger)
            ledger.save(name)
            advance()


def _condition(config: ScoreConfig) -> Condition:
    return config.prompts, "model", "semantic" if config.prompts == "none" else "predicted"


def _facts(references: References, subjects: list[Subject], config: ScoreConfig) -> dict[str, Any]:
    spacings = {tuple(round(s, 3) for s in subject.spacing_mm) for subject in subjects}
    slices = sum(subject.slices for subject in subjects)
    cost = {
        "parameters_total": config.parameters,
        "seconds_per_slice": config.seconds_per_case and config.seconds_per_case * len(subjects) / slices,
        "peak_memory_mb": config.memory_mb,
        "checkpoint_mb": config.checkpoint_mb,
    }
    return references.facts() | {
        "model": config.name or config.prediction.resolve().name,
        "predictions": str(config.prediction),
        "label_set": references.label_set.names,
        "split": config.split if isinstance(references, StoreReferences) else "all",
        "cases": len(subjects),
        "prompts": [],
        "convention": config.convention,
        "conventions": list(config.conventions),
        "spacing_mm": [list(s) for s in sorted(spacings)[:8]],
        "seed": config.seed,
        **{key: value for key, value in cost.items() if value is not None},
    }
