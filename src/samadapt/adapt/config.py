"""What to adapt and how. No torch here: the command line reads these for its help."""

from __future__ import annotations

import importlib.metadata
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, field_validator, model_validator

from samadapt.config import Config

ENTRY_POINTS = "samadapt.methods"
"""Entry point group in which other packages register methods."""

Blocks = tuple[Annotated[int, Field(ge=0)], ...] | None


class LoraConfig(Config):
    """Low-rank updates of queries and values, as SAMed and SAMed_s use them."""

    method: Literal["lora"] = Field("lora", description="low-rank updates of queries and values")
    rank: int = Field(4, ge=1, description="rank of each update")
    alpha: float | None = Field(
        None, gt=0, description="scale of the update is alpha / rank; none: the same as rank, so no scaling"
    )
    encoder: bool = Field(True, description="put updates into the image encoder")
    decoder: bool = Field(
        False, description="put updates into every attention of the mask decoder and freeze its transformer"
    )
    dora: bool = Field(
        False, description="learn the length of every updated row of the weight apart from its direction (DoRA)"
    )
    blocks: Blocks = Field(None, description="encoder blocks to update, from 0; none: all")
    train_decoder: bool = Field(True, description="train the rest of the mask decoder")
    train_prompt_encoder: bool = Field(True, description="train the prompt encoder")

    @model_validator(mode="after")
    def _needs_a_place(self) -> LoraConfig:
        if not (self.encoder or self.decoder):
            raise ValueError("lora needs encoder or decoder to be true")
        return self


class AdapterConfig(Config):
    """Bottleneck adapters after the attention and beside the MLP, as Medical SAM Adapter uses them."""

    method: Literal["adapter"] = Field("adapter", description="bottleneck adapters in every encoder block")
    ratio: float = Field(0.25, gt=0, le=4, description="width of the bottleneck as a share of the block's width")
    scale: float = Field(0.5, gt=0, description="weight of the adapter beside the MLP")
    zero_init: bool = Field(
        False, description="start as the unchanged model; published runs start from random adapters instead"
    )
    late_norm: bool = Field(
        False, description="normalise after padding the windows instead of before, as the published code does"
    )
    decoder: bool = Field(
        False, description="also put them after every attention and beside the MLP of the mask decoder"
    )
    blocks: Blocks = Field(None, description="encoder blocks to adapt, from 0; none: all")
    train_decoder: bool = Field(True, description="train the mask decoder")
    train_prompt_encoder: bool = Field(False, description="train the prompt encoder")


class SamMed2dConfig(Config):
    """Channel gate and convolution beside the MLP, as SAM-Med2D uses them."""

    method: Literal["sammed2d-adapter"] = Field(
        "sammed2d-adapter", description="gate and convolution adapter in every encoder block"
    )
    ratio: float = Field(0.25, gt=0, le=4, description="width of the channel gate as a share of the block's width")
    zero_init: bool = Field(
        False, description="start as the unchanged model; published runs start from random adapters instead"
    )
    blocks: Blocks = Field(None, description="encoder blocks to adapt, from 0; none: all")
    train_decoder: bool = Field(True, description="train the mask decoder")
    train_prompt_encoder: bool = Field(True, description="train the prompt encoder")


class DecoderConfig(Config):
    """Mask decoder alone; the image encoder stays as it is, so its embeddings can be computed once."""

    method: Literal["decoder"] = Field("decoder", description="train the mask decoder only")
    train_prompt_encoder: bool = Field(False, description="train the prompt encoder too")


class FullConfig(Config):
    """Image encoder and mask decoder, as MedSAM trains them."""

    method: Literal["full"] = Field("full", description="train the image encoder and the mask decoder")
    train_prompt_encoder: bool = Field(False, description="train the prompt encoder too; MedSAM keeps it frozen")


class HeadConfig(Config):
    """The prompt-free head alone; everything that it answers from stays as it is."""

    method: Literal["head"] = Field("head", description="train the prompt-free head only, with its detail branch")


class ExternalConfig(Config):
    """A method of another package, registered under the entry points "samadapt.methods"."""

    method: str = Field(description="name of the registered method")
    options: dict[str, Any] = Field(default_factory=dict, description="its own settings")

    @field_validator("method")
    @classmethod
    def _is_registered(cls, name: str) -> str:
        known = sorted(entry.name for entry in importlib.metadata.entry_points(group=ENTRY_POINTS))
        if name not in known:
            raise ValueError(f"no method {name!r}; known: {', '.join([*BUILTIN_METHODS, *known])}")
        return name


BUILTIN_METHODS = ("lora", "adapter", "sammed2d-adapter", "decoder", "full", "head")


def _kind(value: Any) -> str:
    name = value.get("method", "lora") if isinstance(value, dict) else getattr(value, "method", "")
    return name if name in BUILTIN_METHODS else "external"


MethodConfig = Annotated[
    Annotated[LoraConfig, Tag("lora")]
    | Annotated[AdapterConfig, Tag("adapter")]
    | Annotated[SamMed2dConfig, Tag("sammed2d-adapter")]
    | Annotated[DecoderConfig, Tag("decoder")]
    | Annotated[FullConfig, Tag("full")]
    | Annotated[HeadConfig, Tag("head")]
    | Annotated[ExternalConfig, Tag("external")],
    Discriminator(_kind),
]
"""Any method; which one is said by its `method` field."""
