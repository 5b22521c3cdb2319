"""The head of the page: what was measured, on what, and one sentence with the two numbers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from samadapt.report.conditions import PUBLISHED_TESTS, Condition, conditions_of, method_in_words
from samadapt.report.grid import joined
from samadapt.report.organs import FEW_CASES
from samadapt.report.runs import Run


@dataclass(frozen=True)
class Tile:
    """A large number with its interval and what it is; `quiet` for a bound or baseline."""

    value: str
    interval: str
    label: str
    quiet: bool = False


@dataclass(frozen=True)
class Headline:
    """Title, what was measured, the verdict, and what a reader must be warned of."""

    title: str
    measured: str
    verdict: str
    tiles: tuple[Tile, ...] = ()
    warnings: tuple[str, ...] = ()


def headline(runs: list[Run]) -> Headline:
    """Head of the page for any mixture of runs."""
    conditions = [c for c in conditions_of(runs) if c.mean()]
    evaluations = [run for run in runs if run.kind == "evaluate"]
    models = joined(list(dict.fromkeys(run.model for run in runs)))
    data = joined(list(dict.fromkeys(run.data for run in evaluations or runs)))
    warnings = tuple(_warnings(runs))
    if not any(c.competes for c in conditions):
        return Headline(f"{models} on {data}", _trained(runs), _training_verdict(runs), (), warnings)
    shown = _pair(conditions)
    ellipse = next((c for c in conditions if c.choice == "baseline"), None)
    tiles = [_tile(c, False) for c in shown] + ([_tile(ellipse, True)] if ellipse else [])
    verdict = _comparison(*shown) if len(shown) == 2 else _single(shown[0], ellipse)
    if len(shown) == 2 and ellipse is not None:
        verdict += f" The ellipse inscribed in each box, no model at all, reaches {_text(ellipse)}."
    return Headline(f"{models} on {data}", measured_in_words(evaluations), verdict, tuple(tiles), warnings)


def _pair(conditions: list[Condition]) -> list[Condition]:
    """Before and after, chosen by what they are and never by their figures; or the first condition alone."""
    running = [c for c in conditions if c.competes and c.choice not in PUBLISHED_TESTS]
    after = [c for c in running if c.adapted]
    before = [c for c in running if not c.adapted]
    if not (after and before):
        return _two_models(running)
    last = after[-1] if any(c.choice == "semantic" for c in after[-1:]) else after[0]
    same_data = [c for c in before if _data_key(c.run) == _data_key(last.run)]
    same = [c for c in same_data if c.prompts == last.prompts]
    return [(same or same_data)[0], last] if same_data else [last]


def _two_models(running: list[Condition]) -> list[Condition]:
    first = running[0]
    others = [c for c in running if c.run is not first.run and c.prompts == first.prompts]
    return [first, *[c for c in others if _data_key(c.run) == _data_key(first.run)][:1]]


def _data_key(run: Run) -> tuple[Any, ...]:
    return tuple(run.facts.get(key) for key in ("store_fingerprint", "split", "cases", "convention"))


def _comparison(before: Condition, after: Condition) -> str:
    said = f"{_who(after)} reaches a mean Dice of {_text(after)}; {_who(before, start=False)} reaches {_text(before)}."
    differences = paired_differences(before, after)
    if len(differences) < 2:
        return said + " One case was measured in common, so nothing can be said about chance."
    from samadapt.metrics import bootstrap_interval

    low, high = bootstrap_interval(differences, after.run.facts.get("seed", 0))
    count = len(differences)
    own = {before.mean()["n"], after.mean()["n"]}
    whose = f"{count} cases" if own == {count} else f"the {count} cases that both have"
    gain = f"{np.mean(differences):+.3f} (95 % interval {low:+.3f} to {high:+.3f} over {whose})"
    if low <= 0 <= high:
        return f"{said} The difference is {gain}: it may be chance."
    few = ", though the cases are few" if count < FEW_CASES else ""
    return f"{said} The difference is {gain}: its interval excludes zero{few}."


def paired_differences(before: Condition, after: Condition) -> list[float]:
    """After minus before of the mean foreground Dice of each case that both measured."""
    one, two = _by_case(before), _by_case(after)
    return [two[case] - one[case] for case in one if case in two]


def _by_case(condition: Condition) -> dict[str, float]:
    values: dict[str, list[float]] = {}
    for row in condition.rows:
        if row["label"] and np.isfinite(row["dice"]):
            values.setdefault(str(row["case"]), []).append(float(row["dice"]))
    return {case: float(np.mean(numbers)) for case, numbers in values.items()}


def _single(condition: Condition, ellipse: Condition | None) -> str:
    said = f"{_who(condition)} reaches a mean Dice of {_text(condition)}"
    if ellipse is not None:
        return f"{said}; the ellipse inscribed in each box, no model at all, reaches {_text(ellipse)}."
    background = condition.mean(name="mean with background")
    return f"{said} without the background, {background['mean']:.3f} with it." if background else f"{said}."


def _who(condition: Condition, start: bool = True) -> str:
    column = condition.column
    told = "without any prompt" if condition.prompts == "none" else f"given {column.over}"
    name = condition.group.replace(" · ", ", run ")
    return f"{told[0].upper()}{told[1:]}, {name}" if start else f"{told}, {name}"


def _text(condition: Condition) -> str:
    return f"{condition.mean()['mean']:.3f}"


def _tile(condition: Condition, quiet: bool) -> Tile:
    entry: Mapping[str, Any] = condition.mean()
    interval = f"{entry['low']:.3f}–{entry['high']:.3f}" if entry["n"] > 1 else "one case"
    label = (
        f"ellipse in the box, no model, {condition.column.over}"
        if quiet
        else f"{condition.group}, {condition.column.over}"
    )
    return Tile(_text(condition), interval, label, quiet)


def measured_in_words(evaluations: list[Run]) -> str:
    """What the figures are, and on what data."""
    said = []
    for run in evaluations:
        facts = run.facts
        labels = len(facts.get("label_set") or ())
        text = f"the {facts.get('split', '?')} split of {run.data}: {_count(facts.get('cases'), 'case')}{_bare(facts)}"
        said.append(f"{text}, {_count(labels, 'label')}" if labels else text)
    where = joined(list(dict.fromkeys(said)))
    return f"Dice against the truth, averaged over the labels of a case and then over cases, on {where}."


def _bare(facts: Mapping[str, Any]) -> str:
    count = len((facts.get("without_objects") or {}).get("cases") or ())
    return f" ({count} without an object)" if count else ""


def _count(value: Any, noun: str) -> str:
    return f"{value if value is not None else '?'} {noun}{'' if value == 1 else 's'}"


def _trained(runs: list[Run]) -> str:
    methods = joined([f"{run.model} by {method_in_words(run) or 'training'}" for run in runs if run.kind == "train"])
    return f"Training of {methods}. No evaluation was given, so there are no figures on a test split."


def _training_verdict(runs: list[Run]) -> str:
    for run in runs:
        scores = [(row["mean"], row["step"]) for row in run.val if row.get("mean") is not None]
        if scores:
            best, step = max(scores)
            return f"The validation Dice went from {scores[0][0]:.3f} to {best:.3f}, its best, at step {step}."
    return "Nothing was validated."


def _warnings(runs: list[Run]) -> list[str]:
    evaluations = [run for run in runs if run.kind == "evaluate"]
    found = [f"{run.name} has not finished: what it has written so far is shown." for run in runs if not _done(run)]
    for key, what in (("store_fingerprint", "data"), ("split", "splits"), ("convention", "metric conventions")):
        values = {str(run.facts.get(key)) for run in evaluations}
        if len(values) > 1:
            found.append(f"The columns of this page come from different {what}; they cannot be compared directly.")
    if len({run.facts.get("cases") for run in evaluations}) > 1:
        found.append("The runs measured different numbers of cases.")
    found += [f"{run.name} has no rows.csv: missed organs cannot be counted." for run in evaluations if not run.rows]
    return found


def _done(run: Run) -> bool:
    return run.manifest.get("status") == "done"
