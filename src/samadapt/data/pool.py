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
from typing import TYPE_CHECKING, Any, Protocol

from samadapt.core.errors import DataError, DiskFull, SamadaptError
from samadapt.data.encode import EncodeSettings, encode_case

if TYPE_CHECKING:
    from samadapt.data.recipes.base import CaseSource

_MOST_WORKERS = 8
_AHEAD = 4


Outcome = dict[str, Any] | str
"""The journal line of a case, or the reason it is left out."""


class Job(Protocol):
    """Cases that can be worked on in any process, one after another."""

    @property
    def name(self) -> str:
        """What is being prepared, for messages."""

    def __len__(self) -> int:
        """Number of cases."""

    def run(self, index: int) -> Outcome:
        """Do one case; raises `DiskFull` where there is no room."""


@dataclass(frozen=True)
class Task:
    """Cases to encode, the same way, into parts of one folder."""

    cases: Sequence[tuple[str, CaseSource]]
    settings: EncodeSettings
    folder: Path

    @property
    def name(self) -> str:
        """Name of the dataset."""
        return self.settings.dataset

    def __len__(self) -> int:
        return len(self.cases)

    def part(self, index: int) -> Path:
        """File of the chunks of case `index`."""
        return self.folder / f"{index}.part"

    def run(self, index: int) -> Outcome:
        """Encode one case into its part."""
        name, source = self.cases[index]
        part = self.part(index)
        try:
            return encode_case(source, name, self.settings, part)
        except DiskFull:
            raise
        except SamadaptError as error:
            part.unlink(missing_ok=True)
            return str(error)
        except Exception as error:
            error.add_note(f"while preparing case {name!r} of {self.name}")
            raise


def worker_count(wanted: int | None) -> int:
    """Processes to use: as wanted, else one per core that this process may use, at most 8."""
    if wanted is not None:
        return wanted
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(cores, _MOST_WORKERS)


@contextmanager
def encoding(task: Job, workers: int) -> Iterator[Iterator[tuple[int, Outcome]]]:
    """Start the workers; they end with the block.

    Parameters
    ----------
    task : Job
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
    if workers <= 1 or len(task) <= 1:
        yield ((index, task.run(index)) for index in range(len(task)))
        return
    pool = ProcessPoolExecutor(min(workers, len(task)), _context(), _start_worker, (task, os.getpid()))
    try:
        ahead = min(_AHEAD * workers, len(task))
        waiting = deque(pool.submit(_encode_here, index) for index in range(ahead))  # forks now, before other threads
        yield _in_order(pool, waiting, len(task))
    except BrokenProcessPool as error:
        raise DataError(
            "a worker process was killed, most likely for want of memory",
            where=task.name,
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


_task: Job | None = None


def _start_worker(task: Job, parent: int) -> None:
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
    return _task.run(index)
