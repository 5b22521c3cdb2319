"""What `convert`, `merge` and `unmerge` tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from samadapt.adapt.exchange import Exchanged


def show(done: Exchanged) -> None:
    """One line on what was written and how exactly, then the notes."""
    measured = f"answers differ by {done.largest_difference:.1e} at most (accepted: {done.tolerance:.0e})"
    typer.echo(f"{done.out}: {done.parameters:,} parameters ({done.layout}); {measured}")
    for note in done.notes:
        typer.echo(f"  {note}")
