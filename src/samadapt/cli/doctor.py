"""``samadapt doctor``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from samadapt.cli.show import guarded, print_json

_STYLE = {"error": "bold red", "warning": "yellow", "note": "dim"}


def command(
    path: Annotated[Path, typer.Argument(help="Prepared store, or folder of images and labels.")],
    recipe: Annotated[str, typer.Option(help="Recipe of a folder.")] = "auto",
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as JSON.")] = False,
) -> None:
    """Look for what ruins training; exit code 1 if there is an error."""
    _examine(path=path, recipe=recipe, as_json=as_json)


@guarded
def _examine(*, path: Path, recipe: str, as_json: bool) -> None:
    from rich.console import Console

    from samadapt.data.doctor import examine

    findings = examine(path, recipe=recipe).findings
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        console = Console()
        for finding in findings:
            console.print(f"[{_STYLE[finding.severity]}]{finding.severity}[/] {finding.message}", highlight=False)
            if finding.where:
                console.print(f"  where: {finding.where}", style="dim", highlight=False)
            if finding.remedy:
                console.print(f"  {finding.remedy}", style="green", highlight=False)
        console.print(_verdict([finding.severity for finding in findings]))
    raise typer.Exit(int(any(finding.severity == "error" for finding in findings)))


def _verdict(severities: list[str]) -> str:
    if not severities:
        return "Nothing found."
    return ", ".join(f"{severities.count(kind)} {kind}s" for kind in _STYLE)
