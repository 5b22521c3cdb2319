"""The image encoder's blocks with less work for the same result, while training.

Upstream pads the tokens to whole windows and then computes queries, keys and values of the padding too: at 256 pixels
784 tokens instead of 256. The padding is zero, so its keys and values are the bias of the layer; here they are filled
in, and the projection after the attention sees real tokens only. Relative positions are folded into queries and keys
([q / sqrt(d), rel_h, rel_w] times [k, one-hot row, one-hot column]), which needs no table of all pairs of tokens.

References
----------
.. [1] Li et al. 2022, MViTv2, arXiv:2112.01526: decomposed relative positions.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.models.sam.modeling_sam import SamVisionLayer
from transformers.models.sam_hq.modeling_sam_hq import SamHQVisionLayer

LEAN_TOKENS = 1024
"""Tokens of a window above which attention probabilities are not kept for the backward pass."""


class FastLayer(SamVisionLayer):  # type: ignore[misc]
    """Block of the image encoder; differs from its base class in how attention is computed, not in what it gives.

    Where a module is attached to the attention (bottleneck adapters see whole windows) the base class computes.
    """

    def forward(self, hidden_states: Tensor) -> Tensor:
        """Tokens (B, h, w, C) after attention and perceptron."""
        if self.attn._forward_hooks or self.attn._forward_pre_hooks:
            plain: Tensor = super().forward(hidden_states)
            return plain
        tokens = hidden_states + window_attention(self.attn, self.layer_norm1(hidden_states), self.window_size)
        out: Tensor = tokens + self.mlp(self.layer_norm2(tokens))
        return out


def quicken(encoder: nn.Module) -> int:
    """Let every block of a SAM vision encoder compute the fast way, in place.

    Parameters
    ----------
    encoder : transformers.SamVisionEncoder
        Or that of SAM-HQ, whose blocks are the same; another network is left as it is.

    Returns
    -------
    int
        Blocks changed.
    """
    changed = 0
    for layer in getattr(encoder, "layers", ()):
        if type(layer) in (SamVisionLayer, SamHQVisionLayer) and layer.attn.use_rel_pos:
            layer.__class__ = FastLayer
            changed += 1
    return changed


def halve_frozen(encoder: nn.Module) -> int:
    """Keep frozen weights of linear and convolutional layers in bfloat16, as autocast would round them every time.

    Returns
    -------
    int
        Parameters changed.
    """
    changed = 0
    for module in encoder.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            for parameter in (module.weight, module.bias):
                if parameter is not None and not parameter.requires_grad:
                    parameter.data = parameter.data.to(torch.bfloat16)
                    changed += 1
    return changed


def window_attention(attention: Any, tokens: Tensor, window: int) -> Tensor:
    """Attention of a block, within windows or over the whole image.

    Parameters
    ----------
    attention : transformers.SamVisionAttention
    tokens : Tensor of shape (B, h, w, C)
        After the first norm.
    window : int
        Side of a window in tokens; 0: the whole image.

    Returns
    -------
    Tensor of shape (B, h, w, C)
    """
    batch, height, width, _ = tokens.shape
    side = (window, window) if window > 0 else (height, width)
    qkv = _pad(attention.qkv(tokens), attention.qkv.bias, side)
    rows, columns = qkv.shape[1] // side[0], qkv.shape[2] // side[1]
    heads = attention.num_attention_heads
    split = qkv.view(batch, rows, side[0], columns, side[1], 3, heads, -1)
    # (3, B, rows, columns, heads, window rows, window columns, d)
    query, key, value = split.permute(5, 0, 1, 3, 6, 2, 4, 7).flatten(1, 4).unbind(0)
    mixed = _attend(attention, query, key, value)  # (B * windows * heads, rows, columns, d)
    mixed = mixed.view(batch, rows, columns, heads, *side, -1).permute(0, 1, 4, 2, 5, 3, 6)
    whole = mixed.reshape(batch, rows * side[0], columns * side[1], -1)
    # Contiguous, or the layer becomes one matrix product for each row of tokens.
    projected: Tensor = attention.proj(whole[:, :height, :width].contiguous())
    return projected


def _pad(qkv: Tensor, bias: Tensor | None, side: tuple[int, int]) -> Tensor:
    """Bottom and right filled up to whole windows with what zeros become: the bias."""
    batch, height, width, channels = qkv.shape
    down, right = -height % side[0], -width % side[1]
    if not (down or right):
        return qkv
    fill = (qkv.new_zeros(channels) if bias is None else bias).to(qkv.dtype)
    if right:
        qkv = torch.cat([qkv, fill.expand(batch, height, right, channels)], dim=2)
    if down:
        qkv = torch.cat([qkv, fill.expand(batch, down, width + right, channels)], dim=1)
    return qkv


def _attend(attention: Any, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """Softmax attention with decomposed relative positions; all of shape (n, rows, columns, d)."""
    rows, columns = query.shape[1:3]
    table_h = attention.get_rel_pos(rows, rows, attention.rel_pos_h).to(query.dtype)
    table_w = attention.get_rel_pos(columns, columns, attention.rel_pos_w).to(query.dtype)
    rel_h = torch.einsum("nhwc,hkc->nhwk", query, table_h)
    rel_w = torch.einsum("nhwc,wkc->nhwk", query, table_w)
    queries = torch.cat([query * attention.scale, rel_h, rel_w], dim=-1).flatten(1, 2)
    keys = torch.cat([key, _places(rows, columns, key).expand(len(key), -1, -1, -1)], dim=-1).flatten(1, 2)
    values = value.flatten(1, 2)
    if rows * columns > LEAN_TOKENS or query.is_cuda:
        mixed = _lean(queries, keys, values)
    else:
        mixed = torch.bmm(torch.bmm(queries, keys.transpose(1, 2)).softmax(-1), values)
    return mixed.unflatten(1, (rows, columns))  # type: ignore[no-any-return, no-untyped-call]


def _places(rows: int, columns: int, like: Tensor) -> Tensor:
    """(rows, columns, rows + columns): one-hot row and one-hot column of every token."""
    eye_h, eye_w = (torch.eye(n, dtype=like.dtype, device=like.device) for n in (rows, columns))
    return torch.cat([eye_h[:, None].expand(-1, columns, -1), eye_w[None].expand(rows, -1, -1)], dim=-1)


def _lean(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """Attention that keeps no probabilities; the fused kernels want equal widths that are multiples of 8."""
    width = -(-queries.shape[-1] // 8) * 8
    q, k, v = (F.pad(t, (0, width - t.shape[-1]))[:, None] for t in (queries, keys, values))
    return F.scaled_dot_product_attention(q, k, v, scale=1.0)[:, 0, :, : values.shape[-1]]
