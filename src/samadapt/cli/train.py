"""``samadapt train``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import typer

from samadapt.cli.generate import make_command
from samadapt.train.config import TrainConfig
from samadapt.train.recipes import config_path

if TYPE_CHECKING:
    from samadapt.train import TrainResult


def _run(config: TrainConfig) -> TrainResult:
    from samadapt.train import train

    return train(config)


def _show(result: TrainResult) -> None:
    if int(os.environ.get("RANK") or os.environ.get("LOCAL_RANK") or 0) > 0:
        return  # of several processes the first speaks
    best = "not validated" if result.best_metric is None else f"best validation Dice {result.best_metric:.3f}"
    typer.echo(f"{best}, {result.seconds:.0f} s. The adapter: {result.adapter_folder}")
    prompts = "none" if result.task == "semantic" else "box"
    typer.echo(f"Measure it: samadapt evaluate --model {result.folder} --data STORE --prompts {prompts} --out RUN")


command = make_command(TrainConfig, _run, show=_show, config_path=config_path)
