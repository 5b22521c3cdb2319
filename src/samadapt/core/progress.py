"""How far a long job is: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import Console

_SECONDS_BETWEEN_LINES = 10.0


def say(text: str) -> None:
    """One line to standard error, so that standard output stays for results."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


class Step(Protocol):
    """Called after every finished item, or after several."""

    def __call__(self, note: str = "", count: int = 1) -> None: ...


@contextmanager
def progress(what: str, total: int, done: int = 0) -> Iterator[Step]:
    """Show `what` on standard error while the block runs.

    Parameters
    ----------
    what : str
        For example "preparing FLARE22".
    total, done : int
        Items in all, and already finished before.

    Yields
    ------
    callable
        To call once an item, or with a count; its note is shown at once (for example why a case was left out).
    """
    from rich.console import Console

    console = Console(stderr=True, highlight=False)
    if console.is_terminal:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=console) as bar:
            task = bar.add_task(what, total=total, completed=done)

            def advance(note: str = "", count: int = 1) -> None:
                if note:
                    bar.console.print(note, markup=False)
                bar.advance(task, count)

            yield advance
    else:
        lines = _Lines(console, what, total, done)
        yield lines
        lines.last()


class _Lines:
    """One line at most every ten seconds."""

    def __init__(self, console: Console, what: str, total: int, done: int) -> None:
        self._console, self._what, self._total, self._done = console, what, total, done
        self._shown = time.monotonic()

    def __call__(self, note: str = "", count: int = 1) -> None:
        self._done += count
        if note:
            self._print(note)
        if time.monotonic() - self._shown > _SECONDS_BETWEEN_LINES:
            self._shown = time.monotonic()
            self.last()

    def last(self) -> None:
        """The state now."""
        self._print(f"{self._what}: {self._done} of {self._total}")

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)
