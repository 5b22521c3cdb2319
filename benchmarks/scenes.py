"""Scenes a second on one core and on all: ``python benchmarks/scenes.py [COUNT] [SIZE] [WORKERS]``."""

from __future__ import annotations

import os
import sys
import time
from collections import defaultdict
from concurrent.futures import ProcessPoolExecutor
from statistics import mean

from samadapt.data.synthetic import KINDS, scene


def timed(index: int, size: int, kind: str | None = None) -> float:
    """Seconds of processor time that one scene takes."""
    start = time.process_time()
    scene("benchmark", index, size=size, kind=kind)
    return time.process_time() - start


def batch(first: int, count: int, size: int) -> int:
    """Make `count` scenes; returns how many objects they hold."""
    return sum(len(scene("benchmark", index, size=size).masks) for index in range(first, first + count))


def main(count: int = 400, size: int = 256, workers: int = os.cpu_count() or 1) -> None:
    """Print milliseconds by kind, then scenes a second."""
    by_kind = defaultdict(list)
    timed(0, size)
    for kind in KINDS:
        by_kind[kind] = [timed(index, size, kind) for index in range(12)]
        print(f"{kind:12s} {1e3 * mean(by_kind[kind]):6.1f} ms")
    start, busy = time.perf_counter(), time.process_time()
    objects = batch(0, count, size)
    one, busy = count / (time.perf_counter() - start), time.process_time() - busy
    print(f"one process : {one:6.1f} scenes/s, {1e3 * busy / count:.1f} ms of processor time and ", end="")
    print(f"{objects / count:.1f} objects a scene")
    with ProcessPoolExecutor(workers) as pool:
        list(pool.map(batch, [0] * workers, [1] * workers, [size] * workers))
        start = time.perf_counter()
        list(pool.map(batch, [k * count for k in range(workers)], [count] * workers, [size] * workers))
    print(f"{workers} processes : {workers * count / (time.perf_counter() - start):6.1f} scenes/s at {size} px")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:4]))
