"""Low-rank updates of queries and values: h = W x + (alpha / r) B A x with W frozen.

With DoRA the rows of V = W + (alpha / r) B A keep their direction and get learnt lengths m: h = m / |V| V x. As
published, |V| counts as a constant in the backward pass.

References
----------
.. [1] Hu et al. 2021, LoRA, arXiv:2106.09685.
.. [2] Zhang and Liu 2023, SAMed, arXiv:2304.13785; hitachinsk/SAMed e351840 (placement and initial values).
.. [3] Liu et al. 2024, DoRA, arXiv:2402.09353, section 4.3 (constant norm); huggingface/peft, `use_dora`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from samadapt.adapt.adaptation import Method
from samadapt.adapt.config import LoraConfig
from samadapt.adapt.parts import (
    DECODER_TRANSFORMER,
    attention_of,
    decoder_attentions,
    decoder_parts,
    encoder_blocks,
    named,
    placed,
)

if TYPE_CHECKING:
    from samadapt.models import SamPromptable

Rows = dict[str, tuple[int, int]]
"""{name of the update: (first, past last) row of the weight that it changes}."""


class LowRank(nn.Module):
    """x (..., n_in) to B A x (..., n_out).

    A starts uniform (Kaiming, a = sqrt 5), B at zero, so the update starts at zero.

    Attributes
    ----------
    lengths : Parameter of shape (n_out,) or None
        Of the rows of the updated weight (DoRA); None: as they come.
    """

    lengths: nn.Parameter | None

    def __init__(self, n_in: int, n_out: int, rank: int, lengths: Tensor | None = None) -> None:
        super().__init__()
        self.A = nn.Parameter(torch.empty(rank, n_in))
        self.B = nn.Parameter(torch.zeros(n_out, rank))
        self.register_parameter("lengths", None if lengths is None else nn.Parameter(lengths))
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(F.linear(x, self.A), self.B)

    def weight(self) -> Tensor:
        """B A, (n_out, n_in)."""
        return self.B @ self.A


class LoraLinear(nn.Linear):
    """A linear layer with low-rank updates of some of its rows; keeps the layer's own parameters and their names.

    Parameters
    ----------
    linear : Linear
        Its weight and bias are taken over, not copied.
    rows : Rows
        For a fused (3 d, d) qkv layer {"lora_q": (0, d), "lora_v": (2 d, 3 d)}.
    rank : int
    scale : float
        alpha / rank.
    dora : bool
        Learn the lengths of the updated rows too; they start as those of the weight.
    """

    def __init__(self, linear: nn.Linear, rows: Rows, rank: int, scale: float = 1.0, *, dora: bool = False) -> None:
        super().__init__(linear.in_features, linear.out_features, linear.bias is not None, device="meta")
        self.weight, self.bias = linear.weight, linear.bias
        self.rows, self.scale = rows, scale
        for name, (start, stop) in rows.items():
            lengths = _lengths(linear.weight[start:stop]) if dora else None
            self.add_module(name, placed(LowRank(linear.in_features, stop - start, rank, lengths), linear))

    def updates(self) -> Iterator[tuple[slice, LowRank]]:
        """(rows, update) pairs."""
        for name, (start, stop) in self.rows.items():
            update = self.get_submodule(name)
            assert isinstance(update, LowRank)
            yield slice(start, stop), update

    def forward(self, x: Tensor) -> Tensor:
        y = super().forward(x)
        for rows, update in self.updates():
            change = self.scale * update(x)
            if update.lengths is not None:
                plain = y[..., rows] - (0 if self.bias is None else self.bias[rows])
                factor = update.lengths / _lengths(self._direction(rows, update))
                change = factor * change + (factor - 1) * plain
            if rows == slice(0, self.out_features):  # not in place: autograd refuses it where y has no gradient yet
                y = y + change
            else:
                y[..., rows] += change
        return y

    def _direction(self, rows: slice, update: LowRank) -> Tensor:
        """Updated rows of the weight, float32, before their lengths are set."""
        return self.weight[rows].float() + self.scale * (update.B.float() @ update.A.float())

    @torch.no_grad()
    def folded(self) -> nn.Linear:
        """Plain layer with the same weight and bias objects, to which the updates were added."""
        for rows, update in self.updates():
            weight = self._direction(rows, update)
            if update.lengths is not None:
                weight = weight * (update.lengths / _lengths(weight))[:, None]
            self.weight[rows] = weight.to(self.weight.dtype)
        plain = nn.Linear(self.in_features, self.out_features, self.bias is not None, device="meta")
        plain.weight, plain.bias = self.weight, self.bias
        return plain.train(self.training)


def insert(model: SamPromptable, config: LoraConfig) -> None:
    """Put updates into the chosen encoder blocks and, if asked, into the decoder's attentions."""
    scale = (config.alpha or config.rank) / config.rank
    if config.encoder:
        for _, block in encoder_blocks(model, config.blocks):
            attention = attention_of(block)
            if not hasattr(attention, "qkv"):
                _update_apart(attention, config, scale)
                continue
            qkv, width = attention.qkv, attention.qkv.out_features // 3
            rows = {"lora_q": (0, width), "lora_v": (2 * width, 3 * width)}
            attention.qkv = LoraLinear(qkv, rows, config.rank, scale, dora=config.dora)
    if config.decoder:
        for attention in decoder_attentions(model):
            _update_apart(attention, config, scale)


def _update_apart(attention: Any, config: LoraConfig, scale: float) -> None:
    """Updates of queries and values that have a layer each."""
    for name in ("q_proj", "v_proj"):
        linear = getattr(attention, name)
        rows = {"lora": (0, linear.out_features)}
        setattr(attention, name, LoraLinear(linear, rows, config.rank, scale, dora=config.dora))


def trainable(model: SamPromptable, config: LoraConfig) -> list[str]:
    """The updates, and prompt encoder and decoder as configured; the decoder's transformer not if it has updates."""
    updates = [name for name, _ in model.named_parameters() if _is_update(name)]
    others = [name for name in decoder_parts(model, config) if not _is_update(name)]
    frozen = set(named(model, DECODER_TRANSFORMER)) if config.decoder else set()
    return updates + [name for name in others if name not in frozen]


def fold(model: SamPromptable) -> None:
    """Replace every updated layer by a plain one with the sum of both weights."""
    for name, module in list(model.named_modules()):
        if isinstance(module, LoraLinear):
            parent, _, last = name.rpartition(".")
            setattr(model.get_submodule(parent), last, module.folded())


@torch.no_grad()
def _lengths(weight: Tensor) -> Tensor:
    """Of every row of an (n, d) weight, float32 and without a graph; rows of zeros count as of the least length."""
    lengths: Tensor = torch.linalg.vector_norm(weight.float(), dim=1)
    return lengths.clamp(min=torch.finfo(torch.float32).tiny)


def _is_update(name: str) -> bool:
    parts = name.split(".")
    return len(parts) > 1 and parts[-2] in ("lora", "lora_q", "lora_v") and parts[-1] in ("A", "B", "lengths")


METHOD = Method(LoraConfig, insert, trainable, fold)
