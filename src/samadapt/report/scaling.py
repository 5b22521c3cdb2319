"""One page of one or several scaling runs: Dice against the number of patients that were learnt from."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True)
class _Study:
    """One finished scaling run: its facts, and its rows with the name of its folder as "method"."""

    manifest: dict[str, Any]
    rows: list[Row]


def scaling_page(folders: Path | Sequence[Path], page: Path) -> Path:
    """Write the page of finished scaling runs from their files alone.

    Parameters
    ----------
    folders : path or sequence of path
        Of one run, or of several methods on the same store, which become lines of one chart, named as their folders.
    page : path
        HTML file to write.

    Raises
    ------
    RunFolderError
        If a folder holds no finished scaling run.
    """
    studies = [_read(folder) for folder in ([folders] if isinstance(folders, Path) else folders)]
    rows = [row for study in studies for row in study.rows]
    manifest = studies[0].manifest
    facts = manifest["facts"]
    names = facts["model"] if len(studies) == 1 else " and ".join(dict.fromkeys(row["method"] for row in rows))
    html = render_template(
        "sweep.html.j2",
        title=f"{names} on {', '.join(facts['datasets'])}: how much training data matter",
        measured=f"Parts of the training split by patient, a smaller one inside every larger one; measured on the "
        f"{facts['split']} split, {facts['cases']} cases. Dice is averaged over the labels of a case, then over cases.",
        verdict=" ".join(_verdict(study.rows, len(studies) > 1) for study in studies),
        warnings=_warnings([study.rows for study in studies]),
        charts=[_chart(rows)],
        tables=[_table(rows)],
        version=manifest.get("samadapt", ""),
        started=str(manifest.get("started", ""))[:10],
    )
    write_text(page, html)
    return page


def _read(folder: Path) -> _Study:
    manifest, path = read_run(folder), folder / "scaling.csv"
    if manifest.get("kind") != "scaling" or manifest.get("status") != "done" or not path.exists():
        raise RunFolderError(
            "the folder holds no finished study", where=folder, remedy="Run samadapt scaling --resume."
        )
    with open(path, encoding="utf-8", newline="") as file:
        raw = list(csv.DictReader(file))
    rows = [{key: value if key in _TEXTS else float(value) for key, value in row.items()} for row in raw]
    return _Study(manifest, [row | {"method": folder.name} for row in rows])


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
    parts = [row["method"]] if len(_each(rows, "method")) > 1 else []
    parts.append(asked if row["choice"] == "semantic" else f"{row['prompts']}, {asked}")
    if len(_each(rows, "seed")) > 1:
        parts.append(f"seed {row['seed']:.0f}")
    return ", ".join(parts)


def _each(rows: Sequence[Row], key: str) -> set[Any]:
    return {row[key] for row in rows}


def _verdict(rows: Sequence[Row], is_one_of_several: bool) -> str:
    first = rows[0]
    dice = f"Dice of {first['method']}" if is_one_of_several else "Dice"
    mine = [r for r in rows if all(r[key] == first[key] for key in ("prompts", "choice", "seed"))]
    if len(mine) < 2:
        return f"Learnt from {first['patients']:.0f} patients, {dice} is {first['dice']:.3f}. One part makes no curve."
    small, before, large = mine[0], mine[-2], mine[-1]
    text = (
        f"From {small['patients']:.0f} to {large['patients']:.0f} patients {dice} goes from {small['dice']:.3f} to "
        f"{large['dice']:.3f}"
    )
    last = f"; the last step, from {before['patients']:.0f} to {large['patients']:.0f}, brings "
    return text + (f"{last}{large['dice'] - before['dice']:+.3f}." if len(mine) > 2 else ".")


def _warnings(methods: Sequence[Sequence[Row]]) -> list[str]:
    found = []
    if len({row["seed"] for rows in methods for row in rows}) == 1:
        found.append("One seed: another choice of patients or another training may give another curve.")
    if any(len(_each(rows, "steps")) > 1 for rows in methods):
        found.append("The parts were trained for different numbers of steps.")
    return found


def _table(rows: Sequence[Row]) -> Table:
    several = len(_each(rows, "method")) > 1
    heads = ("Patients", "Slices", "Seed", "Steps", "Prompts", "Mask", "Dice", "Cases")
    lines = tuple(Line(f"{row['method']} " * several + f"{row['fraction']:g}", _cells(row)) for row in rows)
    caption = "Means with 95 % bootstrap intervals over cases."
    return Table("scaling", "Every part", caption, "Share", tuple(Column(head) for head in heads), lines)


def _cells(row: Row) -> tuple[Cell, ...]:
    whole = [Cell(f"{row[key]:.0f}") for key in ("patients", "slices", "seed", "steps")]
    dice = Cell(number(row["dice"], 3), span(row["low"], row["high"], 3) if row["cases"] > 1 else "")
    return (*whole, Cell(row["prompts"]), Cell(row["choice"]), dice, Cell(f"{row['cases']:.0f}"))
