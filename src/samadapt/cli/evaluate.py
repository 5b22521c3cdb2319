"""``samadapt evaluate``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from samadapt.cli.generate import make_command
from samadapt.core.plans import shown_entries
from samadapt.study.config import EvaluateConfig

if TYPE_CHECKING:
    from samadapt.study.evaluate import Evaluation


def _run(config: EvaluateConfig) -> Evaluation:
    from samadapt.study.evaluate import evaluate

    return evaluate(config)


def _show(result: Evaluation) -> None:
    from rich.console import Console
    from rich.table import Table

    from samadapt.report.empty import without_objects_in_words

    asked = [e["prompts"] for e in result.summary if e["figure"] == "dice_auc"]
    shown = [e for e in shown_entries(result.summary, asked) if e["figure"] in ("dice", "hd95", "nsd")]
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
    for line in _sessions(result):
        Console().print(line)
    Console().print("Means over cases; 95 % intervals and every case are in the run folder.", style="dim")
    if bare := without_objects_in_words(result.facts):
        Console().print(bare, markup=False, highlight=False, soft_wrap=True)
    Console().print(f"Written to {result.folder}. A page of it: samadapt report {result.folder} --out page.html")


def _sessions(result: Evaluation) -> list[str]:
    found = {(e["prompts"], e["figure"]): e["mean"] for e in result.summary if e["name"] == "mean without background"}
    lines = []
    for prompts, figure in found:
        if figure.startswith("clicks_to_dice_"):
            target = figure.removeprefix("clicks_to_dice_")
            clicks, missed = found[prompts, figure], found[prompts, f"missed_dice_{target}"]
            lines.append(
                f"{prompts}: {clicks:.2f} clicks to Dice {target}; {missed:.0%} of the objects never reach it."
            )
    return lines


def _cell(entry: Mapping[str, float] | None) -> str:
    return "–" if entry is None or entry["mean"] is None else f"{entry['mean']:.3f}"


command = make_command(EvaluateConfig, _run, show=_show)
