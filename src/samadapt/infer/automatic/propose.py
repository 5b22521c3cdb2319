"""From points to low-resolution masks that are good enough by the model's own estimate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from samadapt.models.decode_many import ManyPrompts, can_decode_many

if TYPE_CHECKING:
    from samadapt.infer.automatic.options import MaskOptions


class Proposals(NamedTuple):
    """K masks of some points.

    Attributes
    ----------
    logits : Tensor of shape (K, h, w), float32
    iou : Tensor of shape (K,), float32
    point : Tensor of shape (K,), int64
        Index of the point each was drawn from.
    """

    logits: Tensor
    iou: Tensor
    point: Tensor


@dataclass(frozen=True)
class Proposer:
    """Masks of points on one encoded image, point by point, those of a point in the order of the mask tokens.

    Attributes
    ----------
    model : any promptable model
    embedding : any
        As the model's `encode` gives it.
    options : MaskOptions
        With nothing left open (`options_for`).
    """

    model: Any
    embedding: Any
    options: MaskOptions

    def __call__(self, points: Tensor) -> list[Proposals]:
        """Batches of masks whose predicted IoU is above the threshold.

        Parameters
        ----------
        points : Tensor of shape (P, 2)
            XY in model pixels.
        """
        if can_decode_many(self.model) and not self.options.use_m2m:
            return self._many(points)
        size = self.options.points_per_batch
        return [self._plain(points[i : i + size], i) for i in range(0, len(points), size)]

    def _many(self, points: Tensor) -> list[Proposals]:
        decoder = ManyPrompts(self.model, self.embedding)
        size = min(self.options.points_per_batch, decoder.batch)
        found = []
        for start in range(0, len(points), size):
            batch = points[start : start + size]
            scored = decoder.score(batch[:, None], torch.ones(len(batch), 1, dtype=torch.int64, device=points.device))
            wanted = self._good(scored.iou)
            wanted[:, slice(0, 1) if self.options.multimask else slice(1, None)] = False
            rows = wanted.nonzero()[:, 0]
            found.append(Proposals(decoder.draw(scored, wanted), scored.iou[wanted], rows + start))
        return found

    def _plain(self, points: Tensor, start: int) -> Proposals:
        """With the model's own `decode`, which draws every mask."""
        labels = torch.ones(1, len(points), 1, dtype=torch.int64, device=points.device)
        given = {"points": points[None, :, None], "point_labels": labels}
        output = self.model.decode(self.embedding, multimask=bool(self.options.multimask), **given)
        logits, iou = output.low_res_logits[0], output.iou[0]  # (P, M, h, w), (P, M)
        index = torch.arange(start, start + len(points), device=points.device)[:, None].expand(iou.shape)
        if self.options.use_m2m:
            logits, iou = self._again(points, logits)
        good = self._good(iou)
        return Proposals(logits[good], iou[good], index[good])

    def _again(self, points: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
        """One mask for each (point, mask), as SAM 2's generator refines them."""
        count, size = logits.shape[1], self.options.points_per_batch
        repeated = points.repeat_interleave(count, 0)[None, :, None]  # (1, P * M, 1, 2)
        labels = torch.ones(repeated.shape[:3], dtype=torch.int64, device=points.device)
        parts = []
        for i in range(0, repeated.shape[1], size):
            some = slice(i, i + size)
            masks = logits.flatten(0, 1)[None, some]
            given = {"points": repeated[:, some], "point_labels": labels[:, some], "masks": masks}
            parts.append(self.model.decode(self.embedding, multimask=False, **given))
        again = torch.cat([part.low_res_logits[0] for part in parts])  # (P * M, 1, h, w)
        return again.view_as(logits), torch.cat([part.iou[0] for part in parts]).view(-1, count)

    def _good(self, iou: Tensor) -> Tensor:
        least = self.options.pred_iou_thresh or 0.0
        return iou > least if least > 0 else torch.ones_like(iou, dtype=torch.bool)
