"""SAM-HQ: SAM with one more token, whose mask is drawn from early features of the image encoder too.

The arithmetic is that of SysCV/sam-hq (221aa31), modeling/mask_decoder_hq.py, over the submodules of transformers'
SamHQModel. SAM's masks come with every token, so that a choice between them is left to the caller, as in SAM.

References
----------
.. [1] Ke et al. 2023, Segment Anything in High Quality, NeurIPS, arXiv:2306.01567.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor

from samadapt.core.errors import ConfigError, PromptError
from samadapt.models.decode import (
    DecoderOutput,
    check_prompts,
    dense_map,
    dense_position,
    predict_masks,
    sparse_tokens,
)
from samadapt.models.maps import FeatureMaps
from samadapt.models.promptable import SamPromptable


class SamHqPromptable(SamPromptable):
    """SAM-HQ behind the interface of `SamPromptable`; what `encode` gives holds early features beside the embedding.

    Parameters are those of `SamPromptable`; `sam` is transformers' SamHQModel.

    Attributes
    ----------
    hq_token_only : bool
        True: the high-quality mask alone. False: added to the mask of every other token, the original's default.
    """

    hq_token_only: bool = False

    def encode(self, pixel_values: Tensor) -> Any:
        """Image embedding with early features, differentiable.

        Parameters
        ----------
        pixel_values : Tensor of shape (B, 3, S, S)
            As `preprocess` makes it.

        Returns
        -------
        FeatureMaps
            `image` (B, C, h, w); `finer` holds the tokens (B, d, h, w) after the first block with global attention,
            where d is the width of the image encoder.
        """
        output = self.sam.vision_encoder(pixel_values)
        return FeatureMaps(output.last_hidden_state, (output.intermediate_embeddings[0].permute(0, 3, 1, 2),))

    def decode_tokens(
        self,
        embedding: Any,
        points: Tensor | None = None,
        point_labels: Tensor | None = None,
        boxes: Tensor | None = None,
        masks: Tensor | None = None,
        *,
        learn_prompts: bool = True,
    ) -> DecoderOutput:
        """As `SamPromptable.decode_tokens` for `FeatureMaps`; the token of high quality is in every mask."""
        given = (points, point_labels, boxes, masks)
        return decode_tokens(self.sam, embedding, *given, learn_prompts=learn_prompts, hq_token_only=self.hq_token_only)


def decode_tokens(
    sam: Any,
    maps: FeatureMaps,
    points: Tensor | None = None,
    point_labels: Tensor | None = None,
    boxes: Tensor | None = None,
    masks: Tensor | None = None,
    *,
    learn_prompts: bool = True,
    hq_token_only: bool = False,
) -> DecoderOutput:
    """Masks of all of SAM's mask tokens, each with that of high quality, for B images with P prompts each.

    The original adds the mask of high quality to that of the best candidate: take the one of highest IoU here.

    Parameters
    ----------
    sam : transformers.SamHQModel
    maps : FeatureMaps
        (B, C, h, w) with (B, d, h, w) beside it.
    points, point_labels, boxes, masks, learn_prompts
        As for `samadapt.models.decode.decode_tokens`.
    hq_token_only : bool
        The mask of high quality alone, for every token, with the IoU of the token.

    Returns
    -------
    DecoderOutput
        M is the number of SAM's mask tokens. Without any prompt P is 1.

    Raises
    ------
    PromptError
        If shapes do not agree, points come without labels, or the early features are missing.
    """
    if not isinstance(maps, FeatureMaps):
        raise PromptError(
            "SAM-HQ needs early features beside the embedding", remedy="Give what `encode` returned, not a part of it."
        )
    batch, prompts = check_prompts(maps.image, points, point_labels, boxes, masks)
    decoder = sam.mask_decoder
    with nullcontext() if learn_prompts else torch.no_grad():
        sparse = sparse_tokens(sam, points, point_labels, boxes)
        dense = dense_map(sam, maps.image, masks, prompts)
    image = maps.image.repeat_interleave(prompts, 0) + dense
    learnt = torch.cat([decoder.iou_token.weight, decoder.mask_tokens.weight, decoder.hq_token.weight])
    tokens = learnt.expand(batch * prompts, -1, -1)
    if sparse is not None:
        tokens = torch.cat([tokens, sparse.flatten(0, 1).to(tokens.dtype)], dim=1)
    position = dense_position(sam, image.shape[-2:]).to(image.dtype).expand(len(image), -1, -1, -1)
    plain, iou, queries, upscaled = predict_masks(decoder, tokens, image, position, [])
    features = image_features(decoder, maps).repeat_interleave(prompts, 0)
    best = high_quality(decoder, queries[:, len(learnt) - 1], upscaled, features)
    logits = best.expand_as(plain) if hq_token_only else plain + best
    shape = (batch, prompts)
    return DecoderOutput(logits.float().reshape(*shape, *logits.shape[1:]), iou.float().reshape(*shape, *iou.shape[1:]))


def image_features(decoder: Any, maps: FeatureMaps) -> Tensor:
    """What the mask of high quality takes from the image alone, (B, C / 8, 4h, 4w)."""
    late = decoder.activation(decoder.encoder_norm(decoder.encoder_conv1(maps.image)))
    early = decoder.activation(decoder.compress_vit_norm(decoder.compress_vit_conv1(maps.finer[0])))
    features: Tensor = decoder.encoder_conv2(late) + decoder.compress_vit_conv2(early)
    return features


def high_quality(decoder: Any, token: Tensor, upscaled: Tensor, features: Tensor) -> Tensor:
    """Logits (n, 1, 4h, 4w) of the token (n, C) of high quality on what the other masks were drawn from."""
    drawn = decoder.mask_conv2(decoder.activation(decoder.mask_norm(decoder.mask_conv1(upscaled)))) + features
    weights = decoder.hq_mask_mlp(token)[:, None]  # (n, 1, C / 8)
    logits: Tensor = (weights @ drawn.flatten(2)).unflatten(2, drawn.shape[-2:])
    return logits


def choose_token(model: SamPromptable, hq_token_only: bool) -> None:
    """Let a SAM-HQ answer with its mask of high quality alone, in place.

    Raises
    ------
    ConfigError
        If that is asked of another model.
    """
    if isinstance(model, SamHqPromptable):
        model.hq_token_only = hq_token_only
    elif hq_token_only:
        raise ConfigError(
            f"{model.name} has no token of high quality",
            where="hq_token_only",
            remedy="Leave it out, or give a SAM-HQ, for example sam-hq-vit-b.",
        )
