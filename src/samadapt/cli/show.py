"""Results and errors on the screen, for people or as JSON."""

from __future__ import annotations

import errno
import functools
import json
from collections.abc import Callable
from dataclasses import asdict, is_dataclass
from typing import Any

import typer

from samadapt.core.atomic import disk_full, is_disk_full
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
            if error.errno in (None, errno.EPIPE):
                raise
            told = explained(error)
            print_error(told, as_json=bool(kwargs.get("as_json")))
            raise typer.Exit(told.exit_code) from None
        except KeyboardInterrupt:
            typer.echo(
                "\nInterrupted; what was finished is kept. Run the same command again to go on "
                "(train, evaluate and demo with --resume).",
                err=True,
            )
            raise typer.Exit(130) from None

    return wrapper


def explained(error: OSError) -> SamadaptError:
    """What the system refused, with its place and a remedy."""
    if is_disk_full(error):
        return disk_full(error.filename)
    remedy = "Check that the place exists and that you may read and write there."
    return SamadaptError(f"the system says: {error.strerror}", where=error.filename, remedy=remedy)


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
