"""One row per case, label, prompt policy and choice; and the summary of many rows."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from samadapt.metrics import bootstrap_interval

FIGURES = ("dice", "iou", "hd95", "assd", "nsd")


@dataclass(frozen=True)
class Row:
    """One measured figure set.

    Attributes
    ----------
    method : {"model", "ellipse"}
        "ellipse" is the trivial baseline: the ellipse inscribed in the tight box of the truth.
    choice : {"predicted", "oracle", "semantic", "baseline"}
        Which of several masks was taken: by the model's own predicted IoU, or the best one by the truth.
    label : int
        0 is the background (overlap figures only).
    hd95, assd : float, millimetres
    seconds : float
        Model time spent on the whole case.
    """

    case: str
    patient: str
    label: int
    name: str
    object: int
    prompts: str
    method: str
    choice: str
    dice: float
    iou: float
    hd95: float
    assd: float
    nsd: float
    tolerance_mm: float
    reference_voxels: int
    prediction_voxels: int
    seconds: float


def to_csv(rows: Iterable[Row]) -> str:
    """Rows as CSV text with a header; floats keep full precision."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [f.name for f in fields(Row)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return text.getvalue()


def summarise(rows: Sequence[Row], seed: int) -> list[dict[str, Any]]:
    """Mean, 95 % bootstrap interval over cases and count, for each condition and label.

    Returns
    -------
    list of dict
        Keys prompts, method, choice, label, name, figure, mean, low, high, n (cases in the mean) and left_out (rows
        whose figure is infinite or undefined, such as the HD95 of a missed organ: a mean that hides misses says so).
        The labels "mean without background" and "mean with background" average the classes of a case first, then
        the cases.
    """
    conditions = sorted({(r.prompts, r.method, r.choice) for r in rows})
    entries: list[dict[str, Any]] = []
    for condition in conditions:
        chosen = [r for r in rows if (r.prompts, r.method, r.choice) == condition]
        entries += _of_condition(condition, chosen, seed)
    return entries


def _of_condition(condition: tuple[str, str, str], rows: list[Row], seed: int) -> list[dict[str, Any]]:
    head = dict(zip(("prompts", "method", "choice"), condition))
    entries = []
    for figure in FIGURES:
        for label, name in sorted({(r.label, r.name) for r in rows}):
            of_label = [row for row in rows if row.label == label]
            entries.append(head | {"label": label, "name": name} | _entry(of_label, figure, _all, seed))
        for name, keep in (("mean without background", _foreground), ("mean with background", _all)):
            if name == "mean without background" or figure in ("dice", "iou"):
                entries.append(head | {"label": name, "name": name} | _entry(rows, figure, keep, seed))
    return entries


def _entry(rows: list[Row], figure: str, keep: Callable[[Row], bool], seed: int) -> dict[str, Any]:
    kept = [row for row in rows if keep(row)]
    left_out = sum(not math.isfinite(getattr(row, figure)) for row in kept)
    return {"figure": figure} | interval(case_means(kept, figure), seed) | {"left_out": left_out}


def _foreground(row: Row) -> bool:
    return row.label != 0


def _all(row: Row) -> bool:
    return True


def case_means(rows: Iterable[Row], figure: str) -> list[float]:
    """For each case the mean of a figure over its labels, undefined and infinite values left out."""
    by_case: dict[str, list[float]] = {}
    for row in rows:
        value = float(getattr(row, figure))
        by_case.setdefault(row.case, []).extend([value] if math.isfinite(value) else [])
    return [float(np.mean(values)) for values in by_case.values() if values]


def interval(values: Sequence[float], seed: int) -> dict[str, Any]:
    """Mean with its bootstrap interval and the number of cases; None where nothing was defined."""
    if not values:
        return {"mean": None, "low": None, "high": None, "n": 0}
    low, high = bootstrap_interval(values, seed)
    return {"mean": float(np.mean(values)), "low": low, "high": high, "n": len(values)}
