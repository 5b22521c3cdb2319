"""``samadapt datasets``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from samadapt.cli.show import print_json


def command(as_json: Annotated[bool, typer.Option("--json", help="Print the recipes as JSON.")] = False) -> None:
    """List the dataset recipes with licence, citation and how to get the data."""
    from samadapt.data import recipes

    infos = [recipes.get(name).info for name in recipes.names()]
    if as_json:
        print_json([asdict(info) for info in infos])
        return
    from rich.console import Console

    console = Console(highlight=False)
    for info in infos:
        console.print(f"[bold]{info.name}[/]  {info.title} [dim]({info.modality or 'any modality'})[/]")
        for title, text in (("licence", info.licence), ("cite", info.citation), ("get it", info.how_to_get)):
            console.print(f"  {title}: {text}", style="dim", soft_wrap=True)
        if info.url:
            console.print(f"  {info.url}", style="dim", soft_wrap=True)
