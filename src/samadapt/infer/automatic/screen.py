"""From low-resolution masks to masks in original pixels whose border is stable and that no crop cuts off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from samadapt.infer.automatic.enlarge import Enlarger
from samadapt.infer.automatic.grid import Crop, near_crop_edge
from samadapt.infer.automatic.masks import AutomaticMask, box_of_mask
from samadapt.infer.automatic.options import MaskOptions
from samadapt.infer.automatic.propose import Proposals
from samadapt.io.rle import encode

_ROUNDING = 1e-6
"""Of the counts of very large masks, which are float32."""


@dataclass(frozen=True)
class Screen:
    """Second filter of the masks of one crop, in the order they come.

    A mask is enlarged only if its stability can reach the threshold by what the low-resolution pixels allow, and only
    where its logits can exceed the lowest threshold.

    Attributes
    ----------
    enlarger : Enlarger
        Of the crop.
    crop : Crop
    image_hw : tuple of int
        (H, W) of the whole image.
    points : ndarray of shape (P, 2), float32
        XY in pixels of the crop.
    options : MaskOptions
    """

    enlarger: Enlarger
    crop: Crop
    image_hw: tuple[int, int]
    points: NDArray[np.float32]
    options: MaskOptions

    def __call__(self, proposals: Proposals) -> list[AutomaticMask]:
        """Masks that pass."""
        low, high = self.enlarger.extremes(proposals.logits)
        passing = self._best_stability(low, high) >= self.options.stability_score_thresh - _ROUNDING
        logits = proposals.logits[passing].cpu().numpy()
        possible = (high[passing] > -self.options.stability_score_offset).cpu().numpy()  # (K, u, v)
        iou, point = proposals.iou[passing].tolist(), proposals.point[passing].tolist()
        found = (self._look_at(*one) for one in zip(logits, possible, iou, point))
        return [mask for mask in found if mask is not None]

    def _best_stability(self, low: Tensor, high: Tensor) -> Tensor:
        """No stability can be higher than this, (K,); -1 for a mask that is surely empty."""
        offset = self.options.stability_score_offset
        inside, outside = self.enlarger.count(high > offset), self.enlarger.count(low > -offset)
        empty = self.enlarger.count(high > 0) == 0
        return torch.where(empty, -1.0, (inside / outside.clamp(min=1)).clamp(max=1))

    def _look_at(
        self, low_res: NDArray[np.float32], possible: NDArray[np.bool_], iou: float, point: int
    ) -> AutomaticMask | None:
        logits, corner = self.enlarger.enlarge(low_res, possible)
        mask, firm = logits > 0, stability(logits, self.options.stability_score_offset)
        if not mask.any() or firm < self.options.stability_score_thresh:
            return None
        y, x = self.crop.y0 + corner[0], self.crop.x0 + corner[1]
        x0, y0, x1, y1 = box_of_mask(mask)
        box = x0 + x, y0 + y, x1 + x, y1 + y
        if near_crop_edge(box, self.crop, self.image_hw):
            return None
        rle = encode(mask[y0 : y1 + 1, x0 : x1 + 1], inside=self.image_hw, offset_yx=(box[1], box[0]))
        px, py = (float(v) for v in self.points[point] + (self.crop.x0, self.crop.y0))
        return AutomaticMask(rle, box, iou, firm, (px, py), self.crop.xywh)


def stability(logits: NDArray[np.float32], offset: float) -> float:
    """Pixels above `offset` for each pixel above minus `offset`; 0 where there is none."""
    inside, outside = int(np.count_nonzero(logits > offset)), int(np.count_nonzero(logits > -offset))
    return inside / max(outside, 1)
