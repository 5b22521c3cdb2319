"""`score`: label maps that any program has written, scored as if a model of ours had made them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from numpy.typing import NDArray

from samadapt.config import dump, load_config
from samadapt.core.atomic import write_json, write_text
from samadapt.core.errors import DataError
from samadapt.core.image import LabelMap, LabelSet
from samadapt.core.manifest import close_run, open_run
from samadapt.core.progress import progress, say
from samadapt.data.store import Store
from samadapt.study.boxed import BoxedPredictions
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
    """What a scoring found: run folder, rows, summary and facts as of an evaluation, and files that were of no case."""

    folder: Path
    rows: tuple[Row, ...]
    summary: tuple[dict[str, Any], ...]
    unused: tuple[str, ...]
    facts: dict[str, Any]

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        told = {"unused": list(self.unused), "without_objects": self.facts["without_objects"]}
        return {"folder": str(self.folder), "summary": list(self.summary)} | told


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
        If there is no case, a case has no prediction, or two; or if files with a box channel are to be scored against
        a folder.
    GridMismatch
        If a prediction lies on another grid than its truth.
    LabelError
        If a prediction holds a label that the truth does not know.
    """
    config = config or load_config(ScoreConfig, values=fields)
    references = _references(config)
    predictions = _predictions(references, config)
    _require_scorable(predictions)
    manifest = open_run(config.out, "score", config.model_dump(mode="json", exclude={"out"}))
    write_text(config.out / "config.yaml", dump(config))
    ledger = Ledger(config.out, config.conventions, references.label_set.names, references.label_set.ignore)
    rows = list(_score_all(predictions, ledger))
    summary = summarise(rows, config.seed)
    write_text(config.out / "rows.csv", to_csv(rows))
    write_json(config.out / "summary.json", summary)
    ledger.write(predictions.names)
    if isinstance(references, StoreReferences):
        keep_best_median_worst(config.out, rows, config.prompts)
    unused = predictions.unused
    if unused:
        say(f"{len(unused)} files are of no case and were left out: {', '.join(unused[:5])}")
    subjects = [references.subject(name) for name in predictions.names]
    bare = {"cases": _without_objects(references, rows), "measured": not config.box_channel}
    facts = _facts(references, subjects, config) | {"without_objects": bare, "unused": unused}
    close_run(config.out, manifest, facts=facts)
    return Scored(config.out, tuple(rows), tuple(summary), tuple(unused), facts)


def _without_objects(references: References, rows: list[Row]) -> list[str]:
    """Cases of which no row tells of a true object."""
    held = {row.case for row in rows if row.label and row.reference_voxels}
    return [name for name in references.names if name not in held]


class Predictions(Protocol):
    """What is scored, case by case.

    Attributes
    ----------
    names : list of str
        Cases.
    unused : list of str
        Files of no case.
    """

    names: list[str]
    unused: list[str]

    def check(self, name: str) -> None:
        """Raise if what was predicted for a case cannot be scored."""

    def rows(self, name: str, ledger: Ledger) -> Iterator[Row]:
        """Rows of a case, and its overlay where the truth is a store's."""


class LabelMaps:
    """One label map for each case, whoever wrote it.

    Parameters
    ----------
    references : References
    config : ScoreConfig
    """

    def __init__(self, references: References, config: ScoreConfig) -> None:
        self.references, self.config, self.names = references, config, list(references.names)
        self.files, self.unused = prediction_files(config.prediction, self.names)

    def check(self, name: str) -> None:
        """Raise if the file of a case cannot be read, lies on another grid, or holds labels that nobody knows."""
        self._read(name)

    def rows(self, name: str, ledger: Ledger) -> Iterator[Row]:
        """Rows of a case, and its overlay where the truth is a store's."""
        references, config, truth, answer = self.references, self.config, self.references.truth(name), self._read(name)
        if isinstance(references, StoreReferences):
            shown = LabelMap(answer, truth.grid, truth.orientation, str(self.files[name]))
            save_overlay(config.out, references.store, references.numbers[name], shown)
        pair, label_set, seconds = (truth.values, answer), references.label_set, config.seconds_per_case or 0.0
        subject, told = references.subject(name), _condition(config)
        yield from score_label_maps(subject, *pair, label_set, told, config.convention, seconds, ledger)

    def _read(self, name: str) -> NDArray[Any]:
        references = self.references
        return read_prediction(self.files[name], references.truth(name), self.config.values, references.label_set)


def _predictions(references: References, config: ScoreConfig) -> Predictions:
    if not list(references.names):
        raise DataError(
            f"the split {config.split!r} holds no case", where=config.reference, remedy="Choose another --split."
        )
    if not config.box_channel:
        return LabelMaps(references, config)
    if not isinstance(references, StoreReferences):
        raise DataError(
            "predictions with a box channel belong to a prepared store",
            where=config.reference,
            remedy="Give the store that was exported as --reference.",
        )
    return BoxedPredictions(references, config)


def _references(config: ScoreConfig) -> References:
    if (config.reference / "store.json").exists():
        return StoreReferences(Store.open(config.reference), config.split)
    given = LabelSet.from_names(config.labels, config.ignore) if config.labels else None
    return FolderReferences(config.reference, given)


def _require_scorable(predictions: Predictions) -> None:
    """Read every prediction once, so that a bad one is found before anything is scored or written."""
    with progress("reading", len(predictions.names)) as advance:
        for name in predictions.names:
            predictions.check(name)
            advance()


def _score_all(predictions: Predictions, ledger: Ledger) -> Iterator[Row]:
    with progress("scoring", len(predictions.names)) as advance:
        for name in predictions.names:
            yield from predictions.rows(name, ledger)
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
        "cases": len(references.names),
        "prompts": [],
        "convention": config.convention,
        "conventions": list(config.conventions),
        "spacing_mm": [list(s) for s in sorted(spacings)[:8]],
        "pictures": not any(subject.is_volume for subject in subjects),
        "seed": config.seed,
        **{key: value for key, value in cost.items() if value is not None},
    }
