"""SAM-Med2D's interactive training: a box or a click, then rounds of fresh correction points and the last mask.

Every round answers with three candidates, of which the one with the highest predicted IoU learns. The points of a
round replace those before; they are drawn from all wrong pixels. In one round drawn from the first to the last but
two, and in the last, there are no points: the last mask alone is the prompt. It is given as probabilities.

As published, every round is an update of its own (nine with eight rounds), and from the second on only the mask
decoder learns, on the embedding of the first. That keeps the adapters from learning corrections, so it is an option
(`frozen_embedding`); otherwise all rounds are one update of everything that learns.

References
----------
.. [1] Cheng et al. 2023, arXiv:2308.16184; OpenGVLab/SAM-Med2D bfd2b93, train.py and utils.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from samadapt.models.decode import DecoderOutput, select
from samadapt.train.clicks import error_points
from samadapt.train.config import InteractiveTask
from samadapt.train.losses import Loss, med2d_loss
from samadapt.train.rounds import first_prompt, mean_loss, resize_logits, told
from samadapt.train.samples import Batch
from samadapt.train.steps import Step

if TYPE_CHECKING:
    from samadapt.models import SamPromptable

POINTS = (1, 3, 5, 9)
"""Points of a round; one of these."""


class NineStep(Step):
    """Step of the interactive task by SAM-Med2D's protocol.

    Parameters
    ----------
    model : SamPromptable
    task : InteractiveTask
    bf16 : bool
        Compute the networks in bfloat16.
    """

    def __init__(self, model: SamPromptable, task: InteractiveTask, *, bf16: bool = False) -> None:
        super().__init__(model, bf16=bf16)
        self.task = task
        self.updates = task.rounds + 1 if task.frozen_embedding else 1

    def forward(self, batch: Batch, update: int = 0) -> dict[str, Tensor]:
        """ "loss" and its parts of a batch of `ObjectSamples`; with a frozen embedding, of round `update` alone.

        What the next round needs (embedding, last mask) is left in `batch`.
        """
        if self.updates > 1:
            return told(self._round(batch, update))
        return told(mean_loss([self._round(batch, number) for number in range(self.task.rounds + 1)]))

    def _round(self, batch: Batch, number: int) -> Loss:
        if number == 0:
            batch["embedding"] = self.embedding(batch)
            boxes, points, labels = first_prompt(batch)
            masks = None
        else:
            boxes, (points, labels) = None, self._points(batch, number - 1)
            masks = batch["answer"].sigmoid()
        with self._precision(batch["masks"].device):
            learn = number == 0 or not self.task.frozen_embedding
            output = self.model.decode_tokens(batch["embedding"], points, labels, boxes, masks, learn_prompts=learn)
        low, iou = best_candidate(select(output, multimask=True))
        batch["answer"] = low.detach()
        if self.task.frozen_embedding:
            batch["embedding"] = batch["embedding"].detach()
        target = batch["masks"]
        logits = resize_logits(low[:, :, None], target.shape[-1])[:, :, 0]
        return med2d_loss(logits.flatten(0, 1)[:, None], (target == 1).flatten(0, 1)[:, None], iou.flatten()[:, None])

    def _points(self, batch: Batch, iteration: int) -> tuple[Tensor | None, Tensor | None]:
        """Points of a correction, or none where the mask alone is the prompt."""
        generator = torch.Generator().manual_seed(int(batch["batch_seed"][0]))
        alone = int(torch.randint(1, max(self.task.rounds - 1, 2), (1,), generator=generator))
        counts = torch.randint(len(POINTS), (self.task.rounds,), generator=generator)
        if iteration in (alone, self.task.rounds - 1):
            return None, None
        truth = batch["masks"] == 1
        marked = resize_logits(batch["answer"][:, :, None], truth.shape[-1])[:, :, 0] > 0
        seeds = batch["seed"] + iteration
        return error_points(marked, truth, seeds, self.model.image_size, POINTS[int(counts[iteration])])


def best_candidate(output: DecoderOutput) -> tuple[Tensor, Tensor]:
    """Logits (B, P, h, w) and predicted IoU (B, P) of the candidate whose predicted IoU is highest."""
    choice = output.iou.argmax(2, keepdim=True)
    low = output.low_res_logits
    place = choice[..., None, None].expand(-1, -1, 1, *low.shape[-2:])
    return low.gather(2, place)[:, :, 0], output.iou.gather(2, choice)[:, :, 0]
