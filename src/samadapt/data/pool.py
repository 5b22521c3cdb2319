"""Cases encoded in several processes, handed back in order."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samadapt.core.errors import DataError, DiskFull, SamadaptError
from samadapt.data.encode import EncodeSettings, encode_case

if TYPE_CHECKING:
    from samadapt.data.recipes.base import CaseSource

_MOST_WORKERS = 8
_AHEAD = 4


@dataclass(frozen=True)
class Task:
    """Cases to encode, the same way, into parts of one folder."""

    cases: Sequence[tuple[str, CaseSource]]
    settings: EncodeSettings
    folder: Path

    def part(self, index: int) -> Path:
        """File of the chunks of case `index`."""
        return self.folder / f"{index}.part"


Outcome = dict[str, Any] | str
"""The journal line of a case, or the reason it is left out."""


def worker_count(wanted: int | None) -> int:
    """Processes to use: as wanted, else one per core that this process may use, at most 8."""
    if wanted is not None:
        return wanted
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MOST_WORKERS)


@contextmanager
def encoding(task: Task, workers: int) -> Iterator[Iterator[tuple[int, Outcome]]]:
    """Start the workers; they end with the block.

    Parameters
    ----------
    task : Task
    workers : int
        0 or 1: in this process.

    Yields
    ------
    iterator of (index, outcome)
        Every case, in order for any number of workers.

    Raises
    ------
    DiskFull
        If a part could not be written.
    DataError
        If a worker was killed.
    """
    if workers <= 1 or len(task.cases) <= 1:
        yield ((index, _encode(task, index)) for index in range(len(task.cases)))
        return
    pool = ProcessPoolExecutor(min(workers, len(task.cases)), _context(), _start_worker, (task, os.getpid()))
    try:
        ahead = min(_AHEAD * workers, len(task.cases))
        waiting = deque(pool.submit(_encode_here, index) for index in range(ahead))  # forks now, before other threads
        yield _in_order(pool, waiting, len(task.cases))
    except BrokenProcessPool as error:
        raise DataError(
            "a worker process was killed, most likely for want of memory",
            where=task.settings.dataset,
            remedy="Run the same command again with --workers 1: it resumes.",
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _in_order(pool: ProcessPoolExecutor, waiting: deque[Future[Outcome]], total: int) -> Iterator[tuple[int, Outcome]]:
    submitted = len(waiting)
    for index in range(total):
        outcome = waiting.popleft().result()
        if submitted < total:
            waiting.append(pool.submit(_encode_here, submitted))
            submitted += 1
        yield index, outcome


def _context() -> Any:
    """Fork where it is safe and cheap (nothing is imported again and cases need not pickle), else spawn."""
    return multiprocessing.get_context("fork" if sys.platform.startswith("linux") else "spawn")


_task: Task | None = None


def _start_worker(task: Task, parent: int) -> None:
    global _task
    _task = task
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """A worker whose parent was killed has nobody to work for."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(1)


def _encode_here(index: int) -> Outcome:
    if _task is None:
        raise RuntimeError("the worker was not started by `encoding`")
    return _encode(_task, index)


def _encode(task: Task, index: int) -> Outcome:
    name, source = task.cases[index]
    part = task.part(index)
    try:
        return encode_case(source, name, task.settings, part)
    except DiskFull:
        raise
    except SamadaptError as error:
        part.unlink(missing_ok=True)
        return str(error)
    except Exception as error:
        error.add_note(f"while preparing case {name!r} of {task.settings.dataset}")
        raise
