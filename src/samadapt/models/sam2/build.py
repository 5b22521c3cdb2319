"""A SAM 2 network from an architecture and its tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from samadapt.models.build import canonical, fill, hash_tensors
from samadapt.models.preprocess import Preprocessing
from samadapt.models.sam2.architecture import Sam2Architecture, TrackerArchitecture
from samadapt.models.sam2.promptable import Sam2Promptable

Model = TypeVar("Model", bound=Sam2Promptable)


def assemble(
    architecture: Sam2Architecture,
    state: Mapping[str, Tensor],
    preprocessing: Preprocessing,
    *,
    name: str,
    family: str = "sam2",
    image_size: int | None = None,
    allow: Sequence[str] = (),
    where: object = None,
    looks_like: str = "a SAM 2 checkpoint",
    seed: int = 0,
) -> Sam2Promptable:
    """Model of `architecture` at `image_size` with the tensors of `state`.

    The position tables of SAM 2 are interpolated in every forward pass, as in the original code, so no tensor depends
    on the image size.

    Parameters
    ----------
    architecture : Sam2Architecture
    state : mapping of str to Tensor
        Transformers' names; floating point of any precision. Becomes float32.
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
    weights = canonical(state, where=where)
    facts: dict[str, Any] = {"name": name, "family": family, "where": where, "looks_like": looks_like}
    empty = empty_sam2(wanted)
    return filled(Sam2Promptable, empty, wanted, weights, preprocessing, **facts, allow=allow, seed=seed)


def filled(
    kind: type[Model],
    sam: Any,
    wanted: Any,
    weights: Mapping[str, Tensor],
    preprocessing: Preprocessing,
    *,
    materialise: Callable[[Any], None] | None = None,
    name: str,
    family: str,
    allow: Sequence[str] = (),
    where: object = None,
    looks_like: str = "a SAM 2 checkpoint",
    seed: int = 0,
) -> Model:
    """Model of a network on the meta device, whose architecture is `wanted`, with its weights.

    Parameters
    ----------
    kind : type
        `Sam2Promptable` or one made from it.
    sam : transformers model
    wanted : TrackerArchitecture
    weights : mapping of str to Tensor
        As `samadapt.models.build.canonical` makes them.
    materialise : callable, optional
        What computes the constants of `sam` that no checkpoint holds; `materialise_memory` by default.
    """
    report = fill(sam, weights, allow=allow, where=where, looks_like=looks_like, expected=wanted.size_name, seed=seed)
    (materialise or materialise_memory)(sam)
    model = kind(
        sam.train(False),
        wanted,
        preprocessing.fitted(wanted.image_size, wanted.inputs),
        name=name,
        family=family,
        base_hash=hash_tensors(weights),
        report=report,
    )
    return model.eval()


def empty_sam2(architecture: Sam2Architecture) -> Any:
    """transformers' Sam2VideoModel, or Sam2Model for a network without memory, on the meta device.

    Parameters
    ----------
    architecture : Sam2Architecture
    """
    from transformers import Sam2Model

    from samadapt.models.sam2.video import Sam2VideoModel

    kind = Sam2VideoModel if architecture.memory else Sam2Model
    return on_meta(kind, sam2_config(architecture), architecture)


def on_meta(kind: Any, config: Any, architecture: TrackerArchitecture) -> Any:
    """transformers' model `kind` of a configuration, on the meta device, with a memory of the right width."""
    with torch.device("meta"):
        sam = kind._from_config(config, attn_implementation="sdpa")
        if architecture.memory:
            fit_memory_width(sam, architecture)
    return sam


def sam2_config(a: Sam2Architecture) -> Any:
    """transformers' Sam2VideoConfig, or Sam2Config without memory, of an architecture."""
    from transformers import (
        Sam2Config,
        Sam2MaskDecoderConfig,
        Sam2PromptEncoderConfig,
        Sam2VideoConfig,
        Sam2VideoMaskDecoderConfig,
        Sam2VideoPromptEncoderConfig,
    )

    if not a.memory:
        prompt, decoder = Sam2PromptEncoderConfig(**prompt_settings(a)), Sam2MaskDecoderConfig(**decoder_settings(a))
        return Sam2Config(vision_config=_vision(a), prompt_encoder_config=prompt, mask_decoder_config=decoder)
    return Sam2VideoConfig(
        vision_config=_vision(a),
        prompt_encoder_config=Sam2VideoPromptEncoderConfig(**prompt_settings(a)),
        mask_decoder_config=Sam2VideoMaskDecoderConfig(**decoder_settings(a)),
        **memory_settings(a),
    )


