"""``samadapt auto``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import typer

from samadapt.cli.generate import make_command
from samadapt.infer.automatic.options import AutoConfig


def _run(config: AutoConfig) -> list[dict[str, Any]]:
    from samadapt.infer.automatic.files import auto

    return [asdict(item) for item in auto(config)]


def _show(items: list[dict[str, Any]]) -> None:
    for item in items:
        few = "" if item["masks"] else " (a lower --pred-iou-thresh or --stability-score-thresh lets more through)"
        typer.echo(f"{item['out']}: {item['masks']} masks on {100 * item['covered']:.0f} % of the image{few}")
    if not items:
        typer.echo("Nothing to do: every output is there already (add --overwrite to look again).")


command = make_command(AutoConfig, _run, arguments=("source",), show=_show)
