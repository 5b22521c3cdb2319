"""Put the trained base model `tiny` into the package: weights, what they were made from, curve.

samadapt train -c recipes/tiny-1.yaml
samadapt train -c recipes/tiny-2.yaml
python recipes/package_tiny.py runs/tiny-1 runs/tiny-2
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from samadapt.adapt.load import load_model
from samadapt.core.manifest import read_run
from samadapt.models.loading import WEIGHTS, save_packaged


def facts_of(run: Path) -> dict[str, Any]:
    """Validation curve, length and code version of one training run."""
    curve = [json.loads(line) for line in (run / "val.jsonl").read_text().splitlines()]
    manifest = read_run(run)
    return {
        "samadapt": manifest["samadapt"],
        "config_hash": manifest["config_hash"],
        "image_size": manifest["config"]["image_size"],
        "steps": curve[-1]["step"],
        "seconds": round(curve[-1]["seconds"]),
        "validation": [{"step": row["step"], **_rounded(row["dice"])} for row in curve],
    }


def _rounded(dice: dict[str, float]) -> dict[str, float]:
    return {name: round(value, 4) for name, value in dice.items()}


def main(first: Path, second: Path) -> None:
    """Write weights/tiny.safetensors and weights/tiny.json."""
    model = load_model(str(second))
    facts = {
        "licence": "Apache-2.0",
        "data": "generated scenes only (samadapt.data.synthetic); no real image, no other model",
        "training": [facts_of(first), facts_of(second)],
    }
    path = save_packaged(model, WEIGHTS, "tiny", **facts)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")  # noqa: T201


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:3]))
