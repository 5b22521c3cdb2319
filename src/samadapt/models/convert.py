"""Names of the original SAM checkpoints to the names of transformers' SamModel, and back; networks from shapes alone.

The layout is that of facebookresearch/segment-anything (dca509f); MedSAM's files share it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from samadapt.core.errors import CheckpointError
from samadapt.models.architecture import KNOWN, Architecture
from samadapt.models.perceptrons import name_ends, number_ends

T = TypeVar("T")
Shapes = Mapping[str, tuple[int, ...]]
Rules = tuple[tuple[re.Pattern[str], str], ...]
"""(pattern of the beginning of a name, what to put there)."""

POSITION = "shared_image_embedding.positional_embedding"
POSITION_ALIAS = "prompt_encoder.shared_embedding.positional_embedding"
FINE = "fine.stem.conv.weight"
REFINE = "mask_decoder.refine.enter.conv.weight"
HQ = "mask_decoder.hq_token.weight"
_IGNORED = ("pixel_mean", "pixel_std")

_PERCEPTRONS = re.compile(r"mask_decoder\.(output_hypernetworks_mlps\.\d+|iou_prediction_head|hf_mlp)")
"""By their original names, which differ from transformers' for the last one only."""

_RULES: tuple[tuple[str, str], ...] = (
    ("image_encoder.pos_embed", "vision_encoder.pos_embed"),
    ("image_encoder.patch_embed.proj.", "vision_encoder.patch_embed.projection."),
    ("image_encoder.blocks.{n}.norm{n}.", "vision_encoder.layers.{n}.layer_norm{n}."),
    ("image_encoder.blocks.{n}.attn.", "vision_encoder.layers.{n}.attn."),
    ("image_encoder.blocks.{n}.mlp.", "vision_encoder.layers.{n}.mlp."),
    ("image_encoder.neck.0.", "vision_encoder.neck.conv1."),
    ("image_encoder.neck.1.", "vision_encoder.neck.layer_norm1."),
    ("image_encoder.neck.2.", "vision_encoder.neck.conv2."),
    ("image_encoder.neck.3.", "vision_encoder.neck.layer_norm2."),
    ("prompt_encoder.pe_layer.positional_encoding_gaussian_matrix", POSITION),
    ("prompt_encoder.point_embeddings.{n}.", "prompt_encoder.point_embed.{n}."),
    ("prompt_encoder.not_a_point_embed.", "prompt_encoder.not_a_point_embed."),
    ("prompt_encoder.no_mask_embed.", "prompt_encoder.no_mask_embed."),
    ("prompt_encoder.mask_downscaling.0.", "prompt_encoder.mask_embed.conv1."),
    ("prompt_encoder.mask_downscaling.1.", "prompt_encoder.mask_embed.layer_norm1."),
    ("prompt_encoder.mask_downscaling.3.", "prompt_encoder.mask_embed.conv2."),
    ("prompt_encoder.mask_downscaling.4.", "prompt_encoder.mask_embed.layer_norm2."),
    ("prompt_encoder.mask_downscaling.6.", "prompt_encoder.mask_embed.conv3."),
    ("mask_decoder.transformer.layers.{n}.norm{n}.", "mask_decoder.transformer.layers.{n}.layer_norm{n}."),
    ("mask_decoder.transformer.norm_final_attn.", "mask_decoder.transformer.layer_norm_final_attn."),
    ("mask_decoder.transformer.", "mask_decoder.transformer."),
    ("mask_decoder.iou_token.", "mask_decoder.iou_token."),
    ("mask_decoder.mask_tokens.", "mask_decoder.mask_tokens."),
    ("mask_decoder.output_upscaling.0.", "mask_decoder.upscale_conv1."),
    ("mask_decoder.output_upscaling.1.", "mask_decoder.upscale_layer_norm."),
    ("mask_decoder.output_upscaling.3.", "mask_decoder.upscale_conv2."),
    ("mask_decoder.hf_token.", "mask_decoder.hq_token."),
    ("mask_decoder.hf_mlp.", "mask_decoder.hq_mask_mlp."),
    ("mask_decoder.compress_vit_feat.0.", "mask_decoder.compress_vit_conv1."),
    ("mask_decoder.compress_vit_feat.1.", "mask_decoder.compress_vit_norm."),
    ("mask_decoder.compress_vit_feat.3.", "mask_decoder.compress_vit_conv2."),
    ("mask_decoder.embedding_encoder.0.", "mask_decoder.encoder_conv1."),
    ("mask_decoder.embedding_encoder.1.", "mask_decoder.encoder_norm."),
    ("mask_decoder.embedding_encoder.3.", "mask_decoder.encoder_conv2."),
    ("mask_decoder.embedding_maskfeature.0.", "mask_decoder.mask_conv1."),
    ("mask_decoder.embedding_maskfeature.1.", "mask_decoder.mask_norm."),
    ("mask_decoder.embedding_maskfeature.3.", "mask_decoder.mask_conv2."),
)


