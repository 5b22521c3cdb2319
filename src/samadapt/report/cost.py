"""What the runs cost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from samadapt.report.grid import DASH, Cell, Column, Line, Table
from samadapt.report.runs import Run

_COLUMNS = (
    Column("Job", kind="words"),
    Column("Model", kind="words"),
    Column("Time", "s"),
    Column("Per slice", "s"),
    Column("Peak memory", "MB"),
    Column("Parameters", "trained"),
    Column("Parameters", "total"),
    Column("Checkpoint", "MB"),
)


def cost_table(runs: list[Run]) -> Table:
    """One line per run; what a run does not state is a dash."""
    lines = tuple(Line(run.name, _cells(run)) for run in runs)
    notes = (
        "Time per slice is the model's time on a case over its slices, for all prompt policies of the run together.",
        "Peak memory is that of the whole process, on the GPU where one was used.",
    )
    return Table("cost", "Cost", "Time, memory and size of every run.", "Run", _COLUMNS, lines, notes)


def _cells(run: Run) -> tuple[Cell, ...]:
    facts = run.facts
    job = {"train": "training", "evaluate": "measurement"}[run.kind]
    return (
        Cell(job),
        Cell(run.model),
        _number(facts.get("seconds_total"), 1),
        _number(facts.get("seconds_per_slice"), 4),
        _number(facts.get("peak_memory_mb"), 0),
        _number(facts.get("parameters_trained"), 0),
        _number(facts.get("parameters_total"), 0),
        _number(facts.get("checkpoint_mb", checkpoint_mb(run)), 2),
    )


def checkpoint_mb(run: Run) -> float | None:
    """Megabytes (10^6 bytes) of the weights that a training run left, if they are still there."""
    for name in ("adapter", "model"):
        sizes = [path.stat().st_size for path in Path(run.folder, name).glob("*.safetensors")]
        if run.kind == "train" and sizes:
            return sum(sizes) / 1e6
    return None


def _number(value: Any, digits: int) -> Cell:
    return Cell(DASH) if value is None else Cell(f"{value:,.{digits}f}", values={"": value})
