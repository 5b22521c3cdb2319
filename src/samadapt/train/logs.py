"""What a run writes while it runs: JSON lines, one line on the terminal, TensorBoard if asked for."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

from samadapt.core.atomic import disk_errors, write_text
from samadapt.core.errors import ConfigError


class JsonLines:
    """File with one JSON object a line, each with a "step".

    Lines of steps after `step` are removed on opening: a killed run may have written them after its last saved state.
    """

    def __init__(self, path: Path, *, step: int) -> None:
        self.path = path
        if path.exists():
            kept = [line for line in path.read_text(encoding="utf-8").splitlines() if _step_of(line) <= step]
            write_text(path, "".join(line + "\n" for line in kept))

    def write(self, row: dict[str, Any]) -> None:
        """Append a line."""
        with disk_errors(self.path), open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")

    def read(self) -> list[dict[str, Any]]:
        """All lines."""
        return [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []


def _step_of(line: str) -> float:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")


class Display:
    """Progress on standard error: a moving bar on a terminal, else one plain line now and then."""

    def __init__(self, *, enabled: bool) -> None:
        self.enabled = enabled
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Display:
        if self.enabled and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            columns = TextColumn("step {task.fields[step]}"), BarColumn(), TextColumn("{task.fields[text]}")
            self._bar = Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True))
            self._task = self._bar.add_task("train", total=1.0, step=0, text="")
            self._bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._bar is not None:
            self._bar.stop()

    @property
    def moving(self) -> bool:
        """True on a terminal."""
        return self._bar is not None

    def show(self, step: int, progress: float, loss: float, dice: float, remaining_s: float, speed: float) -> None:
        """One state of the run; `dice` below 0 means none yet."""
        score = "" if dice < 0 else f"  Dice {dice:.4f}"
        text = f"loss {loss:.4f}{score}  {speed:.1f} images/s  {clock(remaining_s)} left"
        if self._bar is not None:
            self._bar.update(self._task, completed=progress, step=step, text=text)
        elif self.enabled:
            sys.stderr.write(f"step {step}  {100 * progress:.1f} %  {text}\n")
            sys.stderr.flush()

    def say(self, text: str) -> None:
        """A line that stays."""
        if self._bar is not None:
            self._bar.console.print(text)
        elif self.enabled:
            sys.stderr.write(text + "\n")
            sys.stderr.flush()


def clock(seconds: float) -> str:
    """h:mm:ss, or a dash for what is unknown."""
    if not 0 <= seconds < 1e7:
        return "-"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02d}:{rest:02d}"


def open_tensorboard(folder: Path) -> Any:
    """TensorBoard's writer.

    Raises
    ------
    ConfigError
        If tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ConfigError(
            "tensorboard is not installed", where="tensorboard", remedy="pip install 'samadapt[tensorboard]'"
        ) from error
    return SummaryWriter(str(folder))
