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
    if not _names(facts):
        return ""
    return f"{_counted(facts, shown)} {_treated(facts)}"


def without_objects_notes(runs: Iterable[Run]) -> tuple[str, ...]:
    """The same of several runs: a note for each set of cases, with all that was done with it."""
    by_cases: dict[str, dict[str, None]] = {}
    for facts in (run.facts for run in runs if run.kind == "evaluate" and _names(run.facts)):
        by_cases.setdefault(_counted(facts, 3), {})[_treated(facts)] = None
    return tuple(" ".join((cases, *treatments)) for cases, treatments in by_cases.items())


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


def _names(facts: Mapping[str, Any]) -> list[str]:
    return list((facts.get("without_objects") or {}).get("cases") or ())


def _counted(facts: Mapping[str, Any], shown: int) -> str:
    names = _names(facts)
    hold = "holds" if len(names) == 1 else "hold"
    return f"{len(names)} of {facts['cases']} cases {hold} no object of any label: {_first(names, shown)}."


def _treated(facts: Mapping[str, Any]) -> str:
    """What was done with the cases, and by what rule."""
    if not facts["without_objects"]["measured"]:
        were = "it was" if len(_names(facts)) == 1 else "they were"
        return f"With prompts {were} left out: there is nothing to prompt for."
    name = str(facts["convention"])
    rule, found = f"Label maps were scored there as convention “{name}” scores empty masks", named_convention(name)
    if found is None:
        return f"{rule}."
    policy = found.empty["dice"]
    return (
        f"{rule}: Dice of a label that is rightly not found is {_value(policy.both)}, that of an invented one is "
        f"{_value(policy.reference)}."
    )


def _value(value: float) -> str:
    if math.isnan(value):
        return "left out"
    return "infinite, left out of the mean and counted" if math.isinf(value) else f"{value:g}"
