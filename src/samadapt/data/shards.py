"""Shard files: chunks one after another, only ever appended to."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType

from samadapt.core.atomic import disk_errors
from samadapt.core.errors import StoreError

SHARD_BYTES = 1 << 30
_BLOCK = 1 << 22


def shard_path(store: Path, number: int) -> Path:
    """File of shard `number`."""
    return store / "shards" / f"{number:05d}.blosc"


class ShardWriter:
    """Appends whole cases; a case never spans two shards.

    Parameters
    ----------
    store : Path
    ends : dict of int to int
        Bytes of each shard that the journal accounts for. What lies behind them is cut off, and shards that
        are not named are removed: they belong to cases that were never finished.
    roll_at : int
        A shard of at least so many bytes takes no further case.
    """

    def __init__(self, store: Path, ends: dict[int, int], roll_at: int = SHARD_BYTES) -> None:
        self._store, self._roll_at = store, roll_at
        shard_path(store, 0).parent.mkdir(parents=True, exist_ok=True)
        _truncate(store, ends)
        self.number = max(ends, default=0)
        self.size = ends.get(self.number, 0)
        self._fd = self._open()

    def append(self, payload: bytes | Path) -> tuple[int, int]:
        """Write the chunks of a case; returns (shard, offset of the first byte).

        Raises
        ------
        DiskFull
            If there is no room; the shard then ends where it ended before.
        """
        if self.size >= self._roll_at:
            self._roll()
        start = self.size
        path = shard_path(self._store, self.number)
        try:
            with disk_errors(path):
                self.size += self._write(payload)
        except BaseException:
            os.ftruncate(self._fd, start)
            os.lseek(self._fd, start, os.SEEK_SET)
            raise
        return self.number, start

    def sync(self) -> None:
        """Force everything appended so far to the disk."""
        with disk_errors(shard_path(self._store, self.number)):
            os.fsync(self._fd)

    def close(self) -> None:
        """Close the current shard."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> int:
        path = shard_path(self._store, self.number)
        with disk_errors(path):
            fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        os.lseek(fd, self.size, os.SEEK_SET)
        return fd

    def _roll(self) -> None:
        self.sync()
        self.close()
        self.number, self.size = self.number + 1, 0
        self._fd = self._open()

    def _write(self, payload: bytes | Path) -> int:
        if isinstance(payload, bytes):
            return self._write_block(payload)
        total = 0
        with open(payload, "rb") as file:
            while block := file.read(_BLOCK):
                total += self._write_block(block)
        return total

    def _write_block(self, block: bytes) -> int:
        view = memoryview(block)
        while view:
            view = view[os.write(self._fd, view) :]
        return len(block)


class ShardReader:
    """Reads at offsets; file handles are opened when first needed, so it travels to other processes unopened.

    Safe from several threads and processes at once: nothing is shared but read-only descriptors.
    """

    def __init__(self, store: Path) -> None:
        self._store = store
        self._files: dict[int, int] = {}

    def read(self, shard: int, offset: int, size: int, *, case: str) -> bytes:
        """`size` bytes at `offset`.

        Raises
        ------
        StoreError
            If the shard is missing or too short; names the case.
        """
        path = shard_path(self._store, shard)
        try:
            if shard not in self._files:
                self._files[shard] = os.open(path, os.O_RDONLY)
            block = os.pread(self._files[shard], size, offset)
        except OSError as error:
            raise damaged(path, case, f"the file cannot be read ({error.strerror})") from error
        if len(block) != size:
            raise damaged(path, case, "the file is shorter than the index says")
        return block

    def close(self) -> None:
        """Close all files of this process."""
        while self._files:
            os.close(self._files.popitem()[1])

    def __del__(self) -> None:
        self.close()


def damaged(path: object, case: str, what: str) -> StoreError:
    """Error for a chunk that cannot be read."""
    return StoreError(
        f"case {case!r} is damaged: {what}",
        where=path,
        remedy="Copy the store again from where it came, or delete the folder and run samadapt prepare again.",
    )


def _truncate(store: Path, ends: dict[int, int]) -> None:
    for number, end in ends.items():
        path = shard_path(store, number)
        if not path.exists() or path.stat().st_size < end:
            raise StoreError(
                "the shard is missing or shorter than its journal",
                where=path,
                remedy="The store was copied incompletely: copy it again, or delete it and run samadapt prepare.",
            )
        os.truncate(path, end)
    for path in (store / "shards").glob("*.blosc"):
        if int(path.stem) not in ends:
            path.unlink()
