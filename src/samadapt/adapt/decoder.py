"""Mask decoder only: the image encoder is frozen, so embeddings may be computed once and kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samadapt.adapt.adaptation import Method
from samadapt.adapt.config import DecoderConfig
from samadapt.adapt.parts import DECODER, PROMPT_ENCODER, named

if TYPE_CHECKING:
    from samadapt.models import SamPromptable


def insert(model: SamPromptable, config: DecoderConfig) -> None:
    """Nothing is added."""


def trainable(model: SamPromptable, config: DecoderConfig) -> list[str]:
    """Mask decoder, and prompt encoder if configured."""
    return named(model, DECODER) + (named(model, PROMPT_ENCODER) if config.train_prompt_encoder else [])


def fold(model: SamPromptable) -> None:
    """The weights are already the model's own."""


METHOD = Method(DecoderConfig, insert, trainable, fold)
