"""The measured conditions of all runs: one column each, in an order that reads from trivial to adapted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from samadapt.core.plans import KINDS, ClickPlan, parse_plan, shown_entries
from samadapt.report.grid import Column, ColumnKind
from samadapt.report.runs import Run

WITHOUT, WITH = "mean without background", "mean with background"
_CHOICES = {
    "predicted": "predicted",
    "oracle": "oracle",
    "semantic": "prompt-free",
    "samed": "prompt-free, tested as SAMed",
    "baseline": "ellipse in the box",
}
_ORDER = ("baseline", "predicted", "oracle", "semantic", "samed")
PUBLISHED_TESTS = ("samed",)
"""Choices that are a published test's way of using a model, beside the model's own."""
_METHODS = {
    "lora": "LoRA",
    "adapter": "Medical SAM Adapter",
    "sammed2d-adapter": "SAM-Med2D adapter",
    "decoder": "decoder only",
    "full": "all weights",
}


@dataclass(frozen=True)
class Condition:
    """One way of asking one model, with everything measured under it."""

    run: Run
    prompts: str
    method: str
    choice: str
    group: str
    adapted: bool

    @cached_property
    def entries(self) -> dict[tuple[str, str], Mapping[str, Any]]:
        """Summary entries by (name, figure)."""
        return {(e["name"], e["figure"]): e for e in self.run.summary if self._is_mine(e)}

    @cached_property
    def rows(self) -> list[Mapping[str, Any]]:
        """Rows of rows.csv."""
        return [row for row in self.run.rows if self._is_mine(row)]

    @property
    def competes(self) -> bool:
        """A model's own answer, neither ellipse nor oracle."""
        return self.choice in ("predicted", "semantic", *PUBLISHED_TESTS)

    @property
    def column(self) -> Column:
        """Head of its column."""
        choice = _CHOICES.get(self.choice, self.choice)
        kind: ColumnKind = "model" if self.competes else "bound"
        return Column(choice, "", self.group, prompts_in_words(self.run, self.prompts), kind)

    def mean(self, figure: str = "dice", name: str = WITHOUT) -> Mapping[str, Any]:
        """Entry of a mean; empty if it was not measured."""
        entry = self.entries.get((name, figure), {})
        return entry if entry.get("mean") is not None else {}

    def _is_mine(self, entry: Mapping[str, Any]) -> bool:
        return (entry["prompts"], entry["method"], entry["choice"]) == (self.prompts, self.method, self.choice)


def conditions_of(runs: list[Run]) -> list[Condition]:
    """Every condition; baselines first, and only once where runs share them."""
    found: list[Condition] = []
    for run in runs:
        group, adapted = group_of(run, runs), _is_adapted(run, runs)
        shown = shown_entries(run.summary, run.policies)
        keys = {(e["prompts"], e["method"], e["choice"]) for e in shown}
        for prompts, method, choice in sorted(keys, key=_rank):
            head = "No model" if choice == "baseline" else group
            condition = Condition(run, prompts, method, choice, head, adapted)
            if choice != "baseline" or not any(_same_figures(condition, other) for other in found):
                found.append(condition)
    return sorted(found, key=lambda c: c.choice != "baseline")


def _rank(key: tuple[str, str, str]) -> tuple[Any, ...]:
    prompts, _, choice = key
    policies = ("box", "centre", "point", *KINDS, "none")
    policy, _, count = prompts.partition(":")
    place = policies.index(policy) if policy in policies else len(policies)
    return (
        choice != "baseline",
        place,
        int(count) if count.isdigit() else 0,
        prompts,
        _ORDER.index(choice) if choice in _ORDER else 9,
    )


def _same_figures(one: Condition, other: Condition) -> bool:
    return other.choice == one.choice and {k: e["mean"] for k, e in one.entries.items()} == {
        k: e["mean"] for k, e in other.entries.items()
    }


def prompts_in_words(run: Run, policy: str) -> str:
    """What the model was told, and from where: "boxes from the ground truth"."""
    if policy == "none":
        return "no prompts"
    stated = [p for p in run.facts.get("prompts") or () if p.get("policy") == policy]
    origin = str(stated[0].get("origin", "ground truth")) if stated else "ground truth"
    kind, _, count = policy.partition(":")
    what = {"box": "boxes", "centre": "centre points"}.get(kind, policy)
    plan = parse_plan(policy)
    if plan is not None:
        return _session_in_words(plan)
    if kind == "point":
        what = "1 point" if count == "1" else f"{count} points"
    return f"{what} from {'the ground truth' if origin == 'ground truth' else origin}"


def _session_in_words(plan: ClickPlan) -> str:
    clicks = "1 correction click" if plan.clicks == 1 else f"{plan.clicks} correction clicks"
    box = {"box+clicks": "a box", "volume-box+clicks": "a box in the middle slice"}.get(plan.kind, "")
    return " and ".join(part for part in (box, clicks if plan.clicks else "") if part)


def method_in_words(train: Run) -> str:
    """How a training run adapted its model: "LoRA rank 4"."""
    method = train.config.get("method") or {}
    name = _METHODS.get(str(method.get("method")), str(method.get("method", "")))
    rank = method.get("rank")
    return f"{name} rank {rank}" if rank else name


def training_of(run: Run, runs: list[Run]) -> Run | None:
    """The training run, among those reported on, whose result an evaluation measured."""
    sources = [run.config.get("model"), run.config.get("adapter")]
    places = [Path(str(source)) for source in sources if source]
    for train in (r for r in runs if r.kind == "train"):
        folder = train.folder.resolve()
        if any(folder in (place.resolve(), *place.resolve().parents) for place in places):
            return train
    names = {part for place in places for part in place.parts[-2:]} if places else set()
    moved = [r for r in runs if r.kind == "train" and r.folder.resolve().name in names]
    return moved[0] if len(moved) == 1 and run.facts.get("adapter_hash") else None


def _is_adapted(run: Run, runs: list[Run]) -> bool:
    return bool(run.facts.get("adapter_hash")) or training_of(run, runs) is not None


def group_of(run: Run, runs: list[Run]) -> str:
    """Head over the columns of a run: its model, and how it was adapted."""
    train = training_of(run, runs)
    if run.manifest["kind"] == "score" or run.facts.get("family") == "specialist":
        name = run.model
    elif train is not None:
        name = f"{run.model} adapted ({method_in_words(train)})" if method_in_words(train) else f"{run.model} adapted"
    else:
        name = f"{run.model} adapted" if run.facts.get("adapter_hash") else f"{run.model} zero-shot"
    several = sum(r.kind == "evaluate" and _plain(r) == _plain(run) for r in runs) > 1
    return f"{name} · {run.name}" if several else name


def _plain(run: Run) -> tuple[str, bool]:
    return run.model, bool(run.facts.get("adapter_hash"))
