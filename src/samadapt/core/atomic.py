"""Files that are either whole or absent."""

from __future__ import annotations

import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from samadapt.core.errors import DiskFull, SamadaptError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_LEAST_BYTES = 1 << 16


@contextmanager
def disk_errors(where: object) -> Iterator[None]:
    """Turn "no space left" into `DiskFull` that names the place, whichever library met it."""
    try:
        yield
    except SamadaptError:
        raise
    except Exception as error:
        if is_disk_full(error, where):
            raise disk_full(where) from error
        raise


def disk_full(where: object) -> DiskFull:
    """The error for a place without room."""
    return DiskFull(
        "the disk is full; nothing half-written was left",
        where=where,
        remedy="Free some space or choose another output folder, then run the same command again "
        "(train and evaluate with --resume): it goes on where it stopped.",
    )


def is_disk_full(error: BaseException, where: object = None) -> bool:
    """True if an error, or one it came from, means that the disk has no room.

    safetensors hides the number in its text; torch and ITK give no reason at all, so then the disk itself is asked.
    """
    chain: BaseException | None = error
    while chain is not None:
        if isinstance(chain, OSError) and chain.errno in _FULL:
            return True
        if any(f"os error {number}" in str(chain) for number in _FULL):
            return True
        chain = chain.__cause__ or chain.__context__
    return type(error) is RuntimeError and isinstance(where, Path) and _is_without_room(where)


def _is_without_room(path: Path) -> bool:
    folder = next((parent for parent in path.absolute().parents if parent.is_dir()), None)
    return folder is not None and shutil.disk_usage(folder).free < _LEAST_BYTES


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Temporary path beside `path` that replaces it when the block ends well and vanishes otherwise.

    Yields
    ------
    Path
        With the suffixes of `path`, so that writers that look at the suffix do the same thing.
    """
    target = Path(path)
    with disk_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{target.name}.", suffix="".join(target.suffixes[-2:]), dir=target.parent
        )
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            _flush(temporary)
            os.chmod(temporary, 0o666 & ~_umask())
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON atomically, readable by people."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


def _flush(path: Path) -> None:
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
