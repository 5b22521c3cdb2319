"""What the rounds of interactive training share: the first prompt, sizes of logits, means of losses."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from samadapt.train.losses import Loss
from samadapt.train.samples import Batch


def first_prompt(batch: Batch) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """(boxes, points, point labels) a batch begins with: boxes, or one click inside every object."""
    if bool(batch["begin_with_box"][0]):
        return batch["boxes"], None, None
    points = batch["points"]
    return None, points, torch.ones(points.shape[:3], dtype=torch.int64, device=points.device)


def resize_logits(logits: Tensor, size: int) -> Tensor:
    """(B, P, M, h, w) to (B, P, M, size, size), bilinearly."""
    if logits.shape[-1] == size:
        return logits
    resized = F.interpolate(logits.flatten(0, 1), size=(size, size), mode="bilinear", align_corners=False)
    return resized.reshape(*logits.shape[:3], size, size)


def mean_loss(rounds: list[Loss]) -> Loss:
    """Mean over rounds; "last_dice" is the Dice part of the last."""
    total = torch.stack([one.total for one in rounds]).mean()
    parts = {name: torch.stack([one.parts[name] for one in rounds]).mean() for name in rounds[0].parts}
    return Loss(total, parts | {"last_dice": rounds[-1].parts["dice"]})


def told(loss: Loss) -> dict[str, Tensor]:
    """What a step returns: "loss", and the parts of it."""
    return {"loss": loss.total, **loss.parts}
