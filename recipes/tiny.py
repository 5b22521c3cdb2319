"""Train the base model `tiny` from nothing and put it into the package: weights, what they were made from, curve.

python recipes/tiny.py      nine parts: 90 minutes on one core, then 220 on two; an interrupted part is resumed

Every part hands its weights on as a file of 16-bit values, which the next one begins with. From the fifth on there is a
refiner after the mask decoder. Where a part is longer or a machine faster the weights differ: the parts end by time.
"""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from samadapt.adapt.load import load_model
from samadapt.core.manifest import read_run
from samadapt.models.architecture import KNOWN
from samadapt.models.build import assemble
from samadapt.models.loading import WEIGHTS, save_packaged

PARTS = tuple(range(1, 10))
REFINED = 5


def main() -> None:
    """Train what is not trained yet, then write weights/tiny.safetensors and weights/tiny.json."""
    for part in PARTS:
        train(part)
    facts = {
        "licence": "Apache-2.0",
        "data": "generated scenes only (samadapt.data.synthetic); no real image, no other model",
        "training": [facts_of(Path(f"runs/tiny-{part}")) for part in PARTS],
    }
    path = hand_on(PARTS[-1], WEIGHTS, **facts)
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")  # noqa: T201


def train(part: int) -> None:
    """One part, and the file that the next begins with."""
    run, model = Path(f"runs/tiny-{part}"), Path(f"runs/tiny-{part}-model")
    if not (run / "run.json").exists() or read_run(run)["status"] != "done":
        resume = ["-s", "resume=true"] if run.exists() else []
        command = [sys.executable, "-m", "samadapt", "train", "-c", f"recipes/tiny-{part}.yaml", *resume]
        subprocess.run(command, check=True)
    if not (model / "tiny.safetensors").exists():
        model.mkdir(parents=True, exist_ok=True)
        hand_on(part, model, refined=part + 1 == REFINED)


def hand_on(part: int, folder: Path, *, refined: bool = False, **facts: Any) -> Path:
    """Weights of a part as a file of their own; with a refiner that changes nothing yet if asked."""
    model = load_model(f"runs/tiny-{part}")
    if refined:
        state, network = model.sam.state_dict(), replace(model.architecture, refine=KNOWN["tiny"].refine)
        model = assemble(network, state, model.preprocessing, name="tiny", allow=("missing",))
    return save_packaged(model, folder, "tiny", **facts)


def facts_of(run: Path) -> dict[str, Any]:
    """Validation curve, length and code version of one part."""
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


if __name__ == "__main__":
    main()
