"""Names of the parts of a SAM network, as methods choose from them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from samadapt.core.errors import ConfigError

if TYPE_CHECKING:
    from torch import nn

    from samadapt.models import SamPromptable

ENCODER = "sam.vision_encoder."
FINE = "sam.fine."
PROMPT_ENCODER = "sam.prompt_encoder."
DECODER = "sam.mask_decoder."
DECODER_TRANSFORMER = "sam.mask_decoder.transformer."
BRANCH = "detail."
HEAD = (
    "sam.mask_decoder.mask_tokens.",
    "sam.mask_decoder.output_hypernetworks_mlps.",
    "sam.mask_decoder.iou_prediction_head.",
    BRANCH,
)

# Random Fourier features of positions: a buffer in the original code, a parameter here. Never trained.
_CONSTANT = "positional_embedding"


def named(model: nn.Module, *prefixes: str) -> list[str]:
    """Names of the parameters that start with one of `prefixes`; fixed position features are left out."""
    return [n for n, _ in model.named_parameters() if n.startswith(prefixes) and not n.endswith(_CONSTANT)]


def decoder_parts(model: nn.Module, config: Any) -> list[str]:
    """Mask decoder and prompt encoder as `train_decoder` and `train_prompt_encoder` say."""
    names = named(model, DECODER) if config.train_decoder else []
    return names + (named(model, PROMPT_ENCODER) if config.train_prompt_encoder else [])


def encoder_blocks(model: SamPromptable, chosen: Sequence[int] | None) -> Iterator[tuple[int, Any]]:
    """(index, block) of the chosen image encoder blocks, all for None.

    Raises
    ------
    ConfigError
        If a chosen block does not exist.
    """
    layers = all_blocks(model)
    wrong = [i for i in chosen or () if not 0 <= i < len(layers)]
    if wrong:
        raise ConfigError(
            f"blocks {wrong} do not exist", where=model.name, remedy=f"Blocks are 0 to {len(layers) - 1}."
        )
    for index, layer in enumerate(layers):
        if chosen is None or index in chosen:
            yield index, layer


def all_blocks(model: SamPromptable) -> Any:
    """Blocks of the image encoder: those of SAM's or SAM 3's vision transformer or of SAM 2's Hiera."""
    encoder = model.sam.vision_encoder
    backbone = getattr(encoder, "backbone", encoder)
    if hasattr(backbone, "timm_model"):
        raise ConfigError(
            "EdgeTAM's image encoder is convolutional and has no attention blocks to adapt",
            where=model.name,
            remedy="Adapt its decoder (method.encoder=false method.decoder=true), or train the decoder or everything.",
        )
    return backbone.blocks if hasattr(backbone, "blocks") else backbone.layers


def attention_of(block: Any) -> Any:
    """Attention of a block of the image encoder, which SAM 3 calls by another name."""
    return block.attention if hasattr(block, "attention") else block.attn


def decoder_attentions(model: SamPromptable) -> list[Any]:
    """Attentions of the mask decoder's transformer, the final one included."""
    modules = model.sam.mask_decoder.transformer.modules()
    return [module for module in modules if hasattr(module, "q_proj") and hasattr(module, "v_proj")]


def placed(module: nn.Module, like: nn.Module) -> nn.Module:
    """`module` on the device, and in the precision and mode, of the module `like`."""
    parameter = next(like.parameters())
    return module.to(device=parameter.device, dtype=parameter.dtype).train(like.training)
