"""Prompt-free head only: image encoder, prompt encoder and the rest of the mask decoder are frozen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from samadapt.adapt.adaptation import Method
from samadapt.adapt.config import HeadConfig
from samadapt.core.errors import ConfigError

if TYPE_CHECKING:
    from samadapt.models import SamPromptable


def insert(model: SamPromptable, config: HeadConfig) -> None:
    """Nothing is added."""
    if model.head is None:
        raise ConfigError(
            "there is no prompt-free head that could learn", where="method head", remedy="Use it with task=semantic."
        )


def trainable(model: SamPromptable, config: HeadConfig) -> list[str]:
    """Nothing but the head, which always learns."""
    return []


def fold(model: SamPromptable) -> None:
    """The weights are already the model's own."""


METHOD = Method(HeadConfig, insert, trainable, fold)
