"""A SAM 3 from an architecture and its tensors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor

from samadapt.models.build import canonical
from samadapt.models.preprocess import Preprocessing
from samadapt.models.sam2.build import (
    decoder_settings,
    filled,
    materialise_memory,
    memory_settings,
    on_meta,
    prompt_settings,
)
from samadapt.models.sam3.architecture import Sam3Architecture
from samadapt.models.sam3.promptable import Sam3Promptable


def assemble(
    architecture: Sam3Architecture,
    state: Mapping[str, Tensor],
    preprocessing: Preprocessing,
    *,
    name: str,
    family: str = "sam3",
    image_size: int | None = None,
    allow: Sequence[str] = (),
    where: object = None,
    looks_like: str = "a SAM 3 checkpoint",
    seed: int = 0,
) -> Sam3Promptable:
    """Model of `architecture` at `image_size` with the tensors of `state`; see `samadapt.models.sam2.build.assemble`.

    Parameters
    ----------
    architecture : Sam3Architecture
    state : mapping of str to Tensor
        Plain names of transformers; floating point of any precision. Becomes float32.
    allow : sequence of str
        See `samadapt.models.load_report.LoadReport.require`.

    Raises
    ------
    CheckpointError
        If tensors are dropped, missing or unexpected without permission, or the image size does not fit.
    NonFiniteValues
        If a weight is NaN or infinite.
    """
    wanted = architecture.at(image_size)
    weights = canonical(state, where=where, two_positions=True)
    sam = empty_sam3(wanted)
    facts: dict[str, Any] = {
        "name": name,
        "family": family,
        "where": where,
        "looks_like": looks_like,
        "materialise": _materialise,
    }
    return filled(Sam3Promptable, sam, wanted, weights, preprocessing, **facts, allow=allow, seed=seed)


def empty_sam3(architecture: Sam3Architecture) -> Any:
    """transformers' Sam3TrackerVideoModel, or Sam3TrackerModel for a network without memory, on the meta device.

    Parameters
    ----------
    architecture : Sam3Architecture
    """
    from transformers import Sam3TrackerModel

    from samadapt.models.sam2.video import Sam3TrackerVideoModel

    kind = Sam3TrackerVideoModel if architecture.memory else Sam3TrackerModel
    return on_meta(kind, sam3_config(architecture), architecture)


def sam3_config(a: Sam3Architecture) -> Any:
    """transformers' Sam3TrackerVideoConfig, or Sam3TrackerConfig without memory, of an architecture."""
    import transformers

    kind = "Sam3TrackerVideo" if a.memory else "Sam3Tracker"
    return getattr(transformers, f"{kind}Config")(
        vision_config=_vision(a),
        prompt_encoder_config=getattr(transformers, f"{kind}PromptEncoderConfig")(**prompt_settings(a)),
        mask_decoder_config=getattr(transformers, f"{kind}MaskDecoderConfig")(**decoder_settings(a)),
        **(memory_settings(a) if a.memory else {}),
    )


def _vision(a: Sam3Architecture) -> Any:
    from transformers import Sam3VisionConfig, Sam3ViTConfig

    backbone = Sam3ViTConfig(
        num_channels=a.inputs,
        hidden_size=a.hidden,
        intermediate_size=a.mlp_dim,
        num_hidden_layers=a.depth,
        num_attention_heads=a.heads,
        image_size=a.image_size,
        patch_size=a.patch_size,
        window_size=a.window,
        global_attn_indexes=list(a.global_blocks),
        pretrain_image_size=a.positions * a.patch_size,
        rope_parameters={"rope_type": "axial", "rope_theta": a.rope_theta},
    )
    return Sam3VisionConfig(
        backbone_config=backbone,
        fpn_hidden_size=a.channels,
        scale_factors=list(a.scales),
        backbone_feature_sizes=[[scale * a.grid] * 2 for scale in (4, 2, 1)],
    )


def _materialise(sam: Any) -> None:
    """Compute the constants that no checkpoint holds: rotary frequencies, and where the tokens of blocks lie."""
    materialise_memory(sam)
    backbone = sam.vision_encoder.backbone
    for layer in backbone.layers:
        layer.rotary_emb = type(layer.rotary_emb)(backbone.config)
        layer.position_ids = layer.precompute_positions(backbone.config, layer.window_size)
