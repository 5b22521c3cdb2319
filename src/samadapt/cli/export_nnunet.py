"""``samadapt export-nnunet``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from samadapt.cli.generate import make_command
from samadapt.data.config import ExportNnUnetConfig

if TYPE_CHECKING:
    from samadapt.data.nnunet_raw import Exported


def _run(config: ExportNnUnetConfig) -> Exported:
    from samadapt.data.nnunet_raw import export_nnunet

    return export_nnunet(config)


def _show(result: Exported) -> None:
    counts = f"{result.training} train, {result.validation} val, {result.test} test"
    typer.echo(f"{result.folder}: {counts}; {len(result.labels) - 1} labels")
    if result.validation:
        typer.echo("Copy splits_final.json into nnUNet_preprocessed/<dataset> before nnUNetv2_train ... 0.")
    typer.echo(f"Score its predictions: samadapt score -c {result.folder}/score.yaml --prediction FOLDER --out RUN")


command = make_command(ExportNnUnetConfig, _run, arguments=("store",), show=_show)
