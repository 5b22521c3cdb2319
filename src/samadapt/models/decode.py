"""SAM's prompt encoder and mask decoder as one differentiable function over many images and prompts.

The arithmetic is that of facebookresearch/segment-anything (dca509f), prompt_encoder.py and mask_decoder.py, over
the submodules of transformers' SamModel. Two things differ on purpose: every image has its own prompts (the original
repeats one image), and every prompt has its own mask (transformers takes one mask for an image).
"""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import Any, NamedTuple

import torch
from torch import Tensor

from samadapt.core.errors import PromptError
from samadapt.models.maps import FeatureMaps, coarse
from samadapt.models.refine import Prompts


class DecoderOutput(NamedTuple):
    """What the mask decoder answers.

    Attributes
    ----------
    low_res_logits : Tensor of shape (B, P, M, h, w), float32
        Four pixels for each token of the embedding.
    iou : Tensor of shape (B, P, M), float32
        Predicted IoU of every mask.
    """

    low_res_logits: Tensor
    iou: Tensor


def decode_tokens(
    sam: Any,
    embedding: Tensor | FeatureMaps,
    points: Tensor | None = None,
    point_labels: Tensor | None = None,
    boxes: Tensor | None = None,
    masks: Tensor | None = None,
    *,
    learn_prompts: bool = True,
) -> DecoderOutput:
    """Masks of all mask tokens for B images with P prompts each.

    Parameters
    ----------
    sam : transformers.SamModel
    embedding : Tensor of shape (B, C, h, w)
        Output of the image encoder, or the maps of one with a fine path.
    points : Tensor of shape (B, P, N, 2), optional
        XY in model pixels; an integer is a pixel centre.
    point_labels : Tensor of shape (B, P, N), optional
        1 object, 0 background, -1 no point.
    boxes : Tensor of shape (B, P, 4), optional
        XYXY in model pixels.
    masks : Tensor of shape (B, P, 4h, 4w), optional
        Logits in the mask frame.
    learn_prompts : bool
        False: the prompt encoder gets no gradient.

    Returns
    -------
    DecoderOutput
        M is the number of mask tokens. Without any prompt P is 1.

    Raises
    ------
    PromptError
        If shapes do not agree, or points come without labels.
    """
    finer = embedding.finer if isinstance(embedding, FeatureMaps) else ()
    embedding = coarse(embedding)
    batch, prompts = check_prompts(embedding, points, point_labels, boxes, masks)
    with nullcontext() if learn_prompts else torch.no_grad():
        sparse = sparse_tokens(sam, points, point_labels, boxes)
        dense = dense_map(sam, embedding, masks, prompts)
    image = embedding.repeat_interleave(prompts, 0) + dense
    decoder = sam.mask_decoder
    tokens = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight]).expand(batch * prompts, -1, -1)
    if sparse is not None:
        tokens = torch.cat([tokens, sparse.flatten(0, 1).to(tokens.dtype)], dim=1)
    position = dense_position(sam, image.shape[-2:]).to(image.dtype).expand(len(image), -1, -1, -1)
    finest = [one.repeat_interleave(prompts, 0) for one in finer]
    logits, iou, _, features = predict_masks(decoder, tokens, image, position, finest)
    if (refiner := getattr(decoder, "refine", None)) is not None:
        given = [None if one is None else one.flatten(0, 1) for one in (points, point_labels, boxes, masks)]
        asked = Prompts(sam.prompt_encoder.input_image_size, *given)
        logits, iou = refiner(features, finest[0], logits, iou, asked)
    shape = (batch, prompts)
    return DecoderOutput(logits.float().reshape(*shape, *logits.shape[1:]), iou.float().reshape(*shape, *iou.shape[1:]))


def select(output: DecoderOutput, multimask: bool) -> DecoderOutput:
    """Candidates (tokens 1 and up) if `multimask`, else the single mask (token 0)."""
    part = slice(1, None) if multimask else slice(0, 1)
    return DecoderOutput(output.low_res_logits[:, :, part], output.iou[:, :, part])


def encode_position(table: Any, xy: Tensor) -> Tensor:
    """Random Fourier features of coordinates in [0, 1], always in float32.

    Parameters
    ----------
    table : module
        With the frequencies as `positional_embedding`: one for the image and one for prompts, the same in published
        weights.
    xy : Tensor of shape (..., 2)

    Returns
    -------
    Tensor of shape (..., C), float32

    References
    ----------
    .. [1] Tancik et al. 2020, Fourier Features Let Networks Learn High Frequency Functions, NeurIPS.
    """
    matrix = table.positional_embedding.float()
    with torch.autocast(xy.device.type, enabled=False):
        angles = 2 * math.pi * ((2 * xy.float() - 1) @ matrix)
        return torch.cat([angles.sin(), angles.cos()], dim=-1)


def dense_position(sam: Any, hw: tuple[int, int] | torch.Size) -> Tensor:
    """Position of every token of the embedding, (1, C, h, w) float32."""
    device = sam.shared_image_embedding.positional_embedding.device
    y, x = ((torch.arange(n, device=device, dtype=torch.float32) + 0.5) / n for n in hw)
    grid = torch.stack(torch.meshgrid(y, x, indexing="ij")[::-1], dim=-1)
    return encode_position(sam.shared_image_embedding, grid).permute(2, 0, 1)[None]


