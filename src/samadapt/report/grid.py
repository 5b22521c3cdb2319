"""A table before it is HTML, CSV or Markdown."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal

ColumnKind = Literal["model", "bound", "published", "plain", "words"]


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes
    ----------
    text : str
        What is read first; a dash where nothing was measured.
    detail : str
        Its interval.
    remark : str
        What a reader must know with it, such as organs missed.
    best : bool
        Best model of its row.
    values : mapping of str to number
        The same at full precision, for CSV.
    """

    text: str
    detail: str = ""
    remark: str = ""
    best: bool = False
    values: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Column:
    """Head of a column: what was measured (`head`, `detail`), told what (`over`), of what (`group`).

    `kind` is "model" (competes for the best), "bound" (ellipse or oracle), "published", "plain" (numbers) or "words".
    """

    head: str
    detail: str = ""
    group: str = ""
    over: str = ""
    kind: ColumnKind = "plain"

    @property
    def title(self) -> str:
        """All of it in one line."""
        return ", ".join(part for part in (self.group, self.over, self.head, self.detail) if part)


@dataclass(frozen=True)
class Line:
    """One row; `average` sets it apart."""

    name: str
    cells: tuple[Cell, ...]
    detail: str = ""
    average: bool = False


@dataclass(frozen=True)
class Table:
    """Rows and columns with a caption and remarks."""

    slug: str
    title: str
    caption: str
    corner: str
    columns: tuple[Column, ...]
    lines: tuple[Line, ...]
    notes: tuple[str, ...] = ()

    @property
    def groups(self) -> list[tuple[str, int, ColumnKind, bool]]:
        """Neighbouring columns of one group: name, number, kind, and True for a border on their left."""
        return self._spans(lambda column: column.group, lambda column: column.group)

    @property
    def overs(self) -> list[tuple[str, int, ColumnKind, bool]]:
        """Neighbouring columns of one group that were told the same."""
        return self._spans(lambda column: column.over, lambda column: f"{column.group}\n{column.over}")

    def _spans(
        self, name: Callable[[Column], str], key: Callable[[Column], str]
    ) -> list[tuple[str, int, ColumnKind, bool]]:
        found, at = [], 0
        for _, members in groupby(self.columns, key=key):
            columns = list(members)
            found.append((name(columns[0]), len(columns), columns[0].kind, at in self.starts))
            at += len(columns)
        return found

    @property
    def starts(self) -> frozenset[int]:
        """Numbers of the columns that begin a group."""
        columns = self.columns
        return frozenset(i for i in range(1, len(columns)) if columns[i].group != columns[i - 1].group)


DASH = "–"
NOTHING = Cell(DASH)


def number(value: Any, digits: int) -> str:
    """Fixed decimals, or a dash for what is not there."""
    return DASH if value is None or value != value else f"{value:.{digits}f}"


def p_text(p: float) -> str:
    """A p value with as many digits as mean something."""
    if math.isnan(p):
        return NOTHING.text
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def span(low: Any, high: Any, digits: int) -> str:
    """Interval in words' shortest form."""
    return "" if low is None or high is None else f"{low:.{digits}f}–{high:.{digits}f}"


def joined(names: list[str]) -> str:
    """a, b and c."""
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1] if names else ""
