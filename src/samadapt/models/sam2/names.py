"""Names of the original SAM 2 checkpoints to the names of transformers' Sam2VideoModel, and back.

The layout is that of facebookresearch/sam2 (2b90b9f). One tensor is not only renamed: the four point embeddings are
rows of one table in transformers.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

import torch
from torch import Tensor

from samadapt.models.convert import POSITION, POSITION_ALIAS, Rules, compile_rules, rename
from samadapt.models.perceptrons import name_ends, number_ends

POINTS = "prompt_encoder.point_embed.weight"
MEMORY = (
    "memory_attention.",
    "memory_encoder.",
    "mask_downsample.",
    "object_pointer_proj.",
    "temporal_positional_encoding_projection_layer.",
    "memory_temporal_positional_encoding",
    "no_memory_positional_encoding",
    "no_object_pointer",
    "occlusion_spatial_embedding_parameter",
)
"""Beginnings of the names that transformers' Sam2Model has no place for."""

_META_POINTS = "sam_prompt_encoder.point_embeddings.{}.weight"
_BLOCK, _META_BLOCK = "vision_encoder.backbone.blocks.{n}.", "image_encoder.trunk.blocks.{n}."
_TWO_WAY, _META_TWO_WAY = "mask_decoder.transformer.layers.{n}.", "sam_mask_decoder.transformer.layers.{n}."
_MEMORY = "memory_attention.layers.{n}."
_FUSER, _META_FUSER = "memory_encoder.memory_fuser.layers.{n}.", "memory_encoder.fuser.layers.{n}."
_MASKS, _META_MASKS = "memory_encoder.mask_downsampler.", "memory_encoder.mask_downsampler.encoder."


_PERCEPTRONS = re.compile(
    r"(image_encoder\.trunk\.blocks\.\d+\.mlp|sam_mask_decoder\.transformer\.layers\.\d+\.mlp|obj_ptr_proj"
    r"|sam_mask_decoder\.(output_hypernetworks_mlps\.\d+|iou_prediction_head|pred_obj_score_head))"
)


def _attention(meta: str, ours: str) -> tuple[tuple[str, str], ...]:
    return ((f"{meta}.out_proj.", f"{ours}.o_proj."), (f"{meta}.", f"{ours}."))


