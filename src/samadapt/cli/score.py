"""``samadapt score``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samadapt.cli.generate import make_command
from samadapt.study.config import ScoreConfig

if TYPE_CHECKING:
    from samadapt.study.score import Scored


def _run(config: ScoreConfig) -> Scored:
    from samadapt.study.score import score

    return score(config)


def _show(result: Scored) -> None:
    from rich.console import Console
    from rich.table import Table

    from samadapt.report.empty import without_objects_in_words

    figures = (("dice", "Dice"), ("hd95", "HD95"), ("nsd", "NSD"))
    found = {(e["name"], e["figure"]): e["mean"] for e in result.summary}
    table = Table(header_style="bold")
    table.add_column("label", overflow="fold", min_width=12)
    for _, title in figures:
        table.add_column(title, justify="right")
    for name in dict.fromkeys(name for name, figure in found if figure == "dice"):
        values = [found.get((name, figure)) for figure, _ in figures]
        table.add_row(name, *("–" if value is None else f"{value:.3f}" for value in values))
    Console().print(table)
    if bare := without_objects_in_words(result.facts):
        Console().print(bare, markup=False, highlight=False, soft_wrap=True)
    Console().print(f"Written to {result.folder}. A page of it: samadapt report {result.folder} --out page.html")


command = make_command(ScoreConfig, _run, show=_show)
