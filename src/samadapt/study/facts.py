"""What a run states about its model."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

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
        "parameters_total": _count([model]),
        "parameters_encoder": _count(model.encoder_parts),
        "parameters_decoder": _count([part] if (part := getattr(model.sam, "mask_decoder", None)) else []),
        "task": "prompts" if model.head is None else "semantic",
    } | ({"channels": list(model.channels.names)} if model.channels else {})


def _count(parts: Iterable[nn.Module]) -> int:
    return sum(p.numel() for part in parts for p in part.parameters())
