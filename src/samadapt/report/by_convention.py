"""One set of predictions under many conventions: how the figures differ, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from samadapt.report.conditions import WITHOUT, Condition
from samadapt.report.grid import NOTHING, Cell, Column, Line, Table, number
from samadapt.report.runs import Run

MOST_CONDITIONS = 3
_FIGURES = (("dice", "Dice", 3), ("iou", "IoU", 3), ("hd95", "HD95", 1), ("nsd", "NSD", 3))
_OVER = {
    "cases": "labels of a case, then cases",
    "labels": "cases of a label, then labels",
    "masks": "all masks alike",
}
_COUNTED = (
    ("irstd", "iou", "IoU"),
    ("irstd", "niou", "nIoU"),
    ("irstd", "pd", "Pd"),
    ("irstd", "fa", "Fa"),
    ("irstd", "fa_dnanet", "Fa of DNANet"),
    ("remote-sensing", "iou", "IoU"),
    ("remote-sensing", "f1", "F1"),
    ("remote-sensing", "oa", "OA"),
    ("remote-sensing", "kappa", "kappa"),
)
_ALL = "all labels"
_MEANS = (
    ("average without background", {"iou": "miou", "f1": "mf1"}),
    ("average with background", {"iou": "miou_background", "f1": "mf1_background"}),
    ("all pixels", {"oa": "oa", "kappa": "kappa"}),
)

Key = tuple[str, str, str, str, str]


def convention_tables(runs: list[Run], conditions: list[Condition]) -> list[Table]:
    """For every run that scored under several conventions: one table of averages, one of what was counted."""
    scored = [run for run in runs if run.conventions]
    found: list[Table | None] = []
    for place, run in enumerate(scored, start=1):
        asked = [c for c in conditions if c.run is run and c.competes][:MOST_CONDITIONS]
        ending = (f"-{place}", f", {run.name}") if len(scored) > 1 else ("", "")
        found += [_averages(run, asked, *ending), _counts(run, asked[:1], *ending)] if asked else []
    return [table for table in found if table is not None]


def _averages(run: Run, conditions: list[Condition], slug: str, title: str) -> Table | None:
    values = _values(run)
    if not values:
        return None  # only figures that were counted over the whole set
    columns = [
        replace(c.column, head=head, kind="plain", over=f"{c.column.over}, {c.column.head}")
        for c in conditions
        for _, head, _ in _FIGURES
    ]
    columns += [Column("Mean over", kind="words"), Column("Why it differs", kind="words")]
    names = list(dict.fromkeys(key[0] for key in values))
    caption = (
        "The same predictions under every convention that was asked for: the mean over all labels but the background. "
        "A dash: the source of the convention has no such figure."
    )
    several = len(names) > 1
    notes = (
        *several * ("Figures of one column differ though every mask is the same: never compare two of them.",),
        "HD95 is in the unit under it.",
        "Every case, label and figure, also those that a source does not have, is in conventions.csv and "
        "conventions.json of the run folder.",
    )
    lines = tuple(Line(name, _line(name, values, conditions)) for name in names)
    head = f"One prediction, {len(names)} conventions" if several else f"Under the convention “{names[0]}”"
    return Table(f"conventions{slug}", f"{head}{title}", caption, "Convention", tuple(columns), lines, notes)


def _values(run: Run) -> dict[Key, Mapping[str, Any]]:
    """Averages over labels, by convention, condition and figure."""
    return {
        (e["convention"], e["prompts"], e["method"], e["choice"], e["figure"]): e
        for e in run.conventions
        if e["name"] == WITHOUT
    }


def _line(name: str, values: Mapping[Key, Mapping[str, Any]], conditions: list[Condition]) -> tuple[Cell, ...]:
    from samadapt.metrics import convention

    rule = convention(name)
    cells = []
    for c in conditions:
        for figure, _, digits in _FIGURES:
            entry = values.get((name, c.prompts, c.method, c.choice, figure))
            cells.append(_cell(entry, digits, figure == "hd95") if entry and figure in rule.own else NOTHING)
    return (*cells, Cell(_OVER[rule.mean_over]), Cell(rule.why))


def _cell(entry: Mapping[str, Any], digits: int, distance: bool) -> Cell:
    unit = {"mm": "mm", "voxel": "voxels"}.get(entry["unit"], "") if distance else ""
    remark = f"{entry['left_out']} left out" if entry["left_out"] else ""
    value = entry["value"]
    return Cell(number(value, digits), unit, remark, values={"": value} if value is not None else {})


def _counts(run: Run, conditions: list[Condition], slug: str, title: str) -> Table | None:
    """Figures that are counted over all images together, by label."""
    asked = conditions[0]
    key = (asked.prompts, asked.method, asked.choice)
    mine = [e for e in run.conventions if e.get("counted") and (e["prompts"], e["method"], e["choice"]) == key]
    values = {(e["name"], e["convention"], e["figure"]): e["value"] for e in mine}
    shown = [one for one in _COUNTED if any(k[1:] == one[:2] for k in values)]
    if not shown:
        return None
    names = dict.fromkeys(name for name, _, _ in values if name != _ALL)
    lines = [Line(name, tuple(_count(values.get((name, c, f)), f) for c, f, _ in shown)) for name in names]
    for name, figures in _MEANS:
        cells = tuple(_count(values.get((_ALL, c, figures.get(f, ""))), f) for c, f, _ in shown)
        lines += [Line(name, cells, average=True)] if any(cell is not NOTHING for cell in cells) else []
    caption = (
        f"Pixels and targets counted over {max(e['n'] for e in mine)} cases together: {asked.group}, "
        f"{asked.column.over}, {asked.column.head}."
    )
    notes = ["Fa is in millionths of all pixels."] if any(c == "irstd" for c, _, _ in shown) else []
    if asked.prompts != "none":
        notes.append("Cases in which no label was asked about are not counted.")
    columns = tuple(Column(head, group=c) for c, _, head in shown)
    return Table(
        f"counted{slug}", f"Figures counted over the set{title}", caption, "Label", columns, tuple(lines), tuple(notes)
    )


def _count(value: float | None, figure: str) -> Cell:
    if value is None:
        return NOTHING
    text = number(value * 1e6, 2) if figure.startswith("fa") else number(value, 3)
    return Cell(text, values={"": value})
