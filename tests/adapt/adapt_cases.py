"""Tiny models to adapt, inputs that reach every parameter, and the list of methods that the battery runs over."""

from __future__ import annotations

import copy
import functools
from typing import Any

import torch
from torch import Tensor

from samadapt.adapt import add_head, inject
from samadapt.adapt.config import AdapterConfig, DecoderConfig, FullConfig, LoraConfig, SamMed2dConfig
from samadapt.core.image import LabelSet
from samadapt.models.promptable import SamPromptable
from samadapt.models.untrained import fresh, hash_model

METHODS: dict[str, Any] = {
    "lora": LoraConfig(),
    "lora-chosen-blocks": LoraConfig(rank=2, alpha=8, blocks=(1,), train_decoder=False, train_prompt_encoder=False),
    "lora-decoder": LoraConfig(decoder=True),
    "dora": LoraConfig(dora=True),
    "dora-decoder": LoraConfig(rank=2, alpha=4, decoder=True, dora=True),
    "adapter": AdapterConfig(),
    "adapter-decoder": AdapterConfig(decoder=True, zero_init=True, train_decoder=False),
    "adapter-zero": AdapterConfig(zero_init=True, train_prompt_encoder=True),
    "sammed2d": SamMed2dConfig(),
    "sammed2d-zero": SamMed2dConfig(zero_init=True, train_decoder=False),
    "decoder": DecoderConfig(),
    "full": FullConfig(),
    "full-prompts": FullConfig(train_prompt_encoder=True),
}
LABELS = LabelSet.from_names({1: "liver", 3: "left kidney", 7: "right kidney"}, ignore=255)


def build_tiny(image_size: int = 64, seed: int = 0) -> SamPromptable:
    """Tiny model with random weights everywhere, the same for the same seed."""
    return copy.deepcopy(_pristine(image_size, seed))


@functools.cache
def _pristine(image_size: int, seed: int) -> SamPromptable:
    model = fresh("test", image_size=image_size)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in sorted(model.named_parameters()):
            if "norm" not in name or not name.endswith("weight"):
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
    model.base_hash = hash_model(model)
    return model


def build_adapted(
    config: Any, label_set: LabelSet | None = None, image_size: int = 64, detail: int = 0
) -> SamPromptable:
    """Tiny model with a head for the labels, if any, and a method."""
    model = build_tiny(image_size)
    if label_set is not None:
        add_head(model, label_set, detail=detail)
    inject(model, config)
    return model


def answers(model: Any) -> list[Tensor]:
    """Outputs that together depend on every parameter: points, boxes with masks, nothing."""
    generator = torch.Generator().manual_seed(1)
    size = model.image_size
    pixels = torch.randn(2, 3, size, size, generator=generator)
    embedding = model.encode(pixels)
    points = torch.rand(2, 1, 4, 2, generator=generator) * size
    labels = torch.tensor([1, 0, -1, 1]).expand(2, 1, 4)
    boxes = torch.tensor([[4.0, 5, 30, 40]]).expand(2, 1, 4)
    masks = torch.randn(2, 1, model.mask_size, model.mask_size, generator=generator)
    outputs = [
        model.decode_tokens(embedding, points=points, point_labels=labels),
        model.decode_tokens(embedding, boxes=boxes, masks=masks),
        model.decode_tokens(embedding),
    ]
    classes = [] if model.head is None else [model.head.logits(model, embedding, pixels)]
    return [part for output in outputs for part in output] + classes


def loss_of(model: Any) -> Tensor:
    """A number that moves every parameter the answers depend on."""
    parts = answers(model)
    return sum(((part - torch.linspace(-1, 1, part.numel()).view(part.shape)) ** 2).mean() for part in parts)
