"""One page of a sweep: Dice against each axis, and a row for every condition."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samadapt.core.atomic import write_text
from samadapt.core.errors import RunFolderError
from samadapt.core.manifest import read_run
from samadapt.report.charts import Chart, Series, line_chart
from samadapt.report.grid import Cell, Column, Line, Table, joined, number, span
from samadapt.report.page import render_template

Row = dict[str, Any]
_NUMBERS = ("dice", "low", "high", "iou")
_KINDS = {
    "point": "random points inside",
    "clicks": "clicks into the centre of the largest error",
    "error": "clicks on random wrong pixels",
    "centre": "the centre",
}
_MODES = {
    "mode:0": "centre of the largest region",
    "mode:1": "centres of three regions",
    "mode:2": "box of the largest region",
    "mode:3": "boxes of three regions, one by one",
    "mode:4": "box of everything",
}
_CHOICES = {"predicted": "predicted IoU", "first": "the first", "oracle": "best by the truth (oracle)"}


@dataclass(frozen=True)
class Axis:
    """One axis that a sweep may have: the value of a row on it, or None, and the line a row belongs to."""

    title: str
    label: str
    value: Callable[[Row], str | None]
    line: Callable[[Row], str]
    held: tuple[str, ...]


def sweep_page(folder: Path, page: Path) -> Path:
    """Write the page of a finished sweep from its files alone.

    Raises
    ------
    RunFolderError
        If the folder holds no finished sweep.
    """
    manifest = read_run(folder)
    if manifest.get("kind") != "sweep" or manifest.get("status") != "done":
        raise RunFolderError("the folder holds no finished sweep", where=folder, remedy="Run samadapt sweep --resume.")
    rows, facts = _rows(folder / "conditions.csv"), manifest.get("facts") or {}
    html = render_template(
        "sweep.html.j2",
        title=f"{joined(list(dict.fromkeys(_short(row['model']) for row in rows)))} on {_data(facts)}: a sweep",
        measured=_measured(facts, rows),
        verdict=_verdict(rows),
        warnings=_warnings(facts),
        charts=charts_of(rows),
        tables=[_table(rows), *_left_out(facts)],
        version=manifest.get("samadapt", ""),
        started=str(manifest.get("started", ""))[:10],
    )
    write_text(page, html)
    return page


def charts_of(rows: Sequence[Row]) -> list[Chart]:
    """A chart for each axis on which the sweep has two values or more."""
    found = [_chart(axis, rows) for axis in _AXES]
    return [chart for chart in found if chart is not None]


def _chart(axis: Axis, rows: Sequence[Row]) -> Chart | None:
    on_axis = [row for row in rows if axis.value(row) is not None]
    reference = {key: _reference(key, on_axis) for key in axis.held}
    chosen = [row for row in on_axis if all(row[key] == value for key, value in reference.items())]
    values = sorted(dict.fromkeys(str(axis.value(row)) for row in chosen), key=_order)
    if len(values) < 2:
        return None
    lines: dict[str, dict[str, Row]] = {}
    for row in chosen:
        lines.setdefault(axis.line(row), {})[str(axis.value(row))] = row
    series = [Series(name, points) for name, points in lines.items() if len(points) > 1 or len(lines) == 1]
    held = [f"{_AXIS_NAMES[key]} {_said(key, value)}" for key, value in reference.items() if value not in ("", None)]
    caption = f"Held: {', '.join(held)}. Lines are 95 % bootstrap intervals over cases."
    return line_chart(axis.title, axis.label, values, series, caption)


_AXIS_NAMES = {"model": "model", "image_size": "size", "choice": "mask by", "phases": "phases"}


def _reference(key: str, rows: Sequence[Row]) -> Any:
    """Value at which an axis is held while another one is looked at."""
    values = list(dict.fromkeys(row[key] for row in rows))
    preferred = {"choice": "predicted", "phases": "prob-mean"}.get(key)
    return preferred if preferred in values else values[0] if values else None


def _said(key: str, value: Any) -> str:
    if key == "choice":
        return _CHOICES.get(str(value), str(value))
    return f"{value} px" if key == "image_size" else _short(str(value))


def _order(value: str) -> tuple[int, float, int]:
    """Numbers by size; other values stay in the order in which they come."""
    return (0, float(value), 0) if value.replace(".", "", 1).isdigit() else (1, 0.0, 0)


def _points(row: Row) -> str | None:
    kind, _, count = row["prompts"].partition(":")
    return "1" if kind == "centre" else count if kind in _KINDS else None


def _jitter(row: Row) -> str | None:
    kind, _, jitter = row["prompts"].partition("~")
    return (jitter or "0") if kind == "box" else None


def _several(row: Row) -> str:
    return f"{_short(row['model'])}, {row['image_size']} px"


_AXES = (
    Axis(
        "How many points",
        "points",
        _points,
        lambda row: _KINDS[row["prompts"].partition(":")[0]],
        ("model", "image_size", "choice", "phases"),
    ),
    Axis("How loose a box", "largest shift of a side, px in a frame of 1024", _jitter, _several, ("choice", "phases")),
    Axis("Five ways to prompt", "", lambda row: _MODES.get(row["prompts"]), _several, ("choice", "phases")),
    Axis(
        "How large an input",
        "side of the model's input, px",
        lambda row: str(row["image_size"]),
        lambda row: row["prompts"],
        ("model", "choice", "phases"),
    ),
    Axis(
        "Which model",
        "",
        lambda row: _short(row["model"]),
        lambda row: row["prompts"],
        ("choice", "phases"),
    ),
    Axis(
        "Which of several masks",
        "",
        lambda row: _CHOICES.get(row["choice"]),
        lambda row: row["prompts"],
        ("model", "image_size", "phases"),
    ),
    Axis(
        "Which phases",
        "",
        lambda row: row["phases"] or None,
        lambda row: row["prompts"],
        ("model", "image_size", "choice"),
    ),
)


def _rows(path: Path) -> list[Row]:
    if not path.exists():
        raise RunFolderError("conditions.csv is missing", where=path.parent, remedy="Run samadapt sweep --resume.")
    with open(path, encoding="utf-8", newline="") as file:
        raw = list(csv.DictReader(file))
    return [row | {key: float(row[key]) for key in _NUMBERS} for row in raw]


def _short(model: str) -> str:
    return Path(model).stem if "/" in model or "\\" in model else model


def _data(facts: dict[str, Any]) -> str:
    return ", ".join(map(str, facts.get("datasets") or ())) or "a store"


def _measured(facts: dict[str, Any], rows: Sequence[Row]) -> str:
    phases, channels = facts.get("phases") or (), facts.get("channels") or ()
    said = f"{len(rows)} conditions on the {facts.get('split', '?')} split: {facts.get('cases', '?')} cases"
    said += f" with the phases {joined(list(phases))}" if phases else ""
    said += f", shown their channels {', '.join(channels)}" if channels else ""
    return f"{said}. Prompts are drawn from the truth; Dice is averaged over the labels of a case and then over cases."


def _verdict(rows: Sequence[Row]) -> str:
    usable = [row for row in rows if row["choice"] != "oracle" and row["phases"] != "score-max"] or list(rows)
    best, worst = (choose(usable, key=lambda row: row["dice"]) for choose in (max, min))
    who = "Without looking at the truth for the choice of a mask" if usable != list(rows) else "Of all conditions"
    return (
        f"{who}, Dice lies between {worst['dice']:.3f} ({_name(worst)}) and {best['dice']:.3f} ({_name(best)}). "
        "The best of many conditions on the same cases is an optimistic choice: confirm it on others."
    )


def _name(row: Row) -> str:
    parts = (_short(row["model"]), f"{row['image_size']} px", row["prompts"], row["phases"], _CHOICES[row["choice"]])
    return ", ".join(part for part in parts if part)


def _warnings(facts: dict[str, Any]) -> list[str]:
    found = []
    if facts.get("excluded"):
        count = len(facts["excluded"])
        found.append(f"{count} case{' was' if count == 1 else 's were'} left out; the last table says why.")
    if facts.get("empty_labels"):
        found.append(f"No measured case holds {joined(list(facts['empty_labels']))}: nothing is said about it.")
    return found


def _table(rows: Sequence[Row]) -> Table:
    heads = ("Size", "Phases", "Mask by", "Dice", "IoU", "Cases", "Objects")
    columns = (Column("Model", kind="words"), *(Column(h, "px" if h == "Size" else "") for h in heads))
    return Table("conditions", "Every condition", "Means with 95 % bootstrap intervals.", "Prompts", columns,
                 tuple(Line(row["prompts"], _cells(row)) for row in rows))  # fmt: skip


def _cells(row: Row) -> tuple[Cell, ...]:
    words = (_short(row["model"]), row["image_size"], row["phases"] or "–", row["choice"])
    dice = Cell(number(row["dice"], 3), span(row["low"], row["high"], 3) if int(row["cases"]) > 1 else "")
    return (*map(Cell, words), dice, Cell(number(row["iou"], 3)), Cell(row["cases"]), Cell(row["objects"]))


def _left_out(facts: dict[str, Any]) -> Iterable[Table]:
    if facts.get("excluded"):
        lines = tuple(Line(entry["case"], (Cell(entry["reason"]),)) for entry in facts["excluded"])
        yield Table(
            "excluded", "Left out", "Cases that were not measured.", "Case", (Column("Why", kind="words"),), lines
        )
