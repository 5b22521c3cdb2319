"""What a tight box tells of a mask: it should reach all four sides and stay within.

A model that looks closer draws masks on a coarse grid, by borders that it sees; a box is drawn by borders that a person
knows. Of several candidates the one that fills its box is the more likely, and each is stretched halfway to the box.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

HALFWAY = 0.5
"""How far the sides of a mask are moved to those of the box."""
LEAST_FIT = 0.5
"""IoU of both boxes below which the mask is of something else and is not stretched."""


def fitted(logits: Tensor, iou: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Masks stretched towards the boxes they were asked for, and what is left of their predicted IoU.

    Parameters
    ----------
    logits : Tensor of shape (n, M, h, w), float32
    iou : Tensor of shape (n, M)
        Predicted.
    boxes : Tensor of shape (n, 4), float32
        XYXY of the sides, in pixels of the masks: pixel i reaches from i - 0.5 to i + 0.5.

    Returns
    -------
    logits : Tensor of shape (n, M, h, w), float32
        As they are where the fit is below `LEAST_FIT`.
    iou : Tensor of shape (n, M)
        Predicted, times the IoU of the unstretched mask's own box with the one asked for.
    """
    own, wanted = sides(logits), boxes[:, None].expand(*logits.shape[:2], 4)
    fit = box_iou(own, wanted)
    between = torch.where((fit >= LEAST_FIT)[..., None], torch.lerp(wanted, own, HALFWAY), wanted)
    return _moved(logits, wanted, between), iou * fit


def sides(logits: Tensor) -> Tensor:
    """XYXY (..., 4) of where masks (..., h, w) end, between the pixels where the logits cross 0; zeros if empty."""
    found = [_ends(logits.amax(axis)) for axis in (-2, -1)]
    return torch.stack([end for pair in zip(*found) for end in pair], dim=-1)


def box_iou(first: Tensor, second: Tensor) -> Tensor:
    """(...) IoU of boxes (..., 4) given by their sides."""
    low, high = torch.maximum(first, second), torch.minimum(first, second)
    both = (high[..., 2:] - low[..., :2]).clamp(min=0).prod(-1)
    areas = [(box[..., 2:] - box[..., :2]).prod(-1) for box in (first, second)]
    return both / (areas[0] + areas[1] - both).clamp(min=1e-6)


def _ends(profile: Tensor) -> tuple[Tensor, Tensor]:
    """First and last place (...) where profiles (..., s) are above 0, both 0 where they never are."""
    inside, last = (profile > 0).any(-1), profile.shape[-1] - 1
    first, final = _start(profile), last - _start(profile.flip(-1))
    return torch.where(inside, first, 0), torch.where(inside, final, 0)


def _start(profile: Tensor) -> Tensor:
    index = (profile > 0).int().argmax(-1, keepdim=True)
    above, below = profile.gather(-1, index), profile.gather(-1, (index - 1).clamp(min=0))
    part = above / (above - below).clamp(min=1e-6)
    return torch.where(index > 0, index - part, -0.5).squeeze(-1)


def _moved(logits: Tensor, wanted: Tensor, source: Tensor) -> Tensor:
    """Images (n, M, h, w) of which the boxes `source` (n, M, 4) come to lie at `wanted`."""
    size = torch.tensor([logits.shape[-1], logits.shape[-2]], device=logits.device)
    scale = (source[..., 2:] - source[..., :2]) / (wanted[..., 2:] - wanted[..., :2]).clamp(min=1e-6)
    place = source[..., :2] - scale * wanted[..., :2]  # pixel o shows pixel scale * o + place
    shift = (2 * place + scale * (size - 1) + 1) / size - 1  # the same, of coordinates from -1 to 1
    theta = torch.cat([torch.diag_embed(scale), shift[..., None]], dim=-1).flatten(0, 1)
    images = logits.flatten(0, 1)[:, None]
    grid = affine_grid(theta, list(images.shape), align_corners=False)
    return grid_sample(images, grid, padding_mode="border", align_corners=False).view_as(logits)
