"""An EdgeTAM from an architecture and its tensors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from samadapt.models.build import canonical
from samadapt.models.edgetam.architecture import EdgeTamArchitecture
from samadapt.models.edgetam.promptable import EdgeTamPromptable
from samadapt.models.edgetam.repvit import RepVitBackbone
from samadapt.models.preprocess import Preprocessing
from samadapt.models.sam2.build import decoder_settings, filled, memory_settings, on_meta, prompt_settings


def assemble(
    architecture: EdgeTamArchitecture,
    state: Mapping[str, Tensor],
    preprocessing: Preprocessing,
    *,
    name: str,
    family: str = "edgetam",
    image_size: int | None = None,
    where: object = None,
    looks_like: str = "an EdgeTAM checkpoint",
    **how: Any,
) -> EdgeTamPromptable:
    """Model of `architecture` at `image_size` with the tensors of `state`; see `samadapt.models.sam2.build.assemble`.

    Parameters
    ----------
    architecture : EdgeTamArchitecture
    state : mapping of str to Tensor
        Transformers' names; floating point of any precision. Becomes float32.
    **how
        `allow` and `seed`.
    """
    wanted = architecture.at(image_size)
    weights, empty = canonical(state, where=where), empty_edgetam(wanted)
    facts: dict[str, Any] = {"name": name, "family": family, "where": where, "looks_like": looks_like}
    return filled(EdgeTamPromptable, empty, wanted, weights, preprocessing, **facts, **how)


def empty_edgetam(architecture: EdgeTamArchitecture) -> Any:
    """transformers' EdgeTamVideoModel, or EdgeTamModel for a network without memory, on the meta device.

    Its encoder is `RepVitBackbone`: transformers builds the same network over timm, which needs torchvision.

    Parameters
    ----------
    architecture : EdgeTamArchitecture
    """
    from transformers import EdgeTamModel, Sam2VisionConfig

    from samadapt.models.edgetam.video import EdgeTamVideoModel

    a = architecture
    kind = EdgeTamVideoModel if a.memory else EdgeTamModel
    sam = on_meta(kind, edgetam_config(a, Sam2VisionConfig(**_neck(a))), a)
    with torch.device("meta"):
        sam.vision_encoder.backbone = RepVitBackbone(a.inputs, a.widths, a.blocks)
    return sam


def edgetam_config(a: EdgeTamArchitecture, vision: Any = None) -> Any:
    """transformers' EdgeTamVideoConfig, or EdgeTamConfig without memory, of an architecture.

    Parameters
    ----------
    a : EdgeTamArchitecture
    vision : transformers configuration, optional
        Of an encoder that can be built without timm; EdgeTAM's own by default, for folders that transformers reads.
    """
    import transformers

    kind = "EdgeTamVideo" if a.memory else "EdgeTam"
    return getattr(transformers, f"{kind}Config")(
        vision_config=vision or _vision(a),
        prompt_encoder_config=getattr(transformers, f"{kind}PromptEncoderConfig")(**prompt_settings(a)),
        mask_decoder_config=getattr(transformers, f"{kind}MaskDecoderConfig")(**decoder_settings(a)),
        architectures=[f"{kind}Model"],
        **(_memory(a) if a.memory else {}),
    )


def _vision(a: EdgeTamArchitecture) -> Any:
    from transformers import EdgeTamVisionConfig, TimmWrapperConfig

    shape = {"in_chans": a.inputs, "embed_dim": list(a.widths), "depth": list(a.blocks)}
    maps = {"features_only": True, "out_indices": [0, 1, 2, 3]}
    return EdgeTamVisionConfig(
        backbone_config=TimmWrapperConfig(architecture="repvit_m1", model_args=shape | maps), **_neck(a)
    )


def _neck(a: EdgeTamArchitecture) -> dict[str, Any]:
    return {
        "backbone_channel_list": list(a.widths[::-1]),
        "backbone_feature_sizes": [[scale * a.grid] * 2 for scale in (4, 2, 1)],
        "fpn_hidden_size": a.channels,
    }


def _memory(a: EdgeTamArchitecture) -> dict[str, Any]:
    """Arguments of the configuration of a memory: SAM 2's, and the perceiver whose tokens have positions of windows."""
    settings = memory_settings(a)
    return settings | {
        "memory_attention_mlp_hidden_size": settings.pop("memory_attention_feed_forward_hidden_size"),
        "memory_attention_rope_k_sizes": [a.memory_windows] * 2,
        "perceiver_resampler_num_latents": a.global_latents,
        "perceiver_resampler_num_latents_2d": a.window_latents,
        "perceiver_resampler_hidden_size": a.memory_channels,
        "perceiver_resampler_attention_head_dim": a.memory_channels,
        "perceiver_resampler_mlp_intermediate_size": a.perceiver_mlp_dim,
        "perceiver_resampler_num_layers": a.perceiver_layers,
    }
