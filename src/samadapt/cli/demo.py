"""``samadapt demo``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from samadapt.cli.generate import make_command
from samadapt.study.demo import DemoConfig

if TYPE_CHECKING:
    from samadapt.study.demo import DemoResult


def _run(config: DemoConfig) -> DemoResult:
    from samadapt.study.demo import demo

    return demo(config)


def _show(result: DemoResult) -> None:
    typer.echo(f"Mean foreground Dice on the test split: {result.zero_shot:.3f} zero-shot with boxes from the truth,")
    typer.echo(f"{result.adapted:.3f} adapted and without any prompt. {result.seconds:.0f} s in all.")
    typer.echo(f"The report: {result.report}")


command = make_command(DemoConfig, _run, show=_show)
