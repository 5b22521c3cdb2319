"""``samadapt report``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from samadapt.cli.show import guarded, print_json


def command(
    runs: Annotated[list[Path], typer.Argument(help="Run folders of train and evaluate.")],
    out: Annotated[Path, typer.Option(help="HTML page to write; CSV and Markdown tables are put beside it.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print where the page is as JSON.")] = False,
) -> None:
    """Write one self-contained page from result files only."""
    _report(runs=runs, out=out, as_json=as_json)


@guarded
def _report(*, runs: list[Path], out: Path, as_json: bool) -> None:
    from samadapt.report import report

    page = report(runs, out)
    if as_json:
        print_json({"report": str(page)})
    else:
        typer.echo(f"The report: {page}")