def from_meta(state: Mapping[str, T]) -> dict[str, T]:
    """Rename the entries of an original SAM checkpoint to transformers' names.

    Parameters
    ----------
    state : mapping of str to anything
        Tensors, or their shapes.

    Returns
    -------
    dict
        Names without a counterpart (adapters, say) are kept as they are; SAM's pixel mean and std, which
        belong to the preprocessing, are left out.
    """
    kept = {key: value for key, value in state.items() if key not in _IGNORED}
    return {rename(key, _FORWARD): value for key, value in name_ends(kept, _PERCEPTRONS).items()}


def to_meta(state: Mapping[str, T]) -> dict[str, T]:
    """Rename the entries of a SamModel to the names of the original SAM code: the inverse of `from_meta`."""
    kept = {rename(key, _BACKWARD): value for key, value in state.items() if key != POSITION_ALIAS}
    return number_ends(kept, _PERCEPTRONS)


def is_meta(keys: Iterable[str]) -> bool:
    """True if the names are those of the original SAM code."""
    return any(key.startswith("image_encoder.") for key in keys)


def to_transformers(state: Mapping[str, T]) -> dict[str, T]:
    """Transformers' names for a checkpoint of either layout, which use `layers.0` of the small heads differently."""
    return from_meta(state) if is_meta(state) else dict(state)


def infer_architecture(shapes: Shapes) -> Architecture:
    """Network that a set of tensors (transformers' names) belongs to.

    Parameters
    ----------
    shapes : mapping of str to tuple of int

    Returns
    -------
    Architecture
        With 8 decoder heads, which leave no trace in the shapes and are the same in every published SAM; the most
        below 8 that fit where the decoder is too narrow for 8.

    Raises
    ------
    CheckpointError
        If a tensor that is needed to tell is absent, or the shapes contradict each other.
    """
    try:
        fine, refine = shapes.get(FINE, (0,))[0], shapes.get(REFINE, (0,))[0]
        return Architecture(**_vision(shapes), **_decoder(shapes), fine=fine, refine=refine, hq=HQ in shapes)
    except KeyError as error:
        raise CheckpointError(
            f"the file has no {error.args[0]}, so it is not a complete SAM checkpoint",
            remedy="See `samadapt inspect FILE`; an adapter file is applied on top of its base model.",
        ) from error


