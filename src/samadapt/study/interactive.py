"""Figures of sessions: area under the curve, clicks to a target, and how far the predicted IoU can be trusted."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from samadapt.core.plans import ClickPlan
from samadapt.metrics import case_means, mean_of
from samadapt.study.answers import Answer, agreement
from samadapt.study.rows import Row

LEAST_DICE = 0.2
"""In a volume session NSD counts as 0 where the mean Dice of a case is not above."""

WITHOUT = "mean without background"
Traces = dict[str, list[list[float]]]
"""Case to the figures of its objects, round by round."""


def session_summary(
    rows: Sequence[Row], answers: Sequence[Answer], plan: ClickPlan, targets: Iterable[float], seed: int
) -> list[dict[str, Any]]:
    """Entries of summary.json for one session policy.

    Parameters
    ----------
    rows : sequence of Row
        Of the whole run.
    answers : sequence of Answer
        Of the whole run.
    plan : ClickPlan
    targets : iterable of float
        Dice and IoU to reach, between 0 and 1.
    seed : int
        Of the intervals.

    Returns
    -------
    list of dict
        Figures "dice_auc" and "nsd_auc" (trapezoid over the answers to 1 to N clicks, at most N - 1; with two clicks
        or more) and, for each target, "clicks_to_dice_0.85" (N where it is not reached) and "missed_dice_0.85" (part
        of the objects that never reach it), and the same of IoU. An object is what clicks are about: a label in a
        slice, or in a volume session the label in the volume. Means over the objects of a case, then over cases.
    """
    found = _areas(rows, plan, seed) if plan.clicks > 1 else []
    for figure in ("dice", "iou"):
        traces = _traces_of_volumes(rows, plan, figure) if plan.of_volume else _traces(answers, plan, figure)
        for target in targets:
            found += _clicks_to(traces, plan, figure, target, seed)
    return found


def agreement_summary(answers: Sequence[Answer], policies: Iterable[str]) -> list[dict[str, Any]]:
    """Correlation of predicted and true IoU for each policy: of the answers, and of all candidates.

    Returns
    -------
    list of dict
        Entries of summary.json with the figures "iou_pearson" and "iou_spearman", and the same with "_candidates"; n
        is the number of masks. Without intervals.
    """
    found = []
    for policy in policies:
        mine = [answer for answer in answers if answer.prompts == policy]
        for suffix, chosen in (("", [a for a in mine if a.candidate == 0]), ("_candidates", mine)):
            numbers = agreement(chosen)
            for kind in ("pearson", "spearman"):
                entry = {"figure": f"iou_{kind}{suffix}", "mean": numbers[kind], "low": None, "high": None}
                found.append(_head(policy) | entry | {"n": numbers["n"], "left_out": 0})
    return found


def _areas(rows: Sequence[Row], plan: ClickPlan, seed: int) -> list[dict[str, Any]]:
    dice, nsd = (_by_round(rows, plan, figure) for figure in ("dice", "nsd"))
    if plan.of_volume:
        nsd = {case: np.where(dice[case] > LEAST_DICE, values, 0.0) for case, values in nsd.items()}
    return [
        _entry(plan.policy, f"{figure}_auc", [float(np.trapezoid(values)) for values in by_case.values()], seed)
        for figure, by_case in (("dice", dice), ("nsd", nsd))
    ]


def _by_round(rows: Sequence[Row], plan: ClickPlan, figure: str) -> dict[str, Any]:
    """Mean over the labels of each case after 1, 2, ... clicks."""
    rounds = [
        case_means([asdict(row) for row in rows if row.prompts == plan.name(clicks)], figure)
        for clicks in range(1, plan.clicks + 1)
    ]
    return {case: np.array([means[case] for means in rounds]) for case in rounds[0]}


def _traces(answers: Sequence[Answer], plan: ClickPlan, figure: str) -> Traces:
    rounds = {name: number for number, name in enumerate(plan.names)}
    found: dict[tuple[Any, ...], list[float]] = {}
    for answer in answers:
        if answer.candidate == 0 and answer.prompts in rounds:
            key = answer.case, answer.slice, answer.label, answer.object
            found.setdefault(key, [0.0] * len(rounds))[rounds[answer.prompts]] = getattr(answer, figure)
    return _grouped(found)


def _traces_of_volumes(rows: Sequence[Row], plan: ClickPlan, figure: str) -> Traces:
    rounds = {name: number for number, name in enumerate(plan.names)}
    found: dict[tuple[Any, ...], list[float]] = {}
    for row in rows:
        if row.label and row.prompts in rounds:
            found.setdefault((row.case, row.label), [0.0] * len(rounds))[rounds[row.prompts]] = getattr(row, figure)
    return _grouped(found)


def _grouped(found: dict[tuple[Any, ...], list[float]]) -> Traces:
    by_case: Traces = {}
    for key, values in found.items():
        by_case.setdefault(str(key[0]), []).append(values)
    return by_case


def _clicks_to(traces: Traces, plan: ClickPlan, figure: str, target: float, seed: int) -> Iterator[dict[str, Any]]:
    first = plan.rounds[0]
    clicks: list[float] = []
    missed: list[float] = []
    for objects in traces.values():
        reached = np.array(objects) >= target
        never = ~reached.any(axis=1)
        clicks.append(float(np.where(never, plan.clicks, first + reached.argmax(axis=1)).mean()))
        missed.append(float(never.mean()))
    yield _entry(plan.policy, f"clicks_to_{figure}_{target:g}", clicks, seed)
    yield _entry(plan.policy, f"missed_{figure}_{target:g}", missed, seed)


def _head(policy: str) -> dict[str, Any]:
    return {"prompts": policy, "method": "model", "choice": "predicted", "label": WITHOUT, "name": WITHOUT}


def _entry(policy: str, figure: str, values: list[float], seed: int) -> dict[str, Any]:
    mean = mean_of(values, seed)
    numbers = {"mean": mean.value, "low": mean.low, "high": mean.high}
    defined = {key: value if mean.n else None for key, value in numbers.items()}
    return _head(policy) | {"figure": figure} | defined | {"n": mean.n, "left_out": mean.undefined + mean.infinite}
