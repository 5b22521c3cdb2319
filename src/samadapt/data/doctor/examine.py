"""Examine a dataset before it costs a week of training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from samadapt.data.doctor.facts import Cohort, facts_of
from samadapt.data.doctor.findings import Diagnosis, in_order
from samadapt.data.doctor.registry import CHECKS
from samadapt.data.doctor.subjects import collect

T = TypeVar("T")


def examine(
    path: str | Path | Any,
    *,
    recipe: str = "auto",
    options: dict[str, Any] | None = None,
    window: str = "auto",
    limit: int | None = None,
) -> Diagnosis:
    """Look for what ruins training: misfitting, mislabelled, flipped, doubled, leaking or broken cases.

    Each case is read once, one after the other; memory stays that of one case.

    Parameters
    ----------
    path : path or Store
        Prepared store, or folder of images and labels.
    recipe, options : str, dict
        How to read a folder; "auto" recognises the layout.
    window : str
        Window policy to be checked on a folder; a store has its own.
    limit : int, optional
        Examine at most so many cases, evenly spaced.

    Returns
    -------
    Diagnosis
        Findings, errors first. `exit_code` is 1 if there is an error.

    Raises
    ------
    DataError
        If there is no such folder, no recipe fits, or nothing in it can be used.
    """
    folder = Path(getattr(path, "path", path))
    found = collect(folder, recipe, options or {}, window)
    chosen = evenly(found.subjects, limit)
    facts = [facts_of(subject, found.label_set) for subject in chosen]
    cohort = Cohort(
        tuple(fact for fact in facts if fact.readable),
        tuple(fact for fact in facts if not fact.readable),
        found.label_set,
        found.exclusions,
        found.prepared,
    )
    findings = in_order(finding for check in CHECKS.values() for finding in check(cohort))
    return Diagnosis(str(folder), found.kind, len(chosen), len(found.subjects), findings)


def evenly(items: Sequence[T], limit: int | None) -> list[T]:
    """At most `limit` items, evenly spaced; all of them for None."""
    if limit is None or limit >= len(items):
        return list(items)
    return [items[i * len(items) // limit] for i in range(max(limit, 1))]
