"""What a run states about its model and its cost."""

from __future__ import annotations

import resource
import sys
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from samadapt.models.promptable import SamPromptable


def model_facts(model: SamPromptable) -> dict[str, Any]:
    """Name, hashes, sizes and licence of a loaded model."""
    return {
        "model": model.name,
        "family": model.family,
        "image_size": model.image_size,
        "preprocessing": model.preprocessing.name,
        "base_hash": model.base_hash,
        "adapter_hash": model.adapter_hash,
        "parameters_total": sum(p.numel() for p in model.parameters()),
        "task": "prompts" if model.head is None else "semantic",
    }


def peak_memory_mb() -> float:
    """Highest memory of this process so far: on the GPU if one was used, else resident."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return round(torch.cuda.max_memory_allocated() / 2**20, 1)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1)
