"""``samadapt predict``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import typer

from samadapt.cli.generate import make_command
from samadapt.infer.config import PredictConfig


def _run(config: PredictConfig) -> list[dict[str, Any]]:
    from samadapt.infer.predict import predict

    return [asdict(item) for item in predict(config)]


def _show(items: list[dict[str, Any]]) -> None:
    for item in items:
        found = ", ".join(f"{item['labels'].get(v, v)} {n} px" for v, n in item["pixels"].items()) or "nothing found"
        score = f" (predicted IoU {', '.join(f'{s:.2f}' for s in item['scores'])})" if item["scores"] else ""
        typer.echo(f"{item['out']}: {found}{score}")
    if not items:
        typer.echo("Nothing to do: every output is there already (add --overwrite to predict again).")


command = make_command(PredictConfig, _run, arguments=("source",), show=_show)
