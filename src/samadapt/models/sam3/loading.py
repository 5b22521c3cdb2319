"""A SAM 3 from a file or folder of any of its layouts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from samadapt.models import preprocess
from samadapt.models.sam2.loading import facts_of, told_architecture
from samadapt.models.sam3.architecture import Sam3Architecture, infer
from samadapt.models.sam3.build import assemble
from samadapt.models.sam3.names import to_transformers
from samadapt.models.sam3.promptable import Sam3Promptable

if TYPE_CHECKING:
    from samadapt.models.loading import Checkpoint


def build(
    checkpoint: Checkpoint, image_size: int | None = None, allow: Sequence[str] = (), *, preprocessing: str = "sam3"
) -> Sam3Promptable:
    """Build the model of a checkpoint; see `samadapt.models.load`."""
    architecture = architecture_of(checkpoint)
    how = preprocess.get(preprocessing, architecture.image_size)
    given = facts_of(checkpoint, "sam3", image_size, allow)
    return assemble(architecture, to_transformers(checkpoint.state), how, **given)


def architecture_of(checkpoint: Checkpoint) -> Sam3Architecture:
    """Network of a checkpoint; see `samadapt.models.sam2.loading.told_architecture`."""
    return told_architecture(checkpoint, to_transformers, infer, _from_config)


def _from_config(config: dict[str, Any]) -> dict[str, Any]:
    """What shapes cannot tell and transformers' configuration can: of a tracker, or of the full SAM 3 around it."""
    tracker = config.get("tracker_config") or config
    around = config.get("detector_config") or {}
    vision = tracker.get("vision_config") or around.get("vision_config") or {}
    backbone = vision.get("backbone_config") or {}
    rope = backbone.get("rope_parameters") or {}
    told = {
        "image_size": (tracker.get("prompt_encoder_config") or {}).get("image_size", backbone.get("image_size")),
        "heads": backbone.get("num_attention_heads"),
        "window": backbone.get("window_size"),
        "global_blocks": backbone.get("global_attn_indexes"),
        "rope_theta": rope.get("rope_theta", backbone.get("rope_theta")),
        "decoder_heads": (tracker.get("mask_decoder_config") or {}).get("num_attention_heads"),
    }
    return {key: value for key, value in told.items() if value is not None}
