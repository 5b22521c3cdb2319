"""``samadapt evaluate``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samadapt.cli.generate import make_command
from samadapt.study.config import EvaluateConfig

if TYPE_CHECKING:
    from samadapt.study.evaluate import Evaluation


def _run(config: EvaluateConfig) -> Evaluation:
    from samadapt.study.evaluate import evaluate

    return evaluate(config)


def _show(result: Evaluation) -> None:
    from rich.console import Console
    from rich.table import Table

    shown = [e for e in result.summary if e["figure"] in ("dice", "hd95", "nsd")]
    columns = list(dict.fromkeys((e["prompts"], e["method"], e["choice"]) for e in shown))
    for figure, title in (("dice", "Dice"), ("hd95", "HD95 mm, found objects only"), ("nsd", "NSD")):
        table = Table(title=title, title_justify="left", header_style="bold")
        table.add_column("label", overflow="fold", min_width=12)
        for prompts, method, choice in columns:
            table.add_column(f"{prompts}\n{choice if method == 'model' else method}", justify="right", overflow="fold")
        for name in dict.fromkeys(e["name"] for e in shown if e["figure"] == figure):
            cells = {
                (e["prompts"], e["method"], e["choice"]): e for e in shown if (e["name"], e["figure"]) == (name, figure)
            }
            table.add_row(name, *(_cell(cells.get(column)) for column in columns))
        Console().print(table)
    Console().print("Means over cases; 95 % intervals and every case are in the run folder.", style="dim")
    Console().print(f"Written to {result.folder}. A page of it: samadapt report {result.folder} --out page.html")


def _cell(entry: dict[str, float] | None) -> str:
    return "–" if entry is None or entry["mean"] is None else f"{entry['mean']:.3f}"


command = make_command(EvaluateConfig, _run, show=_show)
