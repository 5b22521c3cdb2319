"""What became of cases without objects and of empty masks, in words."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from samadapt.core.errors import ConfigError

if TYPE_CHECKING:
    from samadapt.metrics import Convention
    from samadapt.report.runs import Run


def without_objects_in_words(facts: Mapping[str, Any], shown: int = 3) -> str:
    """How many cases of a run hold no object, the names of the first few, and whether and how they were scored.

    Parameters
    ----------
    facts : mapping
        Of an evaluation or a scoring.
    shown : int
        Names to give.

    Returns
    -------
    str
        Sentences; empty where every case holds an object, or the run does not say.
    """
    stated = facts.get("without_objects") or {}
    names = stated.get("cases") or []
    if not names:
        return ""
    hold = "holds" if len(names) == 1 else "hold"
    said = f"{len(names)} of {facts['cases']} cases {hold} no object of any label: {_first(names, shown)}. "
    if stated["measured"]:
        return f"{said}{_scored(str(facts['convention']))}"
    return f"{said}There is nothing to prompt for: {'it was' if len(names) == 1 else 'they were'} left out."


def without_objects_notes(runs: Iterable[Run]) -> tuple[str, ...]:
    """The same of several runs, each sentence once."""
    said = (without_objects_in_words(run.facts) for run in runs if run.kind == "evaluate")
    return tuple(dict.fromkeys(one for one in said if one))


def left_out_in_words(excluded: Iterable[tuple[str, str]], shown: int = 3) -> list[str]:
    """One line for each reason for which cases, given as (name, reason), were left out: how many, and the first few."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in excluded:
        by_reason.setdefault(reason, []).append(name)
    return [
        f"Left out, {reason}: {len(names)} case{'' if len(names) == 1 else 's'} ({_first(names, shown)})"
        for reason, names in by_reason.items()
    ]


def empty_masks_in_words(name: str) -> str:
    """What a convention counts where an organ is missing, figure by figure."""
    found = named_convention(name)
    if found is None:
        return ""
    figures = {"Dice": found.empty["dice"], "HD95": found.empty["hd95"], "NSD": found.empty["nsd"]}
    said = [
        f"{figure} of a label that is in neither truth nor prediction: {_value(policy.both)}; that is missed: "
        f"{_value(policy.prediction)}; that is invented: {_value(policy.reference)}"
        for figure, policy in figures.items()
    ]
    return ". ".join(said) + ". " + str(found.note)


def named_convention(name: str) -> Convention | None:
    """Convention of a run; None where this version has no such one."""
    from samadapt.metrics import convention

    try:
        return convention(name)
    except ConfigError:
        return None


def _first(names: list[str], shown: int) -> str:
    return ", ".join(names[:shown]) + (f" and {len(names) - shown} more" if len(names) > shown else "")


def _scored(name: str) -> str:
    """How a convention scores masks of labels that the truth does not hold."""
    found = named_convention(name)
    rule = f"By the rule of convention “{name}” for empty masks"
    if found is None:
        return f"{rule} they are scored."
    policy = found.empty["dice"]
    return (
        f"{rule}, Dice of a label in which nothing is found there is {_value(policy.both)}, and of one that is "
        f"invented {_value(policy.reference)}."
    )


def _value(value: float) -> str:
    if math.isnan(value):
        return "left out"
    return "infinite, left out of the mean and counted" if math.isinf(value) else f"{value:g}"
