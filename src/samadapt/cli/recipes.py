"""``samadapt recipes``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from samadapt.cli.show import print_json


def command(as_json: Annotated[bool, typer.Option("--json", help="Print the recipes as JSON.")] = False) -> None:
    """List the published trainings that `samadapt train -c NAME` repeats."""
    from samadapt.train import recipes

    found = [recipes.get(name) for name in recipes.names()]
    if as_json:
        print_json([asdict(recipe) | {"path": str(recipe.path)} for recipe in found])
        return
    from rich.console import Console

    console = Console(highlight=False)
    for recipe in found:
        console.print(f"[bold]{recipe.name}[/]  {recipe.title}")
        for title, text in (("cite", recipe.citation), ("prepare", recipe.prepare), ("", recipe.notes)):
            console.print(f"  {title}: {text}" if title else f"  {text}", style="dim", soft_wrap=True, markup=False)
        console.print(f"  train: samadapt train -c {recipe.name}", style="dim", soft_wrap=True)
