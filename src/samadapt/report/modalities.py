"""Figures by modality and organ."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from samadapt.metrics import case_means, mean_of
from samadapt.report.grid import NOTHING, Cell, Column, Line, Table, number
from samadapt.report.methods import Method

UNKNOWN = "not stated"


def modality_table(methods: list[Method]) -> Table | None:
    """Dice of every modality and of each organ in it, one column a method; None where fewer than two are stated."""
    organs = _organs(methods)
    if len(organs.keys() - {UNKNOWN}) < 2:
        return None
    lines: list[Line] = []
    for modality in sorted(organs, key=lambda name: (name == UNKNOWN, name)):
        lines.append(Line(modality, tuple(_mean(m, _inside(modality)) for m in methods), average=True))
        lines += [
            Line(f"{modality}: {organ}", tuple(_mean(m, _of(modality, organ)) for m in methods))
            for organ in sorted(organs[modality])
        ]
    caption = (
        "Dice (1 is perfect) of the organs of every modality: mean over cases, below it their number; the line of a "
        "modality is the mean over the labels of a case, then over cases, without the background."
    )
    columns = tuple(Column(method.name, kind="model") for method in methods)
    return Table("modalities", "By modality and organ", caption, "Modality: organ", columns, tuple(lines))


def _inside(modality: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda row: bool(_modality(row) == modality and row["label"])


def _of(modality: str, organ: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda row: bool(_modality(row) == modality and row["name"] == organ)


def _modality(row: Mapping[str, Any]) -> str:
    return str(row.get("modality") or UNKNOWN)


def _organs(methods: list[Method]) -> dict[str, set[str]]:
    """Names of the labels that are annotated in cases of each modality."""
    found: dict[str, set[str]] = {}
    for row in (row for method in methods for row in method.condition.rows):
        if row["label"] and row["reference_voxels"] > 0:
            found.setdefault(_modality(row), set()).add(str(row["name"]))
    return found


def _mean(method: Method, chosen: Callable[[Mapping[str, Any]], bool]) -> Cell:
    mean = mean_of(case_means([row for row in method.condition.rows if chosen(row)], "dice").values())
    if not mean.n:
        return NOTHING
    values = {"mean": mean.value, "low": mean.low, "high": mean.high, "n": mean.n}
    return Cell(number(mean.value, 3), f"{mean.n} case{'' if mean.n == 1 else 's'}", values=values)