def _vision(shapes: Shapes) -> dict[str, Any]:
    _, grid, grid_w, hidden = shapes["vision_encoder.pos_embed"]
    _, inputs, _, patch = shapes["vision_encoder.patch_embed.projection.weight"]
    if inputs < 3:
        raise CheckpointError(f"an image encoder of {inputs} channels, where at least 3 are needed")
    depth = count(shapes, r"vision_encoder\.layers\.(\d+)\.")
    head_dim = shapes["vision_encoder.layers.0.attn.rel_pos_h"][1]
    if grid != grid_w or hidden % head_dim:
        raise CheckpointError(f"position table {grid} x {grid_w} of width {hidden} with heads of {head_dim} is no SAM")
    lengths = [shapes[f"vision_encoder.layers.{i}.attn.rel_pos_h"][0] for i in range(depth)]
    window, global_blocks, ambiguous = _windows(lengths, grid)
    return {
        "image_size": grid * patch,
        "patch_size": patch,
        "inputs": inputs,
        "hidden": hidden,
        "depth": depth,
        "heads": hidden // head_dim,
        "mlp_dim": shapes["vision_encoder.layers.0.mlp.lin1.weight"][0],
        "window": window,
        "global_blocks": global_blocks,
        "channels": shapes["vision_encoder.neck.conv1.weight"][0],
        "ambiguous_windows": ambiguous,
    }


def _windows(lengths: list[int], grid: int) -> tuple[int, tuple[int, ...], bool]:
    """Window side, global blocks, and whether they had to be guessed, from the lengths of relative positions."""
    full = 2 * grid - 1
    local = {length for length in lengths if length != full}
    if len(local) > 1 or any(length % 2 == 0 for length in local):
        raise CheckpointError(f"relative positions of lengths {sorted(set(lengths))} fit no window size")
    if local:
        return (local.pop() + 1) // 2, tuple(i for i, length in enumerate(lengths) if length == full), False
    depths = {known.depth: known.global_blocks for known in KNOWN.values()}
    return grid, depths.get(len(lengths), tuple(range(len(lengths)))), len(lengths) > 1


def _decoder(shapes: Shapes) -> dict[str, Any]:
    if not any(key.startswith("mask_decoder.") for key in shapes):
        return {}  # an image encoder alone: the published decoder would follow
    tokens, channels = shapes["mask_decoder.mask_tokens.weight"]
    cross = shapes["mask_decoder.transformer.layers.0.cross_attn_token_to_image.q_proj.weight"][0]
    return {
        "decoder_depth": count(shapes, r"mask_decoder\.transformer\.layers\.(\d+)\."),
        "decoder_mlp_dim": shapes["mask_decoder.transformer.layers.0.mlp.lin1.weight"][0],
        "decoder_heads": next(heads for heads in (8, 4, 2, 1) if cross % heads == 0),
        "downsample": channels // cross,
        "mask_tokens": tokens,
        "iou_hidden": shapes["mask_decoder.iou_prediction_head.proj_in.weight"][0],
        "iou_depth": 2 + count(shapes, r"mask_decoder\.iou_prediction_head\.layers\.(\d+)\."),
        "mask_channels": shapes["prompt_encoder.mask_embed.conv2.weight"][0],
    }


def count(shapes: Shapes, pattern: str) -> int:
    """One more than the highest number that the group of `pattern` finds at the beginning of a name; 0 for none."""
    found = {int(match[1]) for key in shapes if (match := re.match(pattern, key))}
    return max(found) + 1 if found else 0


def compile_rules(pairs: Iterable[tuple[str, str]]) -> Rules:
    """Rules from (old, new) beginnings of names, in which every "{n}" stands for a number, in order."""
    return tuple(_compile(source, target) for source, target in pairs)


def rename(key: str, rules: Rules) -> str:
    """`key` after the first rule that fits, or unchanged."""
    for pattern, template in rules:
        match = pattern.match(key)
        if match:
            return match.expand(template) + key[match.end() :]
    return key


def _compile(source: str, target: str) -> tuple[re.Pattern[str], str]:
    pattern = re.escape(source).replace(r"\{n\}", r"(\d+)")
    first, *rest = target.split("{n}")
    template = first + "".join(f"\\g<{number}>{part}" for number, part in enumerate(rest, start=1))
    return re.compile(pattern), template


_FORWARD = compile_rules(_RULES)
_BACKWARD = compile_rules((ours, meta) for meta, ours in _RULES)
