"""The page and, beside it, its tables as CSV and Markdown."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from samadapt.core.atomic import write_text
from samadapt.report.grid import DASH, Cell, Table
from samadapt.report.runs import Run

_FIGURE_KEYS = ("prompts", "method", "choice", "label", "name", "figure", "mean", "low", "high", "n", "left_out")


def write_files(page: Path, html: str, runs: list[Run], tables: Mapping[str, Table]) -> None:
    """Write everything; tables and figures first, the page last."""
    for slug, table in tables.items():
        write_text(page.with_name(f"{page.stem}-{slug}.csv"), table_as_csv(table))
    if any(run.summary for run in runs):
        write_text(page.with_name(f"{page.stem}-figures.csv"), figures_as_csv(runs))
    write_text(page.with_name(f"{page.stem}.md"), "\n".join(table_as_markdown(table) for table in tables.values()))
    write_text(page, html)


def figures_as_csv(runs: list[Run]) -> str:
    """Every entry of every summary at full precision, with the name of its run first."""
    rows = [[run.name, *(entry[key] for key in _FIGURE_KEYS)] for run in runs for entry in run.summary]
    return _csv([["run", *_FIGURE_KEYS], *rows])


def table_as_csv(table: Table) -> str:
    """A table at full precision: one column for each value of a cell."""
    keys = [_keys(table, i) for i in range(len(table.columns))]
    titles = [f"{c.title}: {key}" if key else c.title for c, names in zip(table.columns, keys) for key in names]
    rows = [
        [line.name, *(_value(cell, key) for cell, names in zip(line.cells, keys) for key in names)]
        for line in table.lines
    ]
    return _csv([[table.corner, *titles], *rows])


def _keys(table: Table, column: int) -> list[str]:
    keys = dict.fromkeys(key for line in table.lines for key in line.cells[column].values)
    return list(keys) or [""]


def _value(cell: Cell, key: str) -> Any:
    text = "" if key or cell.values or cell.text == DASH else cell.text
    return cell.values.get(key, text)


def _csv(rows: list[list[Any]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def table_as_markdown(table: Table) -> str:
    """A table as it is read on the page."""
    head = [table.corner, *(column.title for column in table.columns)]
    marks = [":--", *(":--" if column.kind == "words" else "--:" for column in table.columns)]
    body = [[_name(line.name, line.detail, line.average), *map(_markdown, line.cells)] for line in table.lines]
    rows = ["| " + " | ".join(map(_escaped, cells)) + " |" for cells in (head, marks, *body)]
    notes = [f"- {note}" for note in table.notes]
    return "\n".join([f"## {table.title}", "", table.caption, "", *rows, "", *notes, *([""] if notes else [])])


def _name(name: str, detail: str, average: bool) -> str:
    text = f"{name} ({detail})" if detail else name
    return f"*{text}*" if average else text


def _markdown(cell: Cell) -> str:
    text = f"**{cell.text}**" if cell.best else cell.text
    return " ".join(part for part in (text, f"({cell.detail})" if cell.detail else "", cell.remark) if part)


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
