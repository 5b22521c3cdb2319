"""A small U-Net after the mask decoder: redraws its masks with the prompts given as maps.

The mask decoder knows prompts as tokens and the image in patches; where exactly a click or the side of a box lies, it
has to learn from position features. The refiner sees prompts where they are: the box and the ellipse inscribed in it,
clicks as spots, the previous mask, beside the decoder's masks and features at the resolution of the masks. It adds its
own logits to those of the decoder, and corrects their predicted IoU by what the redrawn masks say of themselves.

References
----------
.. [1] Sofiiuk et al. 2022, Reviving Iterative Training with Mask Guidance, ICIP, arXiv:2102.06583: prompts as maps.
.. [2] Ronneberger et al. 2015, U-Net, MICCAI, arXiv:1505.04597.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d, interpolate, leaky_relu

from samadapt.models.layers import ConvLayer

PROMPT_MAPS = 6
"""Box, ellipse, clicks on the object, clicks beside it, previous mask, and where there is one."""
SPOT = 3.0
"""Distance in pixels of the masks at which the spot of a click has fallen to 1/e."""
GRID = 64
"""Masks of at least twice this side are redrawn on a coarser grid, no smaller than this, on which it has learned."""
LIMIT = 4.0
"""Logits are given to the refiner as ``tanh(logit / LIMIT)``."""


@dataclass(frozen=True, eq=False)
class Prompts:
    """Prompts of n = B * P answers, in model pixels.

    Attributes
    ----------
    size : int
        Side of the model's input in pixels.
    points : Tensor of shape (n, N, 2), optional
    labels : Tensor of shape (n, N), optional
    boxes : Tensor of shape (n, 4), optional
    masks : Tensor of shape (n, h, w), optional
        Logits.
    """

    size: int
    points: Tensor | None = None
    labels: Tensor | None = None
    boxes: Tensor | None = None
    masks: Tensor | None = None

    def maps(self, n: int, hw: tuple[int, int], device: torch.device) -> Tensor:
        """(n, `PROMPT_MAPS`, h, w) float32, of values around -1..1; 0 for a kind of prompt that is absent."""
        found = torch.zeros(n, PROMPT_MAPS, *hw, device=device)
        x, y = self._grid(hw, device)
        if self.boxes is not None:
            found[:, 0], found[:, 1] = _box_maps(self.boxes.float(), x, y, self.size / hw[1])
        if self.points is not None and self.labels is not None:
            spots = self._spots(self.points.float(), x, y, self.size / hw[1])
            for place, label in ((2, 1), (3, 0)):
                chosen = (self.labels == label)[..., None, None]
                found[:, place] = torch.where(chosen, spots, 0).amax(1)
        if self.masks is not None:
            found[:, 4], found[:, 5] = squashed(adaptive_avg_pool2d(self.masks.float(), hw)), 1
        return found

    def _grid(self, hw: tuple[int, int], device: torch.device) -> tuple[Tensor, Tensor]:
        """X (1, w) and Y (h, 1) of the masks' pixels, in model pixels."""
        x, y = ((torch.arange(n, device=device, dtype=torch.float32) + 0.5) * (self.size / n) - 0.5 for n in hw[::-1])
        return x[None], y[:, None]

    @staticmethod
    def _spots(points: Tensor, x: Tensor, y: Tensor, scale: float) -> Tensor:
        """(n, N, h, w): 1 at the point, falling with the distance."""
        px, py = points[..., 0, None, None], points[..., 1, None, None]
        return torch.exp(-((x - px).square() + (y - py).square()) / (SPOT * scale) ** 2)


def _box_maps(boxes: Tensor, x: Tensor, y: Tensor, scale: float) -> tuple[Tensor, Tensor]:
    """How far inside the box (n, h, w), and inside its ellipse: 1 well inside, 0 on the border, -1 well outside.

    Far is two pixels of the masks for the box, and for the ellipse the centre.
    """
    x0, y0, x1, y1 = (boxes[:, i, None, None] for i in range(4))
    x0, y0, x1, y1 = x0 - 0.5, y0 - 0.5, x1 + 0.5, y1 + 0.5
    inside = torch.minimum(torch.minimum(x - x0, x1 - x), torch.minimum(y - y0, y1 - y)) / (2 * scale)
    u = (2 * x - x0 - x1) / (x1 - x0).clamp(min=1)
    v = (2 * y - y0 - y1) / (y1 - y0).clamp(min=1)
    return inside.clamp(-1, 1), (1 - torch.sqrt(u.square() + v.square() + 1e-6)).clamp(-1, 1)


