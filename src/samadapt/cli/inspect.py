"""``samadapt inspect``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from samadapt.cli.show import guarded, print_json


def command(
    checkpoint: Annotated[
        Path, typer.Argument(help="Checkpoint file, transformers folder, adapter folder, run folder, or name.")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Say which model a checkpoint is, from its tensors alone; no code in it is executed."""
    _inspect(checkpoint=checkpoint, as_json=as_json)


@guarded
def _inspect(*, checkpoint: Path, as_json: bool) -> None:
    from samadapt.adapt.inspect import inspect_any

    found = asdict(inspect_any(checkpoint))
    if as_json:
        print_json(found)
        return
    for key, value in found.items():
        if value not in (None, "", (), []):
            shown = "; ".join(value) if isinstance(value, tuple) else value
            typer.echo(f"{key.replace('_', ' ')}: {shown}")
