"""Names of the original EdgeTAM file to those of transformers' EdgeTamVideoModel, and back.

The layout is that of facebookresearch/EdgeTAM (edgetam.pt). All but the encoder and the memory's perceiver is named as
in SAM 2, and all is only renamed but for the perceiver's keys and values, which are one layer there. The counters of
the encoder's norms are left out.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from samadapt.models.convert import Rules, compile_rules, rename
from samadapt.models.sam2 import names as sam2

_COUNTER = ".num_batches_tracked"
_PERCEIVER, _FUSED = "spatial_perceiver.", ".kv_proj."
_LAYER, _MEMORY = "spatial_perceiver.layers.{n}.", "memory_attention.layers.{n}."


def _attention(meta: str, ours: str) -> tuple[tuple[str, str], ...]:
    parts = (("to_q.", "q_proj."), ("to_kv.", _FUSED.lstrip(".")), ("to_out.", "o_proj."))
    return tuple((f"{_LAYER}{meta}.{old}", f"{_LAYER}{ours}.{new}") for old, new in parts)


def _perceptron(meta: str, ours: str) -> tuple[tuple[str, str], ...]:
    parts = (("0.", "layer_norm."), ("1.", "up_proj."), ("3.", "down_proj."))
    return tuple((f"{_LAYER}{meta}.{old}", f"{_LAYER}{ours}.{new}") for old, new in parts)


_RULES: tuple[tuple[str, str], ...] = (
    ("vision_encoder.backbone.body.", "vision_encoder.backbone.timm_model."),
    (_MEMORY + "linear1.", _MEMORY + "mlp.up_proj."),
    (_MEMORY + "linear2.", _MEMORY + "mlp.down_proj."),
    (_PERCEIVER + "latents_2d", _PERCEIVER + "latents_2d"),
    (_PERCEIVER + "latents", _PERCEIVER + "latents_1d"),
    (_PERCEIVER + "norm.", _PERCEIVER + "layer_norm."),
    (_LAYER + "attn.norm_x.", _LAYER + "layer_norm_input."),
    (_LAYER + "attn.norm_latents.", _LAYER + "layer_norm_latents."),
    (_LAYER + "self_attn.norm.", _LAYER + "layer_norm_self."),
    *_attention("attn", "cross_attention"),
    *_attention("self_attn", "self_attention"),
    *_perceptron("ff", "mlp"),
    *_perceptron("self_ff", "self_mlp"),
)
"""From SAM 2's names in transformers, or the original's, to EdgeTAM's."""
_FORWARD: Rules = compile_rules(_RULES)
_BACKWARD: Rules = compile_rules((ours, meta) for meta, ours in _RULES)


def to_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Transformers' names for a checkpoint of either layout."""
    kept = {key: value for key, value in state.items() if not key.endswith(_COUNTER)}
    if not sam2.is_meta(kept):
        return kept
    return _split({rename(key, _FORWARD): value for key, value in sam2.from_meta(kept).items()})


def to_meta(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a model by the names of the original code: the inverse of `to_transformers`."""
    return sam2.to_meta({rename(key, _BACKWARD): value for key, value in _joined(state).items()})


def _split(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Keys and values of the perceiver as two layers each."""
    found: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if name.startswith(_PERCEIVER) and _FUSED in name:
            found |= {name.replace(_FUSED, f".{part}_proj."): half for part, half in zip("kv", tensor.chunk(2))}
        else:
            found[name] = tensor
    return found


def _joined(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Keys and values of the perceiver as one layer each: the inverse of `_split`."""
    found = dict(state)
    for key in [key for key in state if key.startswith(_PERCEIVER) and ".k_proj." in key]:
        halves = found.pop(key), found.pop(key.replace(".k_proj.", ".v_proj."))
        found[key.replace(".k_proj.", _FUSED)] = torch.cat(halves)
    return found
