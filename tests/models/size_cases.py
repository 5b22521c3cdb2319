"""Checkpoints of the published kinds at sizes of no published network, with the answers of the original code.

The answers were recorded from segment-anything 1.0 and sam2 1.1.0, those of Medical SAM Adapter and SAM-Med2D with
their blocks put into segment-anything; weights and inputs depend on names and seeds alone. The file holds names and
shapes of all tensors as that code saves them; logits are kept at every fourth pixel.
"""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor

RECORDED = Path(__file__).parent / "golden" / "sizes.safetensors"

with safe_open(RECORDED, "pt") as _file:
    SIZES: dict = json.loads(_file.metadata()["sizes"])
SAM = [name for name in SIZES if not name.startswith("sam2")]
SAM2 = [name for name in SIZES if name.startswith("sam2")]


def weight(name: str, shape: list[int]) -> Tensor:
    """Of unit gain, the same for the same name; objects are there."""
    drawn = torch.randn(shape, generator=torch.Generator().manual_seed(zlib.crc32(name.encode())))
    if len(shape) > 1:
        return drawn / drawn[0].numel() ** 0.5
    if name.endswith("pred_obj_score_head.layers.2.bias"):
        return drawn * 0.1 + 8
    return drawn * 0.1 + float(name.endswith(("weight", "gamma")))


def published(name: str) -> dict[str, Tensor]:
    """State dict of the original code."""
    return {key: weight(key, shape) for key, shape in SIZES[name]["shapes"].items()}


def expected(name: str) -> dict[str, Tensor]:
    return {key.split(".")[1]: value for key, value in load_file(RECORDED).items() if key.startswith(f"{name}.")}


def save(name: str, state: dict[str, Tensor], folder: Path) -> Path:
    """File as the original code saves it."""
    path = folder / "model.pth"
    torch.save({"model": state} if name in SAM2 else state, path)
    return path
