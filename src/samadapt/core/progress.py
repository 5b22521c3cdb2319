"""Progress of long work: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

PLAIN_EVERY_S = 10.0


def say(text: str) -> None:
    """One line to standard error, so that standard output stays for results."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201


class Progress:
    """Context manager that counts steps.

    On a terminal a rich bar with time left; elsewhere a plain line at most every ten seconds, so that
    logs of batch jobs stay readable.

    Parameters
    ----------
    title : str
    total : int or None
        Number of steps; None where it is not known.
    """

    def __init__(self, title: str, total: int | None) -> None:
        self.title, self.total, self.done = title, total, 0
        self._bar: Any = None
        self._task: Any = None
        self._began = self._printed = time.monotonic()

    def __enter__(self) -> Progress:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            columns = ("[bold]{task.description}", BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
            more = (TextColumn("left"), TimeRemainingColumn(), TextColumn("{task.fields[note]}", style="dim"))
            self._bar = Bar(*columns, *more, console=Console(stderr=True))
            self._bar.start()
            self._task = self._bar.add_task(self.title, total=self.total, note="")
        return self

    def step(self, note: str = "", steps: int = 1) -> None:
        """Count steps; `note` is shown beside the bar."""
        self.done += steps
        if self._bar is not None:
            self._bar.update(self._task, advance=steps, note=note)
        elif time.monotonic() - self._printed > PLAIN_EVERY_S:
            self._printed = time.monotonic()
            say(self._line(note))

    def _line(self, note: str) -> str:
        elapsed = time.monotonic() - self._began
        count = str(self.done) if self.total is None else f"{self.done}/{self.total}"
        left = "" if not self.total else f", {elapsed * (self.total - self.done) / max(self.done, 1):.0f} s left"
        return f"{self.title}: {count}, {elapsed:.0f} s{left}{', ' + note if note else ''}"

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
