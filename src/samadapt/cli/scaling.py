"""``samadapt scaling``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from samadapt.cli.generate import make_command
from samadapt.study.configs import config_path
from samadapt.study.scaling import ScalingConfig

if TYPE_CHECKING:
    from samadapt.study.scaling import ScalingResult


def _run(config: ScalingConfig) -> ScalingResult:
    from samadapt.study.scaling import scaling

    return scaling(config)


def _show(result: ScalingResult) -> None:
    for row in result.rows:
        typer.echo(
            f"{row.patients} patients ({row.fraction:g}), seed {row.seed}, {row.prompts}, {row.choice}: "
            f"Dice {row.dice:.3f} ({row.low:.3f} to {row.high:.3f}, {row.cases} cases)"
        )
    typer.echo(f"The curve: {result.folder / 'page.html'}")


command = make_command(ScalingConfig, _run, show=_show, config_path=config_path)
