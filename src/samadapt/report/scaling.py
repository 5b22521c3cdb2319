"""One page of a scaling study: Dice against the number of patients that were learnt from."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from samadapt.core.atomic import write_text
from samadapt.core.errors import RunFolderError
from samadapt.core.manifest import read_run
from samadapt.report.charts import Chart, Series, line_chart
from samadapt.report.grid import Cell, Column, Line, Table, number, span
from samadapt.report.page import render_template

Row = dict[str, Any]
_TEXTS = ("prompts", "choice")
_ASKED = {"semantic": "without prompts", "predicted": "mask by predicted IoU", "oracle": "best mask by the truth"}


def scaling_page(folder: Path, page: Path) -> Path:
    """Write the page of a finished scaling study from its files alone.

    Raises
    ------
    RunFolderError
        If the folder holds no finished scaling study.
    """
    manifest, path = read_run(folder), folder / "scaling.csv"
    if manifest.get("kind") != "scaling" or manifest.get("status") != "done" or not path.exists():
        raise RunFolderError(
            "the folder holds no finished study", where=folder, remedy="Run samadapt scaling --resume."
        )
    facts, rows = manifest["facts"], _read(path)
    data = ", ".join(facts["datasets"])
    html = render_template(
        "sweep.html.j2",
        title=f"{facts['model']} on {data}: how much training data matter",
        measured=f"Parts of the training split by patient, a smaller one inside every larger one; measured on the "
        f"{facts['split']} split, {facts['cases']} cases. Dice is averaged over the labels of a case, then over cases.",
        verdict=_verdict(rows),
        warnings=_warnings(rows),
        charts=[_chart(rows)],
        tables=[_table(rows)],
        version=manifest.get("samadapt", ""),
        started=str(manifest.get("started", ""))[:10],
    )
    write_text(page, html)
    return page


def _read(path: Path) -> list[Row]:
    with open(path, encoding="utf-8", newline="") as file:
        raw = list(csv.DictReader(file))
    return [{key: value if key in _TEXTS else float(value) for key, value in row.items()} for row in raw]


def _chart(rows: Sequence[Row]) -> Chart:
    values = [str(n) for n in sorted({int(row["patients"]) for row in rows})]
    lines: dict[str, dict[str, Row]] = {}
    for row in rows:
        lines.setdefault(_line(row, rows), {})[str(int(row["patients"]))] = row
    series = [Series(name, points) for name, points in lines.items()]
    caption = "Lines are 95 % bootstrap intervals over the measured cases; they do not hold the chance of training."
    return line_chart("Dice against patients", "patients learnt from", values, series, caption)


def _line(row: Row, rows: Sequence[Row]) -> str:
    asked = _ASKED.get(row["choice"], str(row["choice"]))
    parts = [asked if row["choice"] == "semantic" else f"{row['prompts']}, {asked}"]
    if len({other["seed"] for other in rows}) > 1:
        parts.append(f"seed {row['seed']:.0f}")
    return ", ".join(parts)


def _verdict(rows: Sequence[Row]) -> str:
    first = rows[0]
    mine = [r for r in rows if all(r[key] == first[key] for key in ("prompts", "choice", "seed"))]
    if len(mine) < 2:
        return f"Learnt from {first['patients']:.0f} patients, Dice is {first['dice']:.3f}. One part makes no curve."
    small, before, large = mine[0], mine[-2], mine[-1]
    text = (
        f"From {small['patients']:.0f} to {large['patients']:.0f} patients Dice goes from {small['dice']:.3f} to "
        f"{large['dice']:.3f}"
    )
    last = f"; the last step, from {before['patients']:.0f} to {large['patients']:.0f}, brings "
    return text + (f"{last}{large['dice'] - before['dice']:+.3f}." if len(mine) > 2 else ".")


def _warnings(rows: Sequence[Row]) -> list[str]:
    found = []
    if len({row["seed"] for row in rows}) == 1:
        found.append("One seed: another choice of patients or another training may give another curve.")
    if len({row["steps"] for row in rows}) > 1:
        found.append("The parts were trained for different numbers of steps.")
    return found


def _table(rows: Sequence[Row]) -> Table:
    heads = ("Patients", "Slices", "Seed", "Steps", "Prompts", "Mask", "Dice", "Cases")
    lines = tuple(Line(f"{row['fraction']:g}", _cells(row)) for row in rows)
    caption = "Means with 95 % bootstrap intervals over cases."
    return Table("scaling", "Every part", caption, "Share", tuple(Column(head) for head in heads), lines)


def _cells(row: Row) -> tuple[Cell, ...]:
    whole = [Cell(f"{row[key]:.0f}") for key in ("patients", "slices", "seed", "steps")]
    dice = Cell(number(row["dice"], 3), span(row["low"], row["high"], 3) if row["cases"] > 1 else "")
    return (*whole, Cell(row["prompts"]), Cell(row["choice"]), dice, Cell(f"{row['cases']:.0f}"))
