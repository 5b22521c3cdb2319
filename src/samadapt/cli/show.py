"""Results and errors on the screen, for people or as JSON."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from typing import Any

import typer

from samadapt.core.errors import SamadaptError


def guarded(function: Callable[..., None]) -> Callable[..., None]:
    """Print samadapt's errors as one box (or JSON) and exit with their code; Ctrl-C exits with 130."""

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        try:
            function(*args, **kwargs)
        except SamadaptError as error:
            print_error(error, as_json=bool(kwargs.get("as_json")))
            raise typer.Exit(error.exit_code) from None
        except OSError as error:
            if error.filename is None:
                raise
            where, what = error.filename, f"the system says: {error.strerror}"
            print_error(SamadaptError(what, where=where), as_json=bool(kwargs.get("as_json")))
            raise typer.Exit(SamadaptError.exit_code) from None
        except KeyboardInterrupt:
            typer.echo(
                "\nInterrupted; what was finished is kept. Run the same command with --resume to go on.", err=True
            )
            raise typer.Exit(130) from None

    return wrapper


def print_error(error: SamadaptError, *, as_json: bool) -> None:
    """Write what, where and remedy to standard error, or as JSON to standard output."""
    if as_json:
        where = None if error.where is None else str(error.where)
        kind = type(error).__name__
        typer.echo(json.dumps({"error": {"kind": kind, "what": error.what, "where": where, "remedy": error.remedy}}))
        return
    from rich.console import Console
    from rich.panel import Panel
    from rich.text import Text

    text = Text(error.what)
    if error.where is not None:
        text.append(f"\n\nWhere: {error.where}", style="dim")
    if error.remedy:
        text.append(f"\n\n{error.remedy}", style="green")
    Console(stderr=True).print(Panel(text, title=type(error).__name__, title_align="left", border_style="red"))


def print_json(result: Any) -> None:
    """Print a result, its `as_json()`, or its fields if it is a dataclass, as one JSON document."""
    if hasattr(result, "as_json"):
        result = result.as_json()
    elif is_dataclass(result) and not isinstance(result, type):
        result = asdict(result)
    typer.echo(json.dumps(result, default=str, indent=2))