class Refiner(nn.Module):
    """U-Net of four levels over the decoder's features and masks, the finest map of the image, and the prompts.

    At first it changes nothing: its last layers begin with zeros (`samadapt.models.initial`).

    Parameters
    ----------
    width : int
        Channels at the resolution of the masks; twice and four times as many below.
    features : int
        C / 8, channels of the decoder's upscaled features, and of the finest map.
    masks : int
        M, of the decoder.
    """

    def __init__(self, width: int, features: int, masks: int) -> None:
        super().__init__()
        w = width
        self.enter = ConvLayer(2 * features + masks + PROMPT_MAPS, w)
        self.down = nn.ModuleList(_Level(a, b) for a, b in ((w, 2 * w), (2 * w, 4 * w), (4 * w, 4 * w)))
        self.up = nn.ModuleList(_Up(a, b) for a, b in ((4 * w, 4 * w), (4 * w, 2 * w), (2 * w, w)))
        self.judge = nn.Linear(4 * w + 2 * masks, 4 * w)
        self.last_mask, self.last_iou = nn.Conv2d(w, masks, 1), nn.Linear(4 * w, masks)

    def forward(
        self, features: Tensor, finest: Tensor, logits: Tensor, iou: Tensor, prompts: Prompts
    ) -> tuple[Tensor, Tensor]:
        """Redrawn masks.

        Parameters
        ----------
        features : Tensor of shape (n, C / 8, h, w)
            Of the decoder, from which it draws masks.
        finest : Tensor of shape (n, C / 8, h, w)
            Of the image.
        logits : Tensor of shape (n, M, h, w)
        iou : Tensor of shape (n, M)
            Predicted.
        prompts : Prompts

        Returns
        -------
        logits : Tensor of shape (n, M, h, w)
        iou : Tensor of shape (n, M)
        """
        seen = torch.cat([features, finest, logits], dim=1)
        if (factor := min(logits.shape[-2:]) // GRID) > 1:
            seen = avg_pool2d(seen, factor)
        levels = [self.enter(self._with_prompts(seen, logits.shape[1], prompts))]
        for down in self.down:
            levels.append(down(levels[-1]))
        x = deepest = levels.pop()
        for up in self.up:
            x = up(x, levels.pop())
        redrawn = logits + _raised(self.last_mask(x), logits)
        facts = torch.cat([deepest.mean((2, 3)), iou, own_iou(redrawn.detach()).to(iou.dtype)], dim=1)
        return redrawn, iou + self.last_iou(leaky_relu(self.judge(facts), 0.01))

    @staticmethod
    def _with_prompts(seen: Tensor, masks: int, prompts: Prompts) -> Tensor:
        """What is seen, of which the last channels are the decoder's masks, and the maps of the prompts."""
        hw = (int(seen.shape[-2]), int(seen.shape[-1]))
        maps = prompts.maps(len(seen), hw, seen.device).to(seen.dtype)
        return torch.cat([seen[:, :-masks], squashed(seen[:, -masks:]), maps], dim=1)


def own_iou(logits: Tensor) -> Tensor:
    """IoU that masks expect of themselves: of the thresholded mask with one drawn from its probabilities.

    Parameters
    ----------
    logits : Tensor of shape (..., h, w)

    Returns
    -------
    Tensor of shape (...), float32
        Expected intersection over expected union; 0 for an empty mask.
    """
    probability = logits.float().sigmoid()
    mask = (logits > 0).float()
    both = (probability * mask).sum((-2, -1))
    either = (mask + probability * (1 - mask)).sum((-2, -1))
    return both / either.clamp(min=1e-6)


def squashed(logits: Tensor) -> Tensor:
    """Logits in -1..1, for a network to read."""
    return torch.tanh(logits / LIMIT)


class _Level(nn.Sequential):
    """Half the resolution."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__(ConvLayer(before, after, stride=2), ConvLayer(after, after))


class _Up(nn.Module):
    """Twice the resolution, joined with what was there on the way down."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.below = nn.Conv2d(before, after, 1)
        self.join = ConvLayer(after, after)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """(n, after, h, w) like `skip`."""
        joined: Tensor = self.join(skip + _raised(self.below(x), skip))
        return joined


def _raised(x: Tensor, like: Tensor) -> Tensor:
    """`x` at the resolution of `like`."""
    return interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=False)
