"""What a run states about its model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    } | ({"channels": list(model.channels.names)} if model.channels else {})