_RULES: tuple[tuple[str, str], ...] = (
    ("image_encoder.trunk.patch_embed.proj.", "vision_encoder.backbone.patch_embed.projection."),
    (_META_BLOCK + "norm{n}.", _BLOCK + "layer_norm{n}."),
    ("image_encoder.trunk.", "vision_encoder.backbone."),
    ("image_encoder.neck.convs.{n}.conv.", "vision_encoder.neck.convs.{n}."),
    ("sam_prompt_encoder.pe_layer.positional_encoding_gaussian_matrix", POSITION),
    ("sam_prompt_encoder.mask_downscaling.0.", "prompt_encoder.mask_embed.conv1."),
    ("sam_prompt_encoder.mask_downscaling.1.", "prompt_encoder.mask_embed.layer_norm1."),
    ("sam_prompt_encoder.mask_downscaling.3.", "prompt_encoder.mask_embed.conv2."),
    ("sam_prompt_encoder.mask_downscaling.4.", "prompt_encoder.mask_embed.layer_norm2."),
    ("sam_prompt_encoder.mask_downscaling.6.", "prompt_encoder.mask_embed.conv3."),
    ("sam_prompt_encoder.", "prompt_encoder."),
    (_META_TWO_WAY + "norm{n}.", _TWO_WAY + "layer_norm{n}."),
    *_attention(_META_TWO_WAY + "self_attn", _TWO_WAY + "self_attn"),
    *_attention(_META_TWO_WAY + "cross_attn_token_to_image", _TWO_WAY + "cross_attn_token_to_image"),
    *_attention(_META_TWO_WAY + "cross_attn_image_to_token", _TWO_WAY + "cross_attn_image_to_token"),
    *_attention(
        "sam_mask_decoder.transformer.final_attn_token_to_image", "mask_decoder.transformer.final_attn_token_to_image"
    ),
    ("sam_mask_decoder.transformer.norm_final_attn.", "mask_decoder.transformer.layer_norm_final_attn."),
    ("sam_mask_decoder.output_upscaling.0.", "mask_decoder.upscale_conv1."),
    ("sam_mask_decoder.output_upscaling.1.", "mask_decoder.upscale_layer_norm."),
    ("sam_mask_decoder.output_upscaling.3.", "mask_decoder.upscale_conv2."),
    ("sam_mask_decoder.", "mask_decoder."),
    *_attention(_MEMORY + "self_attn", _MEMORY + "self_attn"),
    *_attention(_MEMORY + "cross_attn_image", _MEMORY + "cross_attn_image"),
    (_MEMORY + "norm{n}.", _MEMORY + "layer_norm{n}."),
    ("memory_attention.norm.", "memory_attention.layer_norm."),
    (_META_MASKS + "0.", _MASKS + "layers.0.conv."),
    (_META_MASKS + "1.", _MASKS + "layers.0.layer_norm."),
    (_META_MASKS + "3.", _MASKS + "layers.1.conv."),
    (_META_MASKS + "4.", _MASKS + "layers.1.layer_norm."),
    (_META_MASKS + "6.", _MASKS + "layers.2.conv."),
    (_META_MASKS + "7.", _MASKS + "layers.2.layer_norm."),
    (_META_MASKS + "9.", _MASKS + "layers.3.conv."),
    (_META_MASKS + "10.", _MASKS + "layers.3.layer_norm."),
    (_META_MASKS + "12.", _MASKS + "final_conv."),
    ("memory_encoder.pix_feat_proj.", "memory_encoder.feature_projection."),
    (_META_FUSER + "gamma", _FUSER + "scale"),
    (_META_FUSER + "dwconv.", _FUSER + "depthwise_conv."),
    (_META_FUSER + "norm.", _FUSER + "layer_norm."),
    (_META_FUSER + "pwconv{n}.", _FUSER + "pointwise_conv{n}."),
    ("memory_encoder.out_proj.", "memory_encoder.projection."),
    ("obj_ptr_proj.", "object_pointer_proj."),
    ("obj_ptr_tpos_proj.", "temporal_positional_encoding_projection_layer."),
    ("maskmem_tpos_enc", "memory_temporal_positional_encoding"),
    ("no_mem_embed", "no_memory_embedding"),
    ("no_mem_pos_enc", "no_memory_positional_encoding"),
    ("no_obj_ptr", "no_object_pointer"),
    ("no_obj_embed_spatial", "occlusion_spatial_embedding_parameter"),
)
_FORWARD: Rules = compile_rules(_RULES)
_BACKWARD: Rules = compile_rules((ours, meta) for meta, ours in _RULES)


def is_meta(keys: Iterable[str]) -> bool:
    """True if the names are those of the original SAM 2 code."""
    return any(key.startswith("image_encoder.trunk.") for key in keys)


def from_meta(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of an original SAM 2 checkpoint by transformers' names; what has no counterpart keeps its name."""
    points = [state.get(_META_POINTS.format(kind)) for kind in range(4)]
    known = [tensor for tensor in points if tensor is not None]
    renamed = {rename(key, _FORWARD): value for key, value in name_ends(state, _PERCEPTRONS).items()}
    if len(known) == 4:
        for kind in range(4):
            del renamed[rename(_META_POINTS.format(kind), _FORWARD)]
        renamed[POINTS] = torch.cat(known)
    return renamed


def to_meta(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a Sam2VideoModel or Sam2Model by the names of the original code: the inverse of `from_meta`."""
    others = {key: value for key, value in state.items() if key not in (POINTS, POSITION_ALIAS)}
    renamed = number_ends({rename(key, _BACKWARD): value for key, value in others.items()}, _PERCEPTRONS)
    if POINTS in state:
        renamed |= {_META_POINTS.format(kind): state[POINTS][kind : kind + 1] for kind in range(len(state[POINTS]))}
    return renamed


def to_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Transformers' names for a checkpoint of either layout."""
    return from_meta(state) if is_meta(state) else dict(state)
