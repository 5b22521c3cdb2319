"""Learning from few volumes: `tiny` adapted, the same network from random weights, and a U-Net, for equal minutes.

python benchmarks/few_shot.py HIPPOCAMPUS --minutes 5

Needs a folder of labelled volumes (Medical Segmentation Decathlon, task 4). The test patients are the same for every
size, and the training patients of a smaller size are among those of a larger one. No checkpoint is chosen: the last
weights are measured, volume by volume. `tiny` trains a detail branch, which answers alone; the same network from random
weights trains all of itself, and so does the U-Net.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import samadapt
from harness import record
from samadapt import models
from samadapt.models.loading import save_packaged

OPTIMIZER: dict[str, Any] = {"lr": 1e-3, "weight_decay": 0.01, "clip_norm": 1.0}
COMMON: dict[str, Any] = {
    "task": {"task": "semantic", "detail": 24, "decoder": False},
    "image_size": 64,
    "context": 3,
    "balance": {"foreground_share": 0.9},
    "optimizer": OPTIMIZER,
    "augment": {"policy": "safe", "elastic": 0.03},
    "validation": {"every": 1_000_000, "max_cases": 4},
    "batch_size": 16,
    "precision": "bf16",
    "devices": 2,
    "threads": 1,
}
METHODS: dict[str, dict[str, Any]] = {
    "tiny": {"model": "tiny", "method": {"method": "head"}},
    "random": {"method": {"method": "full"}},
    "unet": {"model": "unet", "task": {"task": "semantic"}},
}
FEW = 40
"""Volumes up to which all methods learn from cuts along all axes and answer along them (`task.planes=3`), between 20,
where it helps, and 160, which cut three ways are passed over hardly once in these minutes."""
LABELS = {"tiny": "tiny, adapted", "random": "the same network from random weights", "unet": "U-Net from scratch"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--sizes", type=int, nargs="+", default=[5, 20, 160])
    parser.add_argument("--methods", nargs="+", default=list(METHODS), choices=list(METHODS))
    parser.add_argument("--out", type=Path, default=Path("runs/few-shot"))
    parser.add_argument("--name", default="few_shot", help="of the file of results")
    options = parser.parse_args()
    figures: dict[str, Any] = {"minutes": options.minutes, "source": options.source.name}
    for size in options.sizes:
        store = prepared(options.source, size, options.out)
        for name in options.methods:
            out = options.out / f"{name}-{size}"
            figures[f"{name}_{size}"] = measured(name, store, out, options.minutes, 3 if size <= FEW else 1)
    record(options.name, figures, {})
    draw(figures, options.sizes, options.methods, options.out / f"{options.name}.png")


def prepared(source: Path, size: int, out: Path) -> Path:
    """Store with `size` patients to train on and always the same fifth of all to test on."""
    store = out / f"store-{size}"
    cases = len(list((source / "imagesTr").glob("*.nii*"))) or len(list(source.rglob("*.nii*"))) // 2
    share = size / cases
    splits = {"train": share, "val": max(0.8 - share, 0.0), "test": 0.2}
    samadapt.prepare(source=source, out=store, splits=splits, seed=0)
    return store


def measured(name: str, store: Path, out: Path, minutes: float, planes: int) -> dict[str, Any]:
    """Mean foreground Dice over the test volumes, its interval, and the steps made."""
    fields = COMMON | METHODS[name] | {"data": str(store), "out": out / "train", "max_minutes": minutes}
    fields.setdefault("model", str(untrained(out.parent)))
    fields["task"] = fields["task"] | {"planes": planes}
    manifest = out / "train" / "run.json"
    if not manifest.exists() or json.loads(manifest.read_text(encoding="utf-8"))["status"] != "done":
        run(fields | {"resume": manifest.exists()}, out)
    summary = out / "test" / "summary.json"
    if not summary.exists():
        samadapt.evaluate(model=str(out / "train"), data=store, prompts=["none"], out=out / "test", resume=True)
    entries = json.loads(summary.read_text(encoding="utf-8"))
    wanted = ("mean without background", "dice")
    found = next(e for e in entries if (e["name"], e["figure"]) == wanted)
    steps = json.loads((out / "train" / "run.json").read_text(encoding="utf-8"))["steps"]
    return {"dice": found["mean"], "low": found["low"], "high": found["high"], "steps": steps}


def run(fields: dict[str, Any], out: Path) -> None:
    """One training by the command line, in as many processes as it asks for."""
    out.mkdir(parents=True, exist_ok=True)
    config = out / "train.yaml"
    config.write_text(json.dumps(fields, default=str), encoding="utf-8")  # JSON is YAML
    command = [sys.executable, "-m", "samadapt", "train", "-c", str(config)]
    subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})


def draw(figures: dict[str, Any], sizes: list[int], methods: list[str], path: Path) -> None:
    """Dice against the number of volumes, with intervals, as a picture."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    for place, name in enumerate(methods):
        found = [figures[f"{name}_{size}"] for size in sizes]
        dice = [one["dice"] for one in found]
        below = [one["dice"] - one["low"] for one in found]
        above = [one["high"] - one["dice"] for one in found]
        at = [size * 1.04 ** (place - 1) for size in sizes]
        axes.errorbar(at, dice, (below, above), marker="o", capsize=3, label=LABELS[name])
    axes.set(xscale="log", xticks=sizes, xticklabels=sizes, xlabel="training volumes", ylabel="mean foreground Dice")
    axes.minorticks_off()
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", alpha=0.3)
    figure.legend(frameon=False, loc="outside upper left", ncols=3, fontsize="small")
    figure.savefig(path, dpi=150)


def untrained(folder: Path) -> Path:
    """File of a network like `tiny` with random weights."""
    path = folder / "untrained.safetensors"
    if path.exists():
        return path
    model = models.fresh(samadapt.load_model("tiny").architecture, preprocessing="tiny", seed=0, name="untrained")
    return save_packaged(model, folder, "untrained")


if __name__ == "__main__":
    main()
