"""``samadapt models``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from samadapt.cli.show import print_json

_CAPTION = """owner/name: downloaded from the Hugging Face hub on first use.
github.com: download the file by hand and give its path. Any file or folder can be given by its path."""


def command(as_json: Annotated[bool, typer.Option("--json", help="Print the catalog as JSON.")] = False) -> None:
    """List the models of the catalog; nothing is downloaded and torch is not imported."""
    from samadapt.models import catalog

    entries = catalog.entries()
    if as_json:
        print_json([asdict(entry) for entry in entries])
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(header_style="bold", show_edge=False, caption=_CAPTION, caption_justify="left")
    table.add_column("name", no_wrap=True)
    table.add_column("size px", justify="right")
    table.add_column("weights", justify="right", no_wrap=True)
    table.add_column("licence")
    table.add_column("where from", overflow="fold")
    for entry in entries:
        count = "" if entry.parameters is None else f"{entry.parameters / 1e6:.1f} M"
        table.add_row(
            entry.name, str(entry.image_size or "any"), count, entry.licence, entry.where_from.removeprefix("https://")
        )
    Console().print(table)
