"""Methods that are compared: one measured condition each, with its figures by case and what it cost."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samadapt.core.manifest import RUN_FILE
from samadapt.core.plans import parse_plan
from samadapt.metrics import case_means
from samadapt.report.conditions import PUBLISHED_TESTS, Condition, conditions_of, training_of
from samadapt.report.cost import checkpoint_mb
from samadapt.report.runs import Run, read_runs

_SAME = (
    ("store_fingerprint", "data"),
    ("split", "splits"),
    ("convention", "conventions"),
)


@dataclass(frozen=True)
class Method:
    """One way of asking one model, under a name of its own.

    Attributes
    ----------
    name : str
        As short as it can be without being that of another method.
    condition : Condition
    training : Run or None
        The run that trained it, if it is still there.
    """

    name: str
    condition: Condition
    training: Run | None

    def by_case(self, label: str | None = None, figure: str = "dice") -> dict[str, float]:
        """A figure by case: of one label, or the mean over all labels but the background."""
        rows = [row for row in self.condition.rows if label is None or row["name"] == label]
        return case_means(rows, figure, background=label is not None)

    @property
    def cost(self) -> dict[str, float | None]:
        """Parameters, those trained, seconds a slice, and megabytes of memory and of what was trained."""
        facts, training = self.condition.run.facts, self.training
        trained = training.facts if training else {}
        return {
            "parameters": facts.get("parameters_total"),
            "trained": trained.get("parameters_trained"),
            "seconds": facts.get("seconds_per_slice"),
            "memory": facts.get("peak_memory_mb"),
            "checkpoint": facts.get("checkpoint_mb", checkpoint_mb(training) if training else None),
            "training": trained.get("seconds_total"),
        }


def methods_of(runs: list[Run]) -> list[Method]:
    """Every condition that competes, in the order of the runs."""
    conditions = [c for c in conditions_of(runs) if c.competes and c.mean()]
    return [Method(name, c, training_of(c.run, runs)) for name, c in zip(_names(conditions), conditions)]


def told_in_words(condition: Condition) -> str:
    """What a method was told: "boxes"; whose they are only where that is not the ground truth."""
    return condition.column.over.removesuffix(" from the ground truth")


def _names(conditions: list[Condition]) -> list[str]:
    """Group, and what it was told where not all were told the same, and whose test it is."""
    told = {c.prompts for c in conditions}
    names = [c.group if len(told) == 1 else f"{c.group}, {told_in_words(c)}" for c in conditions]
    names = [f"{n}, {c.column.head}" if c.choice in PUBLISHED_TESTS else n for n, c in zip(names, conditions)]
    twice = {name for name in names if names.count(name) > 1}
    return [f"{name}, run {c.run.name}" if name in twice else name for name, c in zip(names, conditions)]


def read_with_training(folders: Iterable[str | Path]) -> list[Run]:
    """Runs of some folders and, after them, the training runs that their models came from, if they are still there."""
    paths = [Path(folder) for folder in folders]
    known = {path.resolve() for path in paths}
    beside = [_training_beside(run) for run in read_runs(paths) if run.kind == "evaluate"]
    return read_runs([*paths, *(path for path in beside if path is not None and path.resolve() not in known)])


def _training_beside(run: Run) -> Path | None:
    """The training run whose folder (or an adapter in it) an evaluation names as its model."""
    for source in (run.config.get("model"), run.config.get("adapter")):
        place = Path(str(source or ""))
        for folder in (place, place.parent) if source else ():
            if (folder / RUN_FILE).is_file() and _kind(folder / RUN_FILE) == "train":
                return folder
    return None


def _kind(path: Path) -> str:
    try:
        return str(json.loads(path.read_text(encoding="utf-8")).get("kind"))
    except (ValueError, AttributeError):
        return ""


def differences_of(runs: list[Run]) -> list[str]:
    """Why measured runs cannot be compared, in sentences; empty if they can."""
    found = []
    for key, what in _SAME:
        values = {run.name: str(run.facts.get(key)) for run in runs}
        if len(set(values.values())) > 1:
            found.append(f"The runs come from different {what}: {_listed(values)}.")
    cases = {run.name: frozenset(row["case"] for row in run.rows) | _without_objects(run) for run in runs}
    if len(set(cases.values())) > 1 and not found:
        numbers = {name: f"{len(those)} cases" for name, those in cases.items()}
        found.append(f"The runs measured different cases: {_listed(numbers)}.")
    return found + _other_prompts(runs)


def _without_objects(run: Run) -> frozenset[str]:
    """Cases that hold nothing to prompt for belong to what was measured, as another run may have scored them."""
    return frozenset((run.facts.get("without_objects") or {}).get("cases") or ())


def _other_prompts(runs: list[Run]) -> list[str]:
    """Policies whose prompts were drawn anew; clicks of a session answer to the model and are its own."""
    found = []
    drawn: dict[str, dict[str, str]] = {}
    for run in runs:
        for one in run.facts.get("prompts") or ():
            if parse_plan(str(one.get("policy"))) is None:
                drawn.setdefault(str(one.get("policy")), {})[run.name] = str(one.get("hash"))
    for policy, hashes in drawn.items():
        if len(set(hashes.values())) > 1:
            found.append(f"The prompts “{policy}” are not the same in every run: {_listed(hashes)}.")
    return found


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())
