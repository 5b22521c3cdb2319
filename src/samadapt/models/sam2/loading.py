"""A SAM 2 from a checkpoint of either layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from samadapt.core.errors import CheckpointError
from samadapt.models import preprocess
from samadapt.models.sam2.architecture import Sam2Architecture, TrackerArchitecture, infer
from samadapt.models.sam2.build import assemble
from samadapt.models.sam2.names import to_transformers
from samadapt.models.sam2.promptable import Sam2Promptable

if TYPE_CHECKING:
    from torch import Tensor

    from samadapt.models.convert import Shapes
    from samadapt.models.loading import Checkpoint

Network = TypeVar("Network", bound=TrackerArchitecture)

_ASSUMED = {
    "image_size": "image size",
    "heads": "heads",
    "windows": "windows",
    "window": "windows",
    "global_blocks": "global blocks",
}
"""Fields of an architecture by what people call them."""


def build(
    checkpoint: Checkpoint, image_size: int | None = None, allow: Sequence[str] = (), *, preprocessing: str = "sam2"
) -> Sam2Promptable:
    """Build the model of a checkpoint; see `samadapt.models.load`."""
    architecture = architecture_of(checkpoint)
    how = preprocess.get(preprocessing, architecture.image_size)
    given = facts_of(checkpoint, "sam2", image_size, allow)
    return assemble(architecture, to_transformers(checkpoint.state), how, **given)


def architecture_of(checkpoint: Checkpoint) -> Sam2Architecture:
    """Network of a checkpoint; see `told_architecture`."""
    return told_architecture(checkpoint, to_transformers, infer, from_config)


def facts_of(checkpoint: Checkpoint, family: str, image_size: int | None, allow: Sequence[str]) -> dict[str, Any]:
    """What the `assemble` of every family takes beside architecture, tensors and preprocessing."""
    return {
        "name": checkpoint.name,
        "family": checkpoint.family or family,
        "image_size": image_size,
        "allow": allow,
        "where": checkpoint.where,
    }


def told_architecture(
    checkpoint: Checkpoint,
    to_transformers: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]],
    infer: Callable[[Shapes], Network],
    from_config: Callable[[dict[str, Any]], dict[str, Any]],
) -> Network:
    """Network of a checkpoint: its tensors, then what config.json or a file beside the weights says.

    Parameters
    ----------
    checkpoint : Checkpoint
    to_transformers, infer, from_config : callable
        Of the family.

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
    told = {**from_config(checkpoint.config), **checkpoint.architecture}
    return inferred.updated({**told, "assumed": still_assumed(inferred.assumed, told)})


def still_assumed(assumed: Sequence[str], told: Mapping[str, Any]) -> list[str]:
    """What stays assumed once the fields of `told` are known."""
    known = {_ASSUMED[key] for key in told if key in _ASSUMED}
    return [fact for fact in assumed if fact not in known]


def from_config(config: dict[str, Any]) -> dict[str, Any]:
    """What shapes cannot tell and transformers' configuration can."""
    backbone = (config.get("vision_config") or {}).get("backbone_config") or {}
    prompt, decoder = config.get("prompt_encoder_config") or {}, config.get("mask_decoder_config") or {}
    told = {
        "image_size": prompt.get("image_size"),
        "heads": backbone.get("num_attention_heads_per_stage"),
        "windows": backbone.get("window_size_per_stage"),
        "global_blocks": backbone.get("global_attention_blocks"),
        "decoder_heads": decoder.get("num_attention_heads"),
    }
    return {key: value for key, value in told.items() if value is not None}
