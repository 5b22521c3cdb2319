"""``samadapt models``."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from samadapt.cli.generate import print_json


def command(as_json: Annotated[bool, typer.Option("--json", help="Print the catalog as JSON.")] = False) -> None:
    """List the models of the catalog; nothing is downloaded and torch is not imported."""
    from samadapt.models import catalog

    entries = catalog.entries()
    if as_json:
        print_json([asdict(entry) for entry in entries])
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(header_style="bold", show_edge=False)
    for title in ("name", "family", "size px", "parameters", "licence", "where from"):
        table.add_column(title, justify="right" if title in ("size px", "parameters") else "left")
    for entry in entries:
        count = "" if entry.parameters is None else f"{entry.parameters / 1e6:.1f} M"
        table.add_row(
            entry.name, entry.family, str(entry.image_size), count, entry.licence, entry.hub_id or "in the package"
        )
    Console().print(table)
