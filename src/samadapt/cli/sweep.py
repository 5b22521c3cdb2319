"""``samadapt sweep``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samadapt.cli.generate import make_command
from samadapt.study.configs import config_path
from samadapt.study.sweep_config import SweepConfig

if TYPE_CHECKING:
    from samadapt.study.sweep import SweepResult


def _run(config: SweepConfig) -> SweepResult:
    from samadapt.study.sweep import sweep

    return sweep(config)


def _show(result: SweepResult) -> None:
    from rich.console import Console
    from rich.table import Table

    from samadapt.report.empty import left_out_in_words

    heads = ("model", "size", "prompts", "phases", "mask by")
    table = Table(*heads, title="Dice", title_justify="left", header_style="bold")
    table.add_column("mean", justify="right")
    table.add_column("95 %", justify="right")
    for row in result.rows:
        words = (row.model, str(row.image_size), row.prompts, row.phases or "–", row.choice)
        table.add_row(*words, f"{row.dice:.3f}", f"{row.low:.3f}–{row.high:.3f}")
    Console().print(table)
    for line in left_out_in_words(result.excluded):
        Console().print(line, markup=False, highlight=False, soft_wrap=True)
    if result.empty_labels:
        Console().print(f"No measured case holds: {', '.join(result.empty_labels)}", markup=False)
    Console().print(f"{len(result.rows)} conditions in {result.folder}: conditions.csv and page.html", markup=False)


command = make_command(SweepConfig, _run, show=_show, config_path=config_path)
