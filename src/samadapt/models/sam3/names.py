"""Names of the files that hold a SAM 3 to the plain names of transformers' Sam3TrackerModel.

Four layouts exist: plain names; the full facebook/sam3, where the encoder belongs to the detector of concepts and the
rest to the tracker; what `save_pretrained` of Sam3TrackerModel writes, which has both prefixes; and the original file
(sam3.pt) of facebookresearch/sam3, whose tracker is named as SAM 2 is. The detector's own parts (text encoder, DETR),
which answer words, are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor

from samadapt.models.convert import Rules, compile_rules, rename
from samadapt.models.sam2 import names as sam2

_TRACKER, _DETECTOR = "tracker_model.", "detector_model."
_MOVED = (
    ("detector_model.vision_encoder.backbone.", "vision_encoder.backbone."),
    ("tracker_neck.", "vision_encoder.neck."),
)

_TRUNK, _CONVS = "detector.backbone.vision_backbone.trunk.", "detector.backbone.vision_backbone.sam2_convs.{n}."
_BACKBONE, _BLOCK = "vision_encoder.backbone.", "vision_encoder.backbone.layers.{n}."
_LEVEL = "vision_encoder.neck.fpn_layers.{n}."
_FUSED = ".attention.qkv."
_POSITIONS = "vision_encoder.backbone.embeddings.position_embeddings"
_ENCODER_RULES: Rules = compile_rules(
    (
        (_TRUNK + "pos_embed", _POSITIONS),
        (_TRUNK + "patch_embed.proj.", _BACKBONE + "embeddings.patch_embeddings.projection."),
        (_TRUNK + "ln_pre.", _BACKBONE + "layer_norm."),
        (_TRUNK + "blocks.{n}.norm{n}.", _BLOCK + "layer_norm{n}."),
        (_TRUNK + "blocks.{n}.attn.proj.", _BLOCK + "attention.o_proj."),
        (_TRUNK + "blocks.{n}.attn.", _BLOCK + "attention."),
        (_TRUNK + "blocks.{n}.", _BLOCK),
        (_CONVS + "dconv_2x2_0.", _LEVEL + "scale_layers.0."),
        (_CONVS + "dconv_2x2_1.", _LEVEL + "scale_layers.2."),
        (_CONVS + "dconv_2x2.", _LEVEL + "scale_layers.0."),
        (_CONVS + "conv_1x1.", _LEVEL + "proj1."),
        (_CONVS + "conv_3x3.", _LEVEL + "proj2."),
    )
)
_TRACKER_RULES: Rules = compile_rules(
    (
        ("tracker.transformer.encoder.", "memory_attention."),
        ("tracker.maskmem_backbone.", "memory_encoder."),
        (
            "tracker.sam_mask_decoder.transformer.layers.{n}.mlp.lin1.",
            "sam_mask_decoder.transformer.layers.{n}.mlp.layers.0.",
        ),
        (
            "tracker.sam_mask_decoder.transformer.layers.{n}.mlp.lin2.",
            "sam_mask_decoder.transformer.layers.{n}.mlp.layers.1.",
        ),
        ("tracker.", ""),
    )
)
"""To the names of an original SAM 2 file."""


def is_meta(keys: Iterable[str]) -> bool:
    """True if the names are those of the original SAM 3 code."""
    return any(key.startswith(_TRUNK) for key in keys)


def to_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Plain names of the promptable part's tensors.

    Parameters
    ----------
    state : mapping of str to Tensor
        By the names of a file of any layout.

    Returns
    -------
    dict
        Names that SAM 3 does not know are kept as they are.
    """
    if is_meta(state):
        return from_meta(state)
    renamed = {_plain(key): value for key, value in state.items()}
    return {key: value for key, value in renamed.items() if not key.startswith(_DETECTOR)}


def from_meta(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of the original file's encoder and tracker by plain names.

    Two things are not only renamed: queries, keys and values are one layer there, and the table of positions begins
    with that of a class token. Rotary frequencies, which are computed, are left out.
    """
    parts = {key: value for key, value in state.items() if ".freqs_cis" not in key}
    encoder = {rename(key, _ENCODER_RULES): value for key, value in parts.items()}
    found = {key: value for key, value in encoder.items() if key.startswith("vision_encoder.")}
    tracker = {rename(key, _TRACKER_RULES): value for key, value in parts.items() if key.startswith("tracker.")}
    for key in [key for key in found if _FUSED in key]:
        queries_keys_values = found.pop(key).chunk(3)
        found |= {key.replace(_FUSED, f".attention.{n}_proj."): part for n, part in zip("qkv", queries_keys_values)}
    return found | {_POSITIONS: _without_class(found[_POSITIONS])} | sam2.from_meta(tracker)


def _without_class(positions: Tensor) -> Tensor:
    """(1, n, d) table of a square of tokens, without the row of a class token where there is one."""
    tokens = positions.shape[1]
    return positions if int(tokens**0.5) ** 2 == tokens else positions[:, 1:]


def _plain(key: str) -> str:
    while key.startswith(_TRACKER):  # transformers 5 writes it twice for the full model
        key = key.removeprefix(_TRACKER)
    for begins, becomes in _MOVED:
        if key.startswith(begins):
            return becomes + key.removeprefix(begins)
    return key