def _vision(a: Sam2Architecture) -> Any:
    from transformers import Sam2HieraDetConfig, Sam2VisionConfig

    backbone = Sam2HieraDetConfig(
        num_channels=a.inputs,
        hidden_size=a.widths[0],
        num_attention_heads=a.heads[0],
        image_size=[a.image_size, a.image_size],
        window_positional_embedding_background_size=list(a.background),
        blocks_per_stage=list(a.blocks),
        embed_dim_per_stage=list(a.widths),
        num_attention_heads_per_stage=list(a.heads),
        window_size_per_stage=list(a.windows),
        global_attention_blocks=list(a.global_blocks),
        mlp_ratio=a.mlp_dim / a.widths[0],
    )
    return Sam2VisionConfig(
        backbone_config=backbone,
        backbone_channel_list=list(a.widths[::-1]),
        backbone_feature_sizes=[[a.image_size // stride] * 2 for stride in (4, 8, 16)],
        fpn_hidden_size=a.channels,
    )


def prompt_settings(a: TrackerArchitecture) -> dict[str, Any]:
    """Arguments of transformers' configuration of a prompt encoder."""
    return {
        "hidden_size": a.channels,
        "image_size": a.image_size,
        "patch_size": a.patch_size,
        "mask_input_channels": a.mask_channels,
    }


def decoder_settings(a: TrackerArchitecture) -> dict[str, Any]:
    """Arguments of transformers' configuration of a mask decoder."""
    return {
        "hidden_size": a.channels,
        "mlp_dim": a.decoder_mlp_dim,
        "num_hidden_layers": a.decoder_depth,
        "num_attention_heads": a.decoder_heads,
        "attention_downsample_rate": a.downsample,
        "num_multimask_outputs": a.mask_tokens - 1,
        "iou_head_depth": a.iou_depth,
        "iou_head_hidden_dim": a.iou_hidden,
    }


def memory_settings(a: TrackerArchitecture) -> dict[str, Any]:
    """Arguments of transformers' configuration of a memory."""
    return {
        "image_size": a.image_size,
        "num_maskmem": a.memories,
        "enable_occlusion_spatial_embedding": a.occlusion,
        "enable_temporal_pos_encoding_for_object_pointers": a.pointer_positions,
        "memory_attention_hidden_size": a.channels,
        "memory_attention_num_layers": a.memory_layers,
        "memory_attention_feed_forward_hidden_size": a.memory_mlp_dim,
        "memory_attention_rope_feat_sizes": [a.grid, a.grid],
        "memory_encoder_hidden_size": a.channels,
        "memory_encoder_output_channels": a.memory_channels,
        "mask_downsampler_embed_dim": a.mask_embed,
        "memory_fuser_num_layers": a.fuser_layers,
        "memory_fuser_embed_dim": a.channels,
        "memory_fuser_intermediate_dim": a.fuser_mlp_dim,
        "memory_fuser_kernel_size": a.fuser_kernel,
        "memory_fuser_padding": a.fuser_kernel // 2,
    }


def fit_memory_width(sam: Any, a: TrackerArchitecture) -> None:
    """Give the memory its width, in place: transformers takes it for 64 and for narrower than the embedding."""
    width = a.memory_channels
    if not a.memory_projection:
        sam.memory_encoder.projection = nn.Identity()
    for layer in sam.memory_attention.layers:
        attention = layer.cross_attn_image
        if attention.k_proj.in_features != width:
            attention.kv_in_dim = width
            attention.k_proj = nn.Linear(width, attention.internal_dim)
            attention.v_proj = nn.Linear(width, attention.internal_dim)


def materialise_memory(sam: Any) -> None:
    """Compute the constants that no checkpoint holds (rotary frequencies) where they were left on the meta device."""
    attention = getattr(sam, "memory_attention", None)
    if attention is None:
        return
    made = dict(type(attention)(sam.config).named_buffers())
    for name, buffer in list(attention.named_buffers()):
        if buffer.is_meta:
            owner, _, last = name.rpartition(".")
            setattr(attention.get_submodule(owner), last, made[name])
