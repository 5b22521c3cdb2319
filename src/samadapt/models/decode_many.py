"""Many prompts on one image with less work for the same masks, without gradients.

The arithmetic is that of `samadapt.models.decode`, in another order:

- What the first block computes from the image alone is computed once, not once for each prompt.
- A prompt has a handful of tokens, so later blocks move the projections of the image's keys and values to the tokens:
  q (W k)' = (q W) k', and p (V W) = (p V) W. The image side is never projected.
- The predicted IoU is known before any mask is drawn; only the masks asked for are.
- The transposed convolutions have kernels as large as their strides: they are matrix products, pixels last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers.models.sam.modeling_sam import SamMaskDecoder, SamTwoWayAttentionBlock, SamTwoWayTransformer

from samadapt.models.decode import dense_position, sparse_tokens
from samadapt.models.maps import FeatureMaps, coarse
from samadapt.models.promptable import SamPromptable

_BATCH_ELEMENTS = 1 << 20
"""Numbers on the image side of a batch of prompts: many more would not stay in the processor's cache."""


def can_decode_many(model: Any) -> bool:
    """True if the decoder is the plain one of SAM 1, with nothing attached that this order of work would miss."""
    if not isinstance(model, SamPromptable) or type(model).decode is not SamPromptable.decode:
        return False
    decoder = model.sam.mask_decoder
    if hasattr(decoder, "refine"):
        return False
    if type(decoder) is not SamMaskDecoder or type(decoder.transformer) is not SamTwoWayTransformer:
        return False
    plain = all(type(layer) is SamTwoWayAttentionBlock for layer in decoder.transformer.layers)
    return plain and not any(m._forward_hooks or m._forward_pre_hooks for m in decoder.modules())


@dataclass(frozen=True, eq=False)
class Scored:
    """Prompts whose masks can be drawn.

    Attributes
    ----------
    iou : Tensor of shape (P, T), float32
        Predicted IoU of every mask token.
    queries : Tensor of shape (P, n, C)
        Tokens after the transformer.
    keys : Tensor of shape (P, h * w, C)
        Image after the transformer.
    """

    iou: Tensor
    queries: Tensor
    keys: Tensor


