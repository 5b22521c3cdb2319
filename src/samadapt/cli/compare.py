"""``samadapt compare``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from samadapt.cli.show import guarded, print_json


def command(
    runs: Annotated[list[Path], typer.Argument(help="Run folders of evaluate and score.")],
    out: Annotated[Path, typer.Option(help="HTML page to write; CSV and Markdown tables are put beside it.")],
    external: Annotated[
        list[Path] | None, typer.Option(help="Run folder of one of the methods on other data; may be repeated.")
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Compare runs on other data or prompts, with a warning.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print where the page is as JSON.")] = False,
) -> None:
    """Compare methods on the same cases and prompts: intervals, paired tests, cost, published figures."""
    _compare(runs=runs, out=out, external=external or [], anyway=anyway, as_json=as_json)


@guarded
def _compare(*, runs: list[Path], out: Path, external: list[Path], anyway: bool, as_json: bool) -> None:
    from samadapt.report.compare import compare

    page = compare(runs, out, external=external, anyway=anyway)
    if as_json:
        print_json({"page": str(page)})
    else:
        typer.echo(f"The comparison: {page}")
