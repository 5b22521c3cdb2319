"""Bottleneck adapters after the attention and beside the MLP of every image encoder block, and of the mask decoder.

    a = attention(norm1 x);  x = x + a + up(gelu(down a))
    x = x + mlp(norm2 x) + 0.5 * up(gelu(down(norm2 x)))

References
----------
.. [1] Wu et al. 2023, Medical SAM Adapter, arXiv:2304.12620; MedicineToken/Medical-SAM-Adapter 4dcdc63 (2-D mode).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.nn import functional as F

from samadapt.adapt.adaptation import Method
from samadapt.adapt.attach import adapter_names, attach_after, attach_beside
from samadapt.adapt.config import AdapterConfig
from samadapt.adapt.parts import attention_of, decoder_attentions, decoder_parts, encoder_blocks

if TYPE_CHECKING:
    from samadapt.models import SamPromptable


_NORM = "_late_norm"


class Bottleneck(nn.Module):
    """x (..., d) to scale * up(gelu(down x)), plus x with `skip`.

    Parameters
    ----------
    width : int
        d.
    inner : int
        Width of the bottleneck.
    skip : bool
        Add the input.
    scale : float
    zero_init : bool
        Start with an output of zero (of x with `skip`); otherwise PyTorch's own initial values, as published.
    """

    def __init__(self, width: int, inner: int, *, skip: bool, scale: float = 1.0, zero_init: bool = False) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(width, inner), nn.Linear(inner, width)
        self.skip, self.scale = skip, scale
        if zero_init:
            nn.init.zeros_(self.up.weight)
            nn.init.zeros_(self.up.bias)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.scale * self.up(F.gelu(self.down(x)))
        return x + y if self.skip else y


class LateNorm(nn.LayerNorm):
    """First norm of a block that passes its input on; the attention applies it, to windows that are padded already.

    The padding then is the norm's bias instead of zero, as in the published code.
    """

    def forward(self, x: Tensor) -> Tensor:
        return x

    def late(self, x: Tensor) -> Tensor:
        """Normalised tokens (..., d)."""
        return super().forward(x)


def insert(model: SamPromptable, config: AdapterConfig) -> None:
    """Attach both adapters to each chosen block and, if asked, to the mask decoder's attentions and MLPs."""
    for _, block in encoder_blocks(model, config.blocks):
        width = block.layer_norm2.normalized_shape[0]
        _attach([attention_of(block)], [block.mlp], width, config)
        if config.late_norm:
            _normalise_late(block)
    if config.decoder:
        layers = model.decoder.transformer.layers
        width = layers[0].layer_norm2.normalized_shape[0]
        _attach(decoder_attentions(model), [layer.mlp for layer in layers], width, config)


def trainable(model: SamPromptable, config: AdapterConfig) -> list[str]:
    """The adapters, and decoder and prompt encoder as configured."""
    return list(dict.fromkeys(adapter_names(model) + decoder_parts(model, config)))


def _attach(attentions: Sequence[Any], perceptrons: Sequence[Any], width: int, config: AdapterConfig) -> None:
    inner = max(1, int(width * config.ratio))
    for attention in attentions:
        attach_after(attention, Bottleneck(width, inner, skip=True, zero_init=config.zero_init))
    for mlp in perceptrons:
        beside = Bottleneck(width, inner, skip=False, scale=config.scale, zero_init=config.zero_init)
        attach_beside(mlp, beside)


def _normalise_late(block: Any) -> None:
    block.layer_norm1.__class__ = LateNorm
    attention = attention_of(block)
    attention.__dict__[_NORM] = (block.layer_norm1,)  # in a tuple: not registered a second time
    attention.register_forward_pre_hook(_late, with_kwargs=True)


def _late(attention: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    (norm,) = attention.__dict__[_NORM]
    if arguments:
        return (norm.late(arguments[0]), *arguments[1:]), named
    return arguments, named | {"hidden_states": norm.late(named["hidden_states"])}


METHOD = Method(AdapterConfig, insert, trainable)
