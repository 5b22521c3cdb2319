"""Wall time of the commands that must answer at once, beside the time that importing torch takes."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import alternate, record

TARGET_S = 0.4
COMMANDS = {
    "help": [str(Path(sys.executable).with_name("samadapt")), "--help"],
    "models": [str(Path(sys.executable).with_name("samadapt")), "models"],
    "import_samadapt": [sys.executable, "-c", "import samadapt"],
    "import_torch": [sys.executable, "-c", "import torch"],
    "bare_python": [sys.executable, "-c", "pass"],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    sides: dict[str, Callable[[], object]] = {name: _runner(command) for name, command in COMMANDS.items()}
    best = {name: min(values) for name, values in alternate(sides, rounds).items()}
    figures: dict[str, Any] = {f"{name}_s": seconds for name, seconds in best.items()}
    asked = [name for name in COMMANDS if name not in ("import_torch", "bare_python")]
    figures |= {f"{name}_share_of_torch": best[name] / best["import_torch"] for name in asked}
    record("startup", figures, {f"{name}_s": ("<=", TARGET_S) for name in asked})


def _runner(command: list[str]) -> Callable[[], object]:
    return lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main()
