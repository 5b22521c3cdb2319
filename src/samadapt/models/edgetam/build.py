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
from samadapt.models.sam2.build import decoder_settings, filled, prompt_settings


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
    """transformers' Sam2Model over `RepVitBackbone`, on the meta device; its tensors are named as EdgeTamModel's.

    transformers' own EdgeTamModel builds the same network over timm, which needs torchvision.

    Parameters
    ----------
    architecture : EdgeTamArchitecture
    """
    from transformers import Sam2Config, Sam2MaskDecoderConfig, Sam2Model, Sam2PromptEncoderConfig, Sam2VisionConfig

    a = architecture
    vision = Sam2VisionConfig(
        backbone_channel_list=list(a.widths[::-1]),
        backbone_feature_sizes=[[scale * a.grid] * 2 for scale in (4, 2, 1)],
        fpn_hidden_size=a.channels,
    )
    prompt = Sam2PromptEncoderConfig(**prompt_settings(a))
    decoder = Sam2MaskDecoderConfig(**decoder_settings(a))
    config = Sam2Config(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder)
    with torch.device("meta"):
        sam = Sam2Model._from_config(config, attn_implementation="sdpa")
        sam.vision_encoder.backbone = RepVitBackbone(a.inputs, a.widths, a.blocks)
    return sam


def edgetam_config(a: EdgeTamArchitecture) -> Any:
    """transformers' EdgeTamConfig of an architecture, for folders that its EdgeTamModel reads."""
    from transformers import (
        EdgeTamConfig,
        EdgeTamMaskDecoderConfig,
        EdgeTamPromptEncoderConfig,
        EdgeTamVisionConfig,
        TimmWrapperConfig,
    )

    shape = {"in_chans": a.inputs, "embed_dim": list(a.widths), "depth": list(a.blocks)}
    maps = {"features_only": True, "out_indices": [0, 1, 2, 3]}
    vision = EdgeTamVisionConfig(
        backbone_config=TimmWrapperConfig(architecture="repvit_m1", model_args=shape | maps),
        backbone_channel_list=list(a.widths[::-1]),
        backbone_feature_sizes=[[scale * a.grid] * 2 for scale in (4, 2, 1)],
        fpn_hidden_size=a.channels,
    )
    return EdgeTamConfig(
        vision_config=vision,
        prompt_encoder_config=EdgeTamPromptEncoderConfig(**prompt_settings(a)),
        mask_decoder_config=EdgeTamMaskDecoderConfig(**decoder_settings(a)),
        architectures=["EdgeTamModel"],
    )