class ManyPrompts:
    """Decoder of one image.

    Parameters
    ----------
    model : SamPromptable
        Of which `can_decode_many` holds.
    embedding : Tensor of shape (1, C, h, w)
        Or the maps of an encoder with a fine path.
    """

    def __init__(self, model: SamPromptable, embedding: Tensor | FeatureMaps) -> None:
        self._sam, self._decoder = model.sam, model.sam.mask_decoder
        finer = embedding.finer if isinstance(embedding, FeatureMaps) else ()
        embedding = coarse(embedding)
        self._hw = (int(embedding.shape[-2]), int(embedding.shape[-1]))
        none = self._sam.prompt_encoder.no_mask_embed.weight[0][:, None, None]
        image = (embedding[0].float() + none).flatten(1).T.contiguous()  # (h * w, C)
        place = dense_position(self._sam, self._hw)[0].flatten(1).T
        transformer = self._decoder.transformer
        self._blocks = [_Block(layer, image if i == 0 else None, place) for i, layer in enumerate(transformer.layers)]
        self._final = _Gather(transformer.final_attn_token_to_image, None, place)
        self._image = image
        self._finer = [_by_token(m[0].float(), self._hw) for m in finer]  # pixels of each token: 4 x 4, and 2 x 2

    @property
    def batch(self) -> int:
        """How many prompts to score at once."""
        return max(4, _BATCH_ELEMENTS // int(self._image.numel()))

    def score(self, points: Tensor, labels: Tensor) -> Scored:
        """Predicted IoU of the masks of P prompts.

        Parameters
        ----------
        points : Tensor of shape (P, N, 2)
            XY in model pixels.
        labels : Tensor of shape (P, N)

        Returns
        -------
        Scored
        """
        decoder = self._decoder
        fixed = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight]).expand(len(points), -1, -1)
        sparse = sparse_tokens(self._sam, points[None], labels[None], None)
        tokens = fixed if sparse is None else torch.cat([fixed, sparse[0].to(fixed.dtype)], dim=1)
        queries, keys = tokens, self._image[None]
        for block in self._blocks:
            queries, keys = block(queries, keys, tokens)
        queries = queries + self._final(queries + tokens, keys)
        queries = decoder.transformer.layer_norm_final_attn(queries)
        return Scored(decoder.iou_prediction_head(queries[:, 0]).float(), queries, keys)

    def draw(self, scored: Scored, wanted: Tensor) -> Tensor:
        """Low-resolution logits of chosen masks.

        Parameters
        ----------
        scored : Scored
        wanted : Tensor of shape (P, T), bool

        Returns
        -------
        Tensor of shape (number of True, 4h, 4w), float32
            In the order of the prompts, then of the mask tokens.
        """
        rows = wanted.any(1).nonzero()[:, 0]
        tokens = wanted.any(0).nonzero()[:, 0]
        size = max(1, _BATCH_ELEMENTS // (2 * self._image.numel()))
        drawn = [self._draw(scored, rows[i : i + size], tokens, wanted) for i in range(0, len(rows), size)]
        h, w = self._hw
        return torch.cat([scored.keys.new_zeros(0, 4 * h, 4 * w, dtype=torch.float32), *drawn])

    def _draw(self, scored: Scored, rows: Tensor, tokens: Tensor, wanted: Tensor) -> Tensor:
        (h, w), mlps = self._hw, self._decoder.output_hypernetworks_mlps
        weights = torch.stack([mlps[i](scored.queries[rows, 1 + i]) for i in tokens.tolist()], dim=1)  # (R, t, C / 8)
        fine = self._upscale(scored.keys[rows]).flatten(1, -2)  # (R, 16 * h * w, C / 8)
        logits = torch.bmm(weights, fine.transpose(1, 2)).view(len(rows), -1, h, w, 2, 2, 2, 2)
        chosen = logits[wanted[rows][:, tokens]]  # (K, h, w, 2, 2, 2, 2)
        return chosen.permute(0, 1, 3, 5, 2, 4, 6).reshape(-1, 4 * h, 4 * w).float()

    def _upscale(self, keys: Tensor) -> Tensor:
        """Each token (R, h * w, C) as 2 x 2 pixels of 2 x 2 pixels: (R, h * w, 2, 2, 2, 2, C / 8)."""
        decoder, norm = self._decoder, self._decoder.upscale_layer_norm
        half = _spread(decoder.upscale_conv1, keys)
        half = half + self._finer[1] if self._finer else half
        half = decoder.activation(F.layer_norm(half, norm.normalized_shape, norm.weight, norm.bias, norm.eps))
        full = _spread(decoder.upscale_conv2, half)
        drawn: Tensor = decoder.activation(full + self._finer[0] if self._finer else full)
        return drawn


class _Block:
    """One two-way block; the image side comes in projected where all prompts share it."""

    def __init__(self, layer: Any, image: Tensor | None, place: Tensor) -> None:
        self._layer = layer
        self._gather = _Gather(layer.cross_attn_token_to_image, image, place)
        self._scatter = _Scatter(layer.cross_attn_image_to_token, image, place)

    def __call__(self, queries: Tensor, keys: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        layer = self._layer
        queries = layer.layer_norm1(self._attend_to_itself(queries, tokens))
        queries = layer.layer_norm2(queries + self._gather(queries + tokens, keys))
        queries = layer.layer_norm3(queries + layer.mlp(queries))
        return queries, layer.layer_norm4(self._scatter(queries + tokens, queries, keys))

    def _attend_to_itself(self, queries: Tensor, tokens: Tensor) -> Tensor:
        attention = self._layer.self_attn
        if self._layer.skip_first_layer_pe:
            alone: Tensor = attention(query=queries[:, None], key=queries[:, None], value=queries[:, None])[0][:, 0]
            return alone
        placed = (queries + tokens)[:, None]
        mixed: Tensor = attention(query=placed, key=placed, value=queries[:, None])[0][:, 0]
        return queries + mixed


class _Gather:
    """Attention of tokens to the image."""

    def __init__(self, attention: Any, image: Tensor | None, place: Tensor) -> None:
        self._attention, self._heads = attention, int(attention.num_attention_heads)
        self._key, _ = _by_head(attention.k_proj, self._heads)  # the bias is the same for all keys: softmax drops it
        self._value, self._value_bias = _by_head(attention.v_proj, self._heads)
        shared = place if image is None else image + place
        self._scored = torch.einsum("nc,hdc->hdn", shared, self._key)
        self._values = None if image is None else torch.einsum("nc,hdc->hnd", image, self._value)

    def __call__(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Tokens (P, n, C), and image (P, h * w, C) or (1, h * w, C), to (P, n, C)."""
        query = _split(self._attention.q_proj(queries), self._heads) * self._attention.scaling  # (P, heads, n, d)
        scores = _each_head(query, self._scored)  # (P, heads, n, h * w)
        if self._values is not None:
            mixed = _each_head(scores.softmax(-1), self._values)
        else:
            narrow = _each_head(query, self._key).flatten(1, 2)  # (P, heads * n, C)
            scores = torch.baddbmm(scores.flatten(1, 2), narrow, keys.transpose(1, 2))
            wide = torch.bmm(scores.softmax(-1), keys).view(*query.shape[:3], -1)  # (P, heads, n, C)
            mixed = _each_head(wide, self._value.transpose(1, 2))
        mixed = mixed + self._value_bias[:, None]
        out: Tensor = self._attention.out_proj(mixed.transpose(1, 2).flatten(2))
        return out


class _Scatter:
    """Attention of the image to tokens, added to the image."""

    def __init__(self, attention: Any, image: Tensor | None, place: Tensor) -> None:
        self._attention, self._heads = attention, int(attention.num_attention_heads)
        self._query, bias = _by_head(attention.q_proj, self._heads)
        shared = place if image is None else image + place
        self._scored = torch.einsum("nc,hdc->hdn", shared, self._query) + bias[:, :, None]
        weight, self._bias = _affine(attention.out_proj)
        self._out = weight.reshape(len(weight), self._heads, -1).permute(1, 2, 0).contiguous()  # (heads, d, C)
        self._shared = image is not None

    def __call__(self, placed: Tensor, queries: Tensor, keys: Tensor) -> Tensor:
        """Tokens (P, n, C) with and without their place, and image, to image (P, h * w, C)."""
        key = _split(self._attention.k_proj(placed), self._heads) * self._attention.scaling  # (P, heads, n, d)
        scores = _each_head(key, self._scored)  # (P, heads, n, h * w)
        if not self._shared:
            narrow = _each_head(key, self._query).flatten(1, 2)
            scores = torch.baddbmm(scores.flatten(1, 2), narrow, keys.transpose(1, 2)).view_as(scores)
        share = scores.softmax(2).flatten(1, 2)  # (P, heads * n, h * w)
        value = _split(self._attention.v_proj(queries), self._heads)
        brought = _each_head(value, self._out).flatten(1, 2)  # (P, heads * n, C)
        return torch.baddbmm(keys + self._bias, share.transpose(1, 2), brought)


def _each_head(tokens: Tensor, matrices: Tensor) -> Tensor:
    """(P, heads, n, a) times (heads, a, b): one product a head for all prompts."""
    prompts, heads, count, width = tokens.shape
    rows = tokens.transpose(0, 1).reshape(heads, prompts * count, width)
    return torch.bmm(rows, matrices).view(heads, prompts, count, -1).transpose(0, 1)


def _split(projected: Tensor, heads: int) -> Tensor:
    return projected.view(*projected.shape[:2], heads, -1).transpose(1, 2)


def _by_head(layer: nn.Module, heads: int) -> tuple[Tensor, Tensor]:
    """Weight (heads, d, C) and bias (heads, d)."""
    weight, bias = _affine(layer)
    return weight.reshape(heads, -1, weight.shape[1]), bias.view(heads, -1)


def _affine(layer: Any) -> tuple[Tensor, Tensor]:
    """Weight and bias of a linear layer, also of one with low-rank updates around it: asked for, not looked up."""
    if type(layer) is nn.Linear:
        return layer.weight, layer.bias
    eye = torch.eye(layer.in_features, dtype=layer.weight.dtype, device=layer.weight.device)
    bias: Tensor = layer(torch.zeros_like(eye[:1]))[0]
    return (layer(eye) - bias).T, bias


def _by_token(pixels: Tensor, hw: tuple[int, int]) -> Tensor:
    """Map (c, s h, s w), s a power of 2, as (h * w, 2, 2, ..., c): the halves of each token, then of each half."""
    (h, w), channels = hw, len(pixels)
    halvings = (pixels.shape[-1] // w).bit_length() - 1
    split = pixels.view(channels, h, *[2] * halvings, w, *[2] * halvings)
    pairs = [axis for i in range(halvings) for axis in (2 + i, 3 + halvings + i)]
    return split.permute(1, 2 + halvings, *pairs, 0).reshape(h * w, *[2, 2] * halvings, channels)


def _spread(layer: Any, pixels: Tensor) -> Tensor:
    """Transposed convolution of kernel and stride 2: (..., c) to (..., 2, 2, d)."""
    weight = layer.weight  # (c, d, 2, 2)
    flat = weight.permute(0, 2, 3, 1).flatten(1)
    out: Tensor = (pixels.flatten(0, -2) @ flat).view(*pixels.shape[:-1], 2, 2, weight.shape[1]) + layer.bias
    return out
