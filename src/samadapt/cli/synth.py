"""``samadapt synth``."""

from __future__ import annotations

from typing import Any

import typer

from samadapt.cli.generate import make_command
from samadapt.data.phantoms import SynthConfig


def _run(config: SynthConfig) -> dict[str, Any]:
    from samadapt.data.phantoms import synth

    folder = synth(config)
    return {"out": str(folder), "kind": config.kind, "cases": config.cases, "seed": config.seed}


def _show(facts: dict[str, Any]) -> None:
    typer.echo(f"{facts['cases']} cases of {facts['kind']} (seed {facts['seed']}) in {facts['out']}")


command = make_command(SynthConfig, _run, show=_show)
