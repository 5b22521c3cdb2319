"""Tables with one row per label and one column per condition: Dice, HD95 and NSD."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from samadapt.report.conditions import WITH, WITHOUT, Condition
from samadapt.report.empty import without_objects_notes
from samadapt.report.grid import NOTHING, Cell, Column, Line, Table, number, span
from samadapt.report.published import Published, published_for
from samadapt.report.runs import spacing_notes

FEW_CASES = 10


@dataclass(frozen=True)
class Figure:
    """How a figure is shown."""

    name: str
    title: str
    digits: int
    lower_is_better: bool = False
    caption: str = ""


DICE = Figure("dice", "Dice by label", 3, caption="Dice (1 is perfect)")
HD95 = Figure("hd95", "Boundary distance by label", 1, True, "HD95 in millimetres (0 is perfect)")
NSD = Figure("nsd", "Boundary agreement by label", 3, caption="NSD, normalised surface distance (1 is perfect)")


def dice_table(conditions: list[Condition]) -> Table | None:
    """Dice per label, both averages last, published columns beside it where the labels are theirs."""
    bare = without_objects_notes(c.run for c in conditions)
    table = _table(DICE, conditions, (*_interval_notes(conditions), *bare, *_fairness_notes(conditions)))
    datasets = {str(name) for c in conditions for name in c.run.facts.get("datasets") or ()}
    published = published_for(_label_names(conditions), datasets)
    return _beside(table, published) if table and published else table


def boundary_tables(conditions: list[Condition]) -> list[Table]:
    """HD95 with the organs it leaves out, and NSD with its tolerances."""
    left_out = (
        "An organ that was missed, or one that was invented, has no finite distance: it is left out of the mean of "
        "HD95 and counted under it. A low HD95 beside many misses is no good news; bold compares only the columns that "
        "missed and invented fewest."
    )
    tolerance = "The tolerance of NSD stands under the label: a boundary that lies within it counts as right."
    pixels = spacing_notes(c.run for c in conditions)
    tables = _table(HD95, conditions, (left_out, *pixels)), _table(NSD, conditions, (tolerance, *pixels))
    return [table for table in tables if table is not None]


def _table(figure: Figure, conditions: list[Condition], notes: tuple[str, ...]) -> Table | None:
    conditions = [c for c in conditions if any(key[1] == figure.name for key in c.entries)]
    names = labels_of(conditions, figure.name)
    if not conditions or not names:
        return None
    lines = [_line(figure, name, conditions) for name in names]
    lines += [_average(figure, name, conditions) for name in (WITHOUT, WITH) if _has(conditions, name, figure.name)]
    caption = f"{figure.caption}, mean over cases with its 95 % bootstrap interval. Bold: the best model of a row."
    columns = tuple(c.column for c in conditions)
    return Table(figure.name, figure.title, caption, "Label", columns, tuple(lines), notes)


def labels_of(conditions: list[Condition], figure: str) -> list[str]:
    """Names in the order of their numbers, background first; those that nothing was measured for are left out."""
    numbers: dict[str, int] = {}
    for condition in conditions:
        for (name, kind), entry in condition.entries.items():
            if kind == figure and name not in (WITH, WITHOUT) and entry["mean"] is not None:
                numbers.setdefault(name, int(entry["label"]))
    return sorted(numbers, key=lambda name: (numbers[name], name))


def _label_names(conditions: list[Condition]) -> set[str]:
    stated = {str(name) for c in conditions for name in dict(c.run.facts.get("label_set") or {}).values()}
    return stated or {n for c in conditions for n, _ in c.entries} - {WITH, WITHOUT}


def _has(conditions: list[Condition], name: str, figure: str) -> bool:
    return any(c.mean(figure, name) for c in conditions)


def _line(figure: Figure, name: str, conditions: list[Condition]) -> Line:
    cells = [_cell(figure, c.entries.get((name, figure.name)), _of(c, name), figure is HD95) for c in conditions]
    detail = _tolerance(conditions, name) if figure is NSD else ""
    return Line(name, _with_best(figure, cells, conditions), detail)


def _average(figure: Figure, name: str, conditions: list[Condition]) -> Line:
    cells = [
        _cell(figure, c.entries.get((name, figure.name)), [r for r in c.rows if r["label"]], figure is HD95)
        for c in conditions
    ]
    return Line(name.replace("mean", "average"), _with_best(figure, cells, conditions), average=True)


def _of(condition: Condition, name: str) -> list[Mapping[str, Any]]:
    return [row for row in condition.rows if row["name"] == name]


def _cell(figure: Figure, entry: Mapping[str, Any] | None, rows: list[Mapping[str, Any]], count: bool) -> Cell:
    if entry is None:
        return NOTHING
    digits, n = figure.digits, int(entry["n"])
    detail = span(entry["low"], entry["high"], digits) if n > 1 else ""
    values = {key: entry[key] for key in ("mean", "low", "high", "n", "left_out")}
    if not count:
        return Cell(number(entry["mean"], digits), detail, values=values)
    counts, present = _misses(rows), sum(row["reference_voxels"] > 0 for row in rows)
    said = [(counts.get("missed"), f"of {present} missed"), (counts.get("invented"), "invented")]
    if not rows:
        said = [(int(entry["left_out"]), "left out")]
    remark = ", ".join(f"{number_of} {what}" for number_of, what in said if number_of)
    return Cell(number(entry["mean"], digits), detail, remark, values=values | counts)


def _misses(rows: list[Mapping[str, Any]]) -> dict[str, int]:
    if not rows:
        return {}
    missed = sum(row["reference_voxels"] > 0 and row["prediction_voxels"] == 0 for row in rows)
    invented = sum(row["reference_voxels"] == 0 and row["prediction_voxels"] > 0 for row in rows)
    return {"missed": missed, "invented": invented}


def _with_best(figure: Figure, cells: list[Cell], conditions: list[Condition]) -> tuple[Cell, ...]:
    running = [i for i, c in enumerate(conditions) if c.competes and cells[i].values.get("mean") is not None]
    if figure.lower_is_better and running:
        fewest = min(_spoilt(cells[i]) for i in running)
        running = [i for i in running if _spoilt(cells[i]) == fewest]
    if len([c for c in conditions if c.competes]) < 2 or not running:
        return tuple(cells)
    choose = min if figure.lower_is_better else max
    best = number(choose(cells[i].values["mean"] for i in running), figure.digits)
    return tuple(replace(cell, best=i in running and cell.text == best) for i, cell in enumerate(cells))


def _spoilt(cell: Cell) -> int:
    values = cell.values
    return int(values["missed"] + values["invented"] if "missed" in values else values["left_out"])


def _tolerance(conditions: list[Condition], name: str) -> str:
    found = {row["tolerance_mm"] for c in conditions for row in _of(c, name) if math.isfinite(row["tolerance_mm"])}
    return " or ".join(f"{value:g} mm" for value in sorted(found))


def _interval_notes(conditions: list[Condition]) -> tuple[str, ...]:
    most = max((int(e["n"]) for c in conditions for e in c.entries.values()), default=0)
    if most == 1:
        return ("One case was measured: no interval can be given, and no conclusion drawn.",)
    if most < FEW_CASES:
        return (f"The intervals rest on at most {most} cases; intervals from so few are too narrow.",)
    return ()


def _fairness_notes(conditions: list[Condition]) -> tuple[str, ...]:
    notes = []
    if any(c.choice == "oracle" for c in conditions):
        notes.append(
            "Of several masks, “predicted” takes the one that the model itself rates best (predicted IoU); “oracle” "
            "takes the one nearest to the truth, which is a bound and not a result."
        )
    told = any(c.prompts != "none" for c in conditions)
    if told and any(c.choice == "semantic" for c in conditions):
        notes.append(
            "Columns with prompts are told which labels a slice holds and where; the prompt-free column finds out by "
            "itself, and is also charged for labels it invents. The averages need not cover the same labels of a case."
        )
    return tuple(notes)


def _beside(table: Table, published: Published) -> Table:
    columns = tuple(Column(name, group=published.title, kind="published") for name in published.columns)
    over = WITH if published.background else WITHOUT
    rows = {**published.rows, over.replace("mean", "average"): published.average}
    lines = tuple(
        replace(line, cells=line.cells + _grey(rows.get(line.name.lower()), len(columns))) for line in table.lines
    )
    return replace(table, columns=table.columns + columns, lines=lines, notes=(*table.notes, published.remark))


def _grey(values: Iterable[float | None] | None, count: int) -> tuple[Cell, ...]:
    if values is None:
        return (NOTHING,) * count
    return tuple(NOTHING if v is None else Cell(number(v, 3), values={"printed": v}) for v in values)
