"""Measures two ways of doing one thing, in turn, and writes down the ratio with the facts of the machine."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

RESULTS = Path(__file__).parent / "results"


def alternate(sides: dict[str, Callable[[], object]], rounds: int = 5, warm_up: bool = True) -> dict[str, list[float]]:
    """Seconds of every round of every side.

    The sides take turns, so that a busy machine slows all of them alike.

    Parameters
    ----------
    sides : dict of str to callable
    rounds : int
    warm_up : bool
        Run each once before measuring.

    Returns
    -------
    dict of str to list of float
    """
    if warm_up:
        for side in sides.values():
            side()
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            start = time.perf_counter()
            side()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def compare(seconds: dict[str, list[float]], ours: str, theirs: str) -> dict[str, float]:
    """Median seconds of both sides and how many times faster ours is (median and least of the rounds' ratios)."""
    ratios = [b / a for a, b in zip(seconds[ours], seconds[theirs])]
    return {
        f"{ours}_s": median(seconds[ours]),
        f"{theirs}_s": median(seconds[theirs]),
        "ratio": median(ratios),
        "least_ratio": min(ratios),
    }


def machine() -> dict[str, Any]:
    """Facts a figure needs to be read: processor, cores, load, versions, commit."""
    cpu = next((line.split(":")[1].strip() for line in _read("/proc/cpuinfo") if line.startswith("model name")), "")
    memory = next((int(line.split()[1]) >> 10 for line in _read("/proc/meminfo") if line.startswith("MemTotal")), 0)
    return {
        "processor": cpu or platform.processor(),
        "cores": os.cpu_count(),
        "memory_mib": memory,
        "system": platform.platform(),
        "python": platform.python_version(),
        "load_1min": round(os.getloadavg()[0], 2),
        "commit": _commit(),
        "date": time.strftime("%Y-%m-%d"),
        "threads": os.environ.get("OMP_NUM_THREADS", "default"),
    }


def record(name: str, figures: dict[str, Any], targets: dict[str, tuple[str, float]] | None = None) -> Path:
    """Print the figures beside their targets and write results/<name>.json.

    Parameters
    ----------
    name : str
    figures : dict
        JSON-ready; nested dictionaries are allowed.
    targets : dict of str to (">=" or "<=", number)
        For figures at the top level.
    """
    verdicts = {key: _met(figures[key], *target) for key, target in (targets or {}).items()}
    for key, value in figures.items():
        aim = f"   target {targets[key][0]} {targets[key][1]:g}: {_word(verdicts[key])}" if key in verdicts else ""
        print(f"{key:32s} {_text(value)}{aim}")
    content = {"name": name, "figures": figures, "targets": targets or {}, "met": verdicts, "machine": machine()}
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    print(f"-> {path}")
    return path


def peak_memory_mib(code: str, *arguments: str) -> float:
    """Largest resident memory, in MiB, of a fresh Python that runs `code`, or of the largest of its children."""
    report = (
        "\nimport resource as _r\n"
        "print('PEAK', max(_r.getrusage(w).ru_maxrss for w in (_r.RUSAGE_SELF, _r.RUSAGE_CHILDREN)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code + report, *arguments], check=True, stdout=subprocess.PIPE, text=True
    )
    return int(done.stdout.split("PEAK")[1]) / 1024


def _met(value: float, relation: str, bound: float) -> bool:
    return value >= bound if relation == ">=" else value <= bound


def _word(met: bool) -> str:
    return "met" if met else "MISSED"


def _text(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _read(path: str) -> list[str]:
    return Path(path).read_text().splitlines() if Path(path).exists() else []


def _commit() -> str:
    command = ["git", "-C", str(Path(__file__).parent), "rev-parse", "--short", "HEAD"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip()
