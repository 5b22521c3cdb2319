"""The journal: one line for everything that is finished, written only after its bytes are safe.

A line is a JSON object with one key: "dataset", "case" or "excluded". The journal is the truth about a store;
the index is compiled from it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from samadapt.core.atomic import disk_errors
from samadapt.core.errors import StoreError
from samadapt.data.records import FORMAT_VERSION

JOURNAL_FILE = "journal.jsonl"


class Journal:
    """Append-only file of JSON lines.

    Parameters
    ----------
    store : Path
        Folder of the store. A last line that was cut off by a crash is removed on opening.
    """

    def __init__(self, store: Path) -> None:
        self.path = store / JOURNAL_FILE
        new = not self.path.exists()
        with disk_errors(self.path):
            self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        self._end = _whole_lines(self.path)
        if self._end < self.path.stat().st_size:
            os.ftruncate(self._fd, self._end)
        os.lseek(self._fd, self._end, os.SEEK_SET)
        self._pending: list[bytes] = []
        if new or self._end == 0:
            self.add("samadapt-store", {"version": FORMAT_VERSION})

    @property
    def pending(self) -> bool:
        """True if lines wait for `commit`."""
        return bool(self._pending)

    def add(self, kind: str, content: dict[str, Any]) -> None:
        """Queue one line for the next `commit`."""
        self._pending.append(json.dumps({kind: content}, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")

    def commit(self) -> None:
        """Write and fsync the queued lines: all of them or none.

        Raises
        ------
        DiskFull
            If there is no room; the journal then ends where it ended before.
        """
        block = b"".join(self._pending)
        try:
            with disk_errors(self.path):
                view = memoryview(block)
                while view:
                    view = view[os.write(self._fd, view) :]
                os.fsync(self._fd)
        except BaseException:
            os.ftruncate(self._fd, self._end)
            os.lseek(self._fd, self._end, os.SEEK_SET)
            raise
        self._end += len(block)
        self._pending.clear()

    def close(self) -> None:
        """Close the file; lines not committed are dropped."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_journal(store: Path) -> Iterator[tuple[str, dict[str, Any], int]]:
    """(kind, content, byte offset of the line) of every whole line; nothing where there is no journal.

    Raises
    ------
    StoreError
        If a line in the middle is damaged, or the store is of a newer version.
    """
    path = store / JOURNAL_FILE
    if not path.exists():
        return
    offset, end = 0, _whole_lines(path)
    with open(path, "rb") as file:
        while offset < end:
            line = file.readline()
            kind, content = _parse(line, path, offset)
            if kind == "samadapt-store":
                require_version(content.get("version"), store)
            yield kind, content, offset
            offset += len(line)


def read_line(file: Any, offset: int) -> dict[str, Any]:
    """Content of the line at `offset` of an open journal."""
    file.seek(offset)
    (content,) = json.loads(file.readline()).values()
    return dict(content)


def require_version(version: Any, where: object) -> None:
    """Raise `StoreError` for a store that a newer samadapt wrote."""
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise StoreError(
            f"the store has format version {version}, this samadapt reads up to {FORMAT_VERSION}",
            where=where,
            remedy="Update samadapt (pip install -U samadapt), or prepare the data again.",
        )


def _parse(line: bytes, path: Path, offset: int) -> tuple[str, dict[str, Any]]:
    try:
        ((kind, content),) = json.loads(line).items()
        if not isinstance(content, dict):
            raise ValueError("not an object")
    except (ValueError, AttributeError) as error:
        raise StoreError(
            f"the journal is damaged at byte {offset}",
            where=path,
            remedy="Copy the store again from where it came, or delete the folder and run samadapt prepare again.",
        ) from error
    return kind, content


def _whole_lines(path: Path) -> int:
    """Bytes up to the last line end."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        end = size
        while end > 0:
            start = max(0, end - (1 << 20))
            file.seek(start)
            found = file.read(end - start).rfind(b"\n")
            if found >= 0:
                return start + found + 1
            end = start
    return 0
