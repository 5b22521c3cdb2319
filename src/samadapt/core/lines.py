"""A file of JSON lines that grows while a job runs, and survives an interruption in the middle of a line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from samadapt.core.atomic import disk_errors


def append_line(path: Path, value: Any) -> None:
    """Append one line; a line that was cut before stays a line of its own."""
    with disk_errors(path), open(path, "ab+") as file:
        if file.tell():
            file.seek(-1, 2)
            cut = file.read(1) != b"\n"
            file.write(b"\n" if cut else b"")
        file.write(json.dumps(value).encode() + b"\n")


def read_lines(path: Path) -> Iterator[Any]:
    """Values of all whole lines; nothing if there is no file."""
    for line in path.read_bytes().splitlines() if path.exists() else []:
        try:
            yield json.loads(line)
        except ValueError:
            continue
