"""What every asked convention says of the same predictions: rows case by case, counts, and one summary."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from samadapt import metrics
from samadapt.core.atomic import write_json, write_text
from samadapt.study.rows import to_csv

JOURNAL = "conventions.jsonl"
FIGURES = ("dice", "iou", "hd95", "assd", "nsd")
PER_MASK = ("dice", "iou")
"""Figures that a convention may take of every slice by itself."""
WITHOUT = "mean without background"
ALL = "all labels"

Condition = tuple[str, str, str]


@dataclass(frozen=True)
class Entry:
    """Figures of one label of one case under one convention.

    `unit` is that of hd95 and assd, "mm" or "voxel"; `masks` is the number of masks that Dice and IoU are the mean of;
    the rest is as in `rows.Row`.
    """

    convention: str
    case: str
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
    unit: str
    masks: int = 1


@dataclass(eq=False)
class Ledger:
    """Collects entries and counts while a run measures, and keeps them case by case so that it can be resumed.

    Attributes
    ----------
    folder : Path
        Run folder.
    conventions : tuple of str
        Names, in the order in which they are shown.
    labels : mapping of int to str
        Names of all labels of the data.
    ignore : int or None
        Value of reference pixels that the counts leave out.
    """

    folder: Path
    conventions: tuple[str, ...]
    labels: Mapping[int, str]
    ignore: int | None = None
    _open: dict[str, dict[str, Any]] = field(default_factory=dict)
    _saved: dict[str, dict[str, Any]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.conventions)

    def __post_init__(self) -> None:
        self._saved = {line["case"]: line for line in _lines(self.folder / JOURNAL)}

    def add(self, row: Mapping[str, Any], scores: Mapping[str, Mapping[str, Any]]) -> None:
        """Note the scores of one label by convention; `row` says of which case, label, object and condition."""
        head = {key: row[key] for key in ("case", "label", "name", "object", "prompts", "method", "choice")}
        entries = self._case(head["case"])["entries"]
        for name in self.conventions:
            figures = {key: scores[name][key] for key in (*FIGURES, "tolerance_mm", "unit", "masks")}
            entries.append(list(asdict(Entry(name, **head, **figures)).values()))

    def count(self, case: str, condition: Condition, reference: NDArray[Any], prediction: NDArray[Any]) -> None:
        """Add the counts of one case's label maps to the conventions that pool them."""
        for name in metrics.pooled_conventions():
            if name in self.conventions:
                found = metrics.count(reference, prediction, list(self.labels), name, self.ignore)
                self._case(case)["counts"].append([name, *condition, found.as_json()])

    def save(self, case: str) -> None:
        """Append a finished case to the journal; nothing where no convention is asked for."""
        if not self:
            return
        self._saved[case] = self._case(case)
        del self._open[case]
        with open(self.folder / JOURNAL, "a", encoding="utf-8") as file:
            file.write(json.dumps(self._saved[case]) + "\n")

    def write(self, cases: Sequence[str]) -> None:
        """Write conventions.csv and conventions.json of some cases; the journal goes. Nothing without conventions."""
        if not self:
            return
        lines = [self._saved[case] for case in cases]
        entries = [Entry(*values) for line in lines for values in line["entries"]]
        write_text(self.folder / "conventions.csv", to_csv(entries, Entry))
        counts = [values for line in lines for values in line["counts"]]
        write_json(self.folder / "conventions.json", [*_averaged(entries), *_counted(counts, self.labels)])
        (self.folder / JOURNAL).unlink(missing_ok=True)

    def _case(self, name: str) -> dict[str, Any]:
        return self._open.setdefault(name, {"case": name, "entries": [], "counts": []})


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """Complete lines; that of a case which was interrupted is cut or missing."""
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            yield json.loads(line)
        except ValueError:
            return


def _averaged(entries: Iterable[Entry]) -> Iterator[dict[str, Any]]:
    """Means of each label, and of all of them as the convention takes it."""
    by_key: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for e in entries:
        by_key.setdefault((e.convention, e.prompts, e.method, e.choice), []).append(asdict(e))
    for key, rows in by_key.items():
        head = dict(zip(("convention", "prompts", "method", "choice"), key)) | {"unit": rows[0]["unit"]}
        for name, chosen in _by_label(rows).items():
            for figure in FIGURES:
                yield head | _figure(name, figure, mean_over(chosen, figure, "cases"), *_numbers(chosen, figure))
        for figure in FIGURES:
            mean = mean_over(rows, figure, metrics.convention(key[0]).mean_over)
            yield head | _figure(WITHOUT, figure, mean, *_numbers(rows, figure))


def _by_label(rows: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Rows by the name of their label, in the order of the labels."""
    found: dict[str, list[dict[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: int(row["label"])):
        found.setdefault(row["name"], []).append(row)
    return found


def _numbers(rows: Sequence[Mapping[str, Any]], figure: str) -> tuple[int, int]:
    """How many rows are in a mean, and how many are left out of it."""
    used = sum(math.isfinite(row[figure]) for row in rows)
    return used, len(rows) - used


def mean_over(rows: Sequence[Mapping[str, Any]], figure: str, over: str) -> float:
    """Mean of a figure over labels and then cases ("cases"), cases and then labels ("labels"), or over all rows."""
    if over == "cases":
        return metrics.finite_mean(metrics.case_means(rows, figure).values())
    if over == "labels":
        by_label = ([row for row in rows if row["label"] == label] for label in {row["label"] for row in rows})
        return metrics.finite_mean(mean_over(chosen, figure, "cases") for chosen in by_label)
    return _weighted(rows, figure)


def _weighted(rows: Sequence[Mapping[str, Any]], figure: str) -> float:
    """Mean of the finite rows, each as heavy as the number of masks it is the mean of."""
    weights = (row.get("masks", 1) if figure in PER_MASK else 1 for row in rows)
    finite = [(row[figure], weight) for row, weight in zip(rows, weights) if math.isfinite(row[figure])]
    whole = sum(weight for _, weight in finite)
    return sum(value * weight for value, weight in finite) / whole if whole else math.nan


def _counted(counts: Sequence[list[Any]], labels: Mapping[int, str]) -> Iterator[dict[str, Any]]:
    """Figures that are read from the sum of all counts."""
    by_key: dict[tuple[str, ...], list[metrics.Counts]] = {}
    for name, prompts, method, choice, data in counts:
        by_key.setdefault((name, prompts, method, choice), []).append(metrics.counter(name).from_json(data))
    names: dict[int | str, str] = {0: "background", "all": ALL}
    names.update(labels.items())
    for key, found in by_key.items():
        head = dict(zip(("convention", "prompts", "method", "choice"), key)) | {"unit": ""}
        for label, figures in metrics.merge(found).figures().items():
            for figure, value in figures.items():
                yield head | {"counted": True} | _figure(names[label], figure, value, len(found), 0)


def _figure(name: str, figure: str, value: float, n: int, left_out: int) -> dict[str, Any]:
    """n: rows in the mean, or cases that were counted together."""
    defined = value if math.isfinite(value) else None
    return {"name": name, "figure": figure, "value": defined, "n": n, "left_out": left_out}