def sparse_tokens(sam: Any, points: Tensor | None, labels: Tensor | None, boxes: Tensor | None) -> Tensor | None:
    """Tokens of points and boxes, (B, P, n, C); None without either."""
    parts = []
    if points is not None and labels is not None:
        if boxes is None:  # the original adds one padding point where no box follows
            points = torch.cat([points, points.new_zeros(*points.shape[:2], 1, 2)], dim=2)
            labels = torch.cat([labels, labels.new_full((*labels.shape[:2], 1), -1)], dim=2)
        parts.append(embed_points(sam, points, labels))
    if boxes is not None:
        parts.append(embed_boxes(sam, boxes))
    return torch.cat(parts, dim=2) if parts else None


def embed_points(sam: Any, points: Tensor, labels: Tensor, size: int | None = None) -> Tensor:
    """Tokens (B, P, N, C) of points, as many, in an input of `size` pixels (that of the model by default)."""
    encoder = sam.prompt_encoder
    background, foreground, *_ = _kinds(encoder)
    embedded = encode_position(encoder.shared_embedding, (points + 0.5) / (size or encoder.input_image_size))
    kind = labels[..., None]
    embedded = torch.where(kind == -1, encoder.not_a_point_embed.weight[0], embedded)
    embedded = torch.where(kind == 0, embedded + background, embedded)
    return torch.where(kind == 1, embedded + foreground, embedded)


def embed_boxes(sam: Any, boxes: Tensor, size: int | None = None) -> Tensor:
    """Tokens (B, P, 2, C) of the corners of boxes, in an input of `size` pixels (that of the model by default)."""
    encoder = sam.prompt_encoder
    corners = boxes.reshape(*boxes.shape[:-1], 2, 2)
    embedded = encode_position(encoder.shared_embedding, (corners + 0.5) / (size or encoder.input_image_size))
    return embedded + torch.stack(_kinds(encoder)[2:])


def _kinds(encoder: Any) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """What is added for background, object, first and second corner; SAM 2 keeps all four in one table."""
    table = encoder.point_embed
    rows = table.weight.unbind() if hasattr(table, "weight") else [one.weight[0] for one in table]
    background, foreground, first, second = rows
    return background, foreground, first, second


def dense_map(sam: Any, embedding: Tensor, masks: Tensor | None, prompts: int) -> Tensor:
    """(B * P, C, h, w) of the mask prompts, or of "no mask"."""
    encoder = sam.prompt_encoder
    if masks is None:
        none: Tensor = encoder.no_mask_embed.weight[0][:, None, None]
        return none.to(embedding.dtype).expand(len(embedding) * prompts, -1, *embedding.shape[-2:])
    dense: Tensor = encoder.mask_embed(masks.flatten(0, 1)[:, None].to(encoder.mask_embed.conv1.weight.dtype))
    return dense


def predict_masks(
    decoder: Any, tokens: Tensor, image: Tensor, position: Tensor, finer: list[Tensor], before: int = 0
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Logits (n, M, 4h, 4w) and IoU (n, M) of n = B * P prompts, and what they were drawn from.

    That is tokens (n, N, C) after the transformer, and upscaled features (n, C / 8, 4h, 4w). `finer` is empty or the
    finest and the finer map; `before` tokens precede that of the IoU.
    """
    queries, keys = decoder.transformer(
        point_embeddings=tokens[:, None],
        image_embeddings=image,
        image_positional_embeddings=position,
        attention_similarity=None,
    )
    queries, keys = queries[:, 0], keys[:, 0]
    upscaled = keys.transpose(1, 2).unflatten(2, image.shape[-2:])
    upscaled = decoder.upscale_conv1(upscaled)
    upscaled = decoder.activation(decoder.upscale_layer_norm(upscaled + finer[1] if finer else upscaled))
    upscaled = decoder.upscale_conv2(upscaled)
    upscaled = decoder.activation(upscaled + finer[0] if finer else upscaled)
    mlps = decoder.output_hypernetworks_mlps
    weights = torch.stack([mlp(queries[:, before + 1 + i]) for i, mlp in enumerate(mlps)], dim=1)
    logits = (weights @ upscaled.flatten(2)).unflatten(2, upscaled.shape[-2:])
    return logits, decoder.iou_prediction_head(queries[:, before]), queries, upscaled


def check_prompts(
    embedding: Tensor, points: Tensor | None, labels: Tensor | None, boxes: Tensor | None, masks: Tensor | None
) -> tuple[int, int]:
    """(B, P), after checking that everything agrees on them."""
    if (points is None) != (labels is None):
        raise PromptError("points and point labels must come together")
    h, w = embedding.shape[-2:]
    wanted = {
        "points": (points, (2,), 4),
        "point labels": (labels, (), 3),
        "boxes": (boxes, (4,), 3),
        "masks": (masks, (4 * h, 4 * w), 4),
    }
    given = {name: (t, tail, ndim) for name, (t, tail, ndim) in wanted.items() if t is not None}
    prompts = next((int(t.shape[1]) for t, _, ndim in given.values() if t.ndim == ndim), 1)
    for name, (tensor, tail, ndim) in given.items():
        shape = tuple(tensor.shape)
        if tensor.ndim != ndim or shape[:2] != (len(embedding), prompts) or shape[ndim - len(tail) :] != tail:
            raise PromptError(
                f"{name} of shape {shape} do not fit {len(embedding)} images with {prompts} prompts and tail {tail}"
            )
    if points is not None and labels is not None and points.shape[2] != labels.shape[2]:
        raise PromptError(f"{points.shape[2]} points need as many labels, not {labels.shape[2]}")
    return len(embedding), prompts
