"""A SAM 3 from a file or folder of any of its layouts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from samadapt.core.errors import CheckpointError
from samadapt.models import preprocess
from samadapt.models.sam2.loading import still_assumed
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
    return assemble(
        architecture,
        to_transformers(checkpoint.state),
        preprocess.get(preprocessing, architecture.image_size),
        name=checkpoint.name,
        family=checkpoint.family or "sam3",
        image_size=image_size,
        allow=allow,
        where=checkpoint.where,
    )


def architecture_of(checkpoint: Checkpoint) -> Sam3Architecture:
    """Network of a checkpoint: its tensors, then what config.json or a file beside the weights says.

    Raises
    ------
    CheckpointError
        If a tensor that is needed to tell is absent.
    """
    shapes = {key: tuple(value.shape) for key, value in to_transformers(checkpoint.state).items()}
    try:
        inferred = infer(shapes)
    except CheckpointError as error:
        raise CheckpointError(error.what, where=checkpoint.where, remedy=error.remedy) from error
    told = {**_from_config(checkpoint.config), **checkpoint.architecture}
    return inferred.updated({**told, "assumed": still_assumed(inferred.assumed, told)})


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
