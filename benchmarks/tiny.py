"""The packaged model against SAM ViT-B: encoding (256 against 1024 pixels) and one click on an encoded image."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch

from harness import alternate, compare, record
from samadapt import load_model, models
from samadapt.models import SamPromptable

ENCODE_TARGET, CLICK_TARGET = 100.0, 3.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=None)
    options = parser.parse_args()
    if options.threads:
        torch.set_num_threads(options.threads)
    small, large = load_model("tiny", 256), models.fresh("vit-b", seed=0)
    encode = {"tiny_256": _encoder(small, 16), "vit_b_1024": _encoder(large, 1)}
    click = {"tiny_256": _clicker(small, 16), "vit_b_1024": _clicker(large, 4)}
    figures: dict[str, Any] = {"threads": torch.get_num_threads()}
    for name, sides, repeats in (("encode", encode, (16, 1)), ("click", click, (16, 4))):
        seconds = alternate(sides, options.rounds)
        each = {side: [s / n for s in values] for (side, values), n in zip(seconds.items(), repeats)}
        figures |= {f"{name}_{key}": value for key, value in compare(each, "tiny_256", "vit_b_1024").items()}
    record("tiny", figures, {"encode_ratio": (">=", ENCODE_TARGET), "click_ratio": (">=", CLICK_TARGET)})


def _encoder(model: SamPromptable, repeats: int) -> Callable[[], object]:
    pixel_values = torch.randn(1, 3, model.image_size, model.image_size)

    def run() -> None:
        with torch.inference_mode():
            for _ in range(repeats):
                model.encode(pixel_values)

    return run


def _clicker(model: SamPromptable, repeats: int) -> Callable[[], object]:
    middle = model.image_size / 2
    points, labels = torch.full((1, 1, 1, 2), middle), torch.ones(1, 1, 1, dtype=torch.int64)
    with torch.inference_mode():
        embedding = model.encode(torch.randn(1, 3, model.image_size, model.image_size))

    def run() -> None:
        with torch.inference_mode():
            for _ in range(repeats):
                model.decode(embedding, points=points, point_labels=labels)

    return run


if __name__ == "__main__":
    main()
