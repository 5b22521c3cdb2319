"""Generated scenes a second in two processes at once, and the processor time of a scene, in all and by kind.

On a machine that does other work too the rate falls, while the processor time hardly changes.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ProcessPoolExecutor
from statistics import mean
from typing import Any

from harness import record
from samadapt.data.synthetic import KINDS, scene

WORKERS = 2
TARGETS = {"scenes_a_second": (">=", 150.0), "processor_ms_a_scene": ("<=", 13.0)}


def timed(index: int, size: int, kind: str | None = None) -> float:
    """Seconds of processor time that one scene takes."""
    start = time.process_time()
    scene("benchmark", index, size=size, kind=kind)
    return time.process_time() - start


def batch(first: int, count: int, size: int) -> tuple[float, int]:
    """Make `count` scenes; seconds of processor time, and how many objects they hold."""
    start = time.process_time()
    objects = sum(len(scene("benchmark", index, size=size).masks) for index in range(first, first + count))
    return time.process_time() - start, objects


def together(count: int, size: int) -> dict[str, Any]:
    """Figures of `WORKERS` processes that make `count` scenes each, without their start."""
    firsts = [worker * count for worker in range(WORKERS)]
    with ProcessPoolExecutor(WORKERS) as pool:
        list(pool.map(batch, [0] * WORKERS, [len(KINDS)] * WORKERS, [size] * WORKERS))
        start = time.perf_counter()
        done = list(pool.map(batch, firsts, [count] * WORKERS, [size] * WORKERS))
        seconds = time.perf_counter() - start
    total = WORKERS * count
    return {
        "scenes_a_second": total / seconds,
        "processor_ms_a_scene": 1e3 * sum(busy for busy, _ in done) / total,
        "objects_a_scene": sum(objects for _, objects in done) / total,
    }


def by_kind(count: int, size: int) -> dict[str, float]:
    """Milliseconds of processor time of each kind, after a first scene that fills the caches."""
    for kind in KINDS:
        timed(-1, size, kind)
    return {kind: 1e3 * mean(timed(index, size, kind) for index in range(count)) for kind in KINDS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=400, help="scenes for each process")
    parser.add_argument("--size", type=int, default=256, help="side of a scene in pixels")
    arguments = parser.parse_args()
    figures = together(arguments.count, arguments.size) | {"size_px": arguments.size, "processes": WORKERS}
    record("scenes", figures | {"processor_ms": by_kind(12, arguments.size)}, TARGETS)


if __name__ == "__main__":
    main()
