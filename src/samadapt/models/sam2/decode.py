"""The mask decoder of SAM 2, which SAM 3 kept, as one differentiable function over many images and prompts.

The arithmetic is that of facebookresearch/sam2 (2b90b9f), sam/mask_decoder.py, with prompts as its image predictor
gives them: the corners of a box are two more points, and one padding point always follows.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from samadapt.models.decode import (
    DecoderOutput,
    check_prompts,
    dense_map,
    dense_position,
    embed_boxes,
    embed_points,
    predict_masks,
)
from samadapt.models.maps import FeatureMaps

STABILITY_DELTA, STABLE = 0.05, 0.98
"""Half the band of logits, and the share of pixels above it, by which the single mask is trusted in evaluation."""


class Sam2Output(DecoderOutput):
    """A `DecoderOutput` that also says whether the object is there at all.

    Attributes
    ----------
    object_logits : Tensor of shape (B, P, 1), float32
        Above zero: present.
    """

    object_logits: Tensor

    @classmethod
    def of(cls, low_res_logits: Tensor, iou: Tensor, object_logits: Tensor) -> Sam2Output:
        """Output of these three."""
        output = cls(low_res_logits, iou)
        output.object_logits = object_logits
        return output


def decode_tokens(
    sam: Any,
    maps: FeatureMaps,
    points: Tensor | None = None,
    point_labels: Tensor | None = None,
    boxes: Tensor | None = None,
    masks: Tensor | None = None,
    *,
    learn_prompts: bool = True,
) -> Sam2Output:
    """Masks of all mask tokens for B images with P prompts each.

    Parameters
    ----------
    sam : transformers.Sam2Model, Sam2VideoModel, Sam3TrackerModel or Sam3TrackerVideoModel
    maps : FeatureMaps
        (B, C, h, w) with (B, C / 8, 4h, 4w) and (B, C / 4, 2h, 2w) beside it.
    points, point_labels, boxes, masks, learn_prompts
        As for `samadapt.models.decode.decode_tokens`.

    Returns
    -------
    Sam2Output
        M is the number of mask tokens. Without any prompt P is 1.

    Raises
    ------
    PromptError
        If shapes do not agree, or points come without labels.
    """
    batch, prompts = check_prompts(maps.image, points, point_labels, boxes, masks)
    decoder = sam.mask_decoder
    with nullcontext() if learn_prompts else torch.no_grad():
        sparse = _sparse(sam, input_side(sam, maps), points, point_labels, boxes)
        dense = dense_map(sam, maps.image, masks, prompts)
    image = maps.image.repeat_interleave(prompts, 0) + dense
    learnt = torch.cat([decoder.obj_score_token.weight, decoder.iou_token.weight, decoder.mask_tokens.weight])
    tokens = learnt.expand(batch * prompts, -1, -1)
    if sparse is not None:
        tokens = torch.cat([tokens, sparse.flatten(0, 1).to(tokens.dtype)], dim=1)
    position = dense_position(sam, image.shape[-2:]).to(image.dtype).expand(len(image), -1, -1, -1)
    finer = [one.repeat_interleave(prompts, 0) for one in maps.finer]
    logits, iou, queries, _ = predict_masks(decoder, tokens, image, position, finer, before=1)
    found = (logits, iou, decoder.pred_obj_score_head(queries[:, 0]))
    return Sam2Output.of(*(tensor.float().reshape(batch, prompts, *tensor.shape[1:]) for tensor in found))


def select(output: Sam2Output, multimask: bool, *, by_stability: bool) -> Sam2Output:
    """Candidates (tokens 1 and up) if `multimask`, else one mask.

    Parameters
    ----------
    output : Sam2Output
        Of all tokens.
    multimask : bool
    by_stability : bool
        Give the candidate with the highest predicted IoU instead of the single mask (token 0) where the latter's
        outline is unstable, as the original does in evaluation.
    """
    logits, iou = output
    if multimask:
        return Sam2Output.of(logits[:, :, 1:], iou[:, :, 1:], output.object_logits)
    choice = torch.zeros_like(iou[:, :, :1], dtype=torch.long)
    if by_stability and iou.shape[2] > 1:
        best = 1 + iou[:, :, 1:].argmax(dim=2, keepdim=True)
        choice = torch.where(stability(logits[:, :, :1]) >= STABLE, choice, best)
    picked = logits.gather(2, choice[..., None, None].expand(-1, -1, 1, *logits.shape[-2:]))
    return Sam2Output.of(picked, iou.gather(2, choice), output.object_logits)


def stability(logits: Tensor) -> Tensor:
    """Pixels above the band around zero as a share of those above its lower edge, (B, P, M); 1 for an empty mask."""
    inner = (logits > STABILITY_DELTA).flatten(-2).sum(-1).float()
    outer = (logits > -STABILITY_DELTA).flatten(-2).sum(-1).float()
    return torch.where(outer > 0, inner / outer.clamp(min=1), 1.0)


def input_side(sam: Any, maps: FeatureMaps) -> int:
    """Side in pixels of the input that was encoded.

    No tensor of SAM 2 depends on it, so it need not be the one that the model was built for.
    """
    encoder = sam.prompt_encoder
    pixels_a_token: int = encoder.input_image_size // encoder.image_embedding_size[-1]
    return pixels_a_token * int(maps.shape[-1])


def _sparse(sam: Any, size: int, points: Tensor | None, labels: Tensor | None, boxes: Tensor | None) -> Tensor | None:
    """Tokens of corners, points and one padding point, (B, P, n, C), in an input of `size` pixels; None without."""
    parts = [] if boxes is None else [embed_boxes(sam, boxes, size)]
    if points is not None and labels is not None:
        parts.append(embed_points(sam, points, labels, size))
    if not parts:
        return None
    batch, prompts = parts[0].shape[:2]
    parts.append(sam.prompt_encoder.not_a_point_embed.weight.expand(batch, prompts, 1, -1))
    return torch.cat(parts, dim=2)
