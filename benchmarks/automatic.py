"""Automatic masks with 32 x 32 points: samadapt against SAM's own order of work, in turn, on the same model.

SAM's way decodes 64 points at a time with the model's plain decoder, enlarges all 192 masks to the size of the image
and filters them then. Both sides encode the image, end with run lengths, and must find the same masks.

    OMP_NUM_THREADS=1 python benchmarks/automatic.py
    OMP_NUM_THREADS=1 python benchmarks/automatic.py sam.pth --image photo.jpg --pred-iou-thresh 0.88

"vit-b" is SAM's ViT-B with random weights: its masks mean nothing, but the work is that of the real one. Where the
predicted IoU means nothing, --keep sets the threshold so that a share of the masks passes:

    OMP_NUM_THREADS=1 python benchmarks/automatic.py vit-b --side 1024 --keep 0.3 --stability-score-thresh 0 --rounds 1
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "infer"))

from plain_automatic import plain_masks

import samadapt
from harness import alternate, compare, record
from samadapt.infer.automatic.grid import point_grid


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", default="tiny", help="name, file, or vit-b for random weights")
    parser.add_argument("--image", help="a generated scene by default")
    parser.add_argument("--side", type=int, default=512, help="of the generated scene")
    parser.add_argument("--points-per-side", type=int, default=32)
    parser.add_argument("--pred-iou-thresh", type=float, default=0.88)
    parser.add_argument("--stability-score-thresh", type=float, default=0.95)
    parser.add_argument("--keep", type=float, help="share of the masks that pass the predicted IoU")
    parser.add_argument("--rounds", type=int, default=3)
    asked = parser.parse_args()
    model = load(asked.model)
    pixels = picture(asked.image, asked.side)
    threshold = asked.pred_iou_thresh if asked.keep is None else quantile(model, pixels, 1 - asked.keep)
    options = {
        "points_per_side": asked.points_per_side,
        "pred_iou_thresh": threshold,
        "stability_score_thresh": asked.stability_score_thresh,
    }
    answers: dict[str, Any] = {}
    sides = {
        "samadapt": lambda: answers.update(ours=samadapt.automatic_masks(model, pixels, **options)),
        "plain": lambda: answers.update(theirs=plain_masks(model, pixels, **options)),
    }
    seconds = alternate(sides, asked.rounds, warm_up=asked.rounds > 1)
    figures = {"model": Path(asked.model).name, "image": list(pixels.shape), "masks": len(answers["ours"]), **options}
    figures |= compare(seconds, "samadapt", "plain") | {"least_iou": agreement(answers["ours"], answers["theirs"])}
    name = f"automatic_{Path(asked.model).stem}"
    record(name, figures, {"ratio": (">=", 3.0), "least_iou": (">=", 0.99)})


def load(name: str) -> Any:
    if name.startswith("vit-"):
        from samadapt.models import fresh

        return fresh(name, preprocessing="sam").eval()
    return samadapt.load_model(name)


def picture(path: str | None, side: int) -> NDArray[np.uint8]:
    from samadapt.data.synthetic import scene

    if path is None:
        return np.asarray(scene("benchmark", 0, 0, size=side).image, dtype=np.uint8)
    from samadapt.infer.automatic.generate import pixels_of

    return pixels_of(path).round().astype(np.uint8)


def quantile(model: Any, pixels: NDArray[np.uint8], share: float) -> float:
    """Predicted IoU that a share of the masks of a coarse grid does not exceed."""
    frame = model.frame(pixels.shape[:2])
    points = torch.from_numpy(frame.to_model(point_grid(pixels.shape[:2], 6)))[None, :, None]
    with torch.no_grad():
        embedding = model.encode(model.preprocess(pixels))
        output = model.decode(embedding, points=points, point_labels=torch.ones(points.shape[:3], dtype=torch.int64))
    return float(output.iou.quantile(share))


def agreement(ours: list[Any], theirs: list[dict[str, Any]]) -> float:
    """Least IoU of the masks of both sides, in order; 0 if one side found more."""
    if len(ours) != len(theirs):
        return 0.0
    ious = [(a.mask & b["mask"]).sum() / (a.mask | b["mask"]).sum() for a, b in zip(ours, theirs)]
    return float(min(ious, default=1.0))


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
