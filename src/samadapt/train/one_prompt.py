"""Medical SAM Adapter's training on 2-D images: one prompt, one mask, weighted cross-entropy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor

from samadapt.train.config import InteractiveTask
from samadapt.train.losses import weighted_bce
from samadapt.train.rounds import first_prompt, resize_logits, told
from samadapt.train.samples import OUTSIDE, Batch
from samadapt.train.steps import Step

if TYPE_CHECKING:
    from samadapt.models import SamPromptable


class OnePromptStep(Step):
    """Step of the interactive task by Medical SAM Adapter's protocol: no corrections, the single-mask token learns.

    References
    ----------
    .. [1] Wu et al. 2023, arXiv:2304.12620; SuperMedIntel/Medical-SAM-Adapter, June 2024 (behaviour, not code).
    """

    def __init__(self, model: SamPromptable, task: InteractiveTask, *, bf16: bool = False) -> None:
        super().__init__(model, bf16=bf16)
        self.task = task

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """ "loss" and its part for a batch of `ObjectSamples`."""
        embedding = self.embedding(batch)
        boxes, points, labels = first_prompt(batch)
        with self._precision(batch["masks"].device):
            output = self.model.decode(embedding, points=points, point_labels=labels, boxes=boxes, multimask=False)
        target = batch["masks"]
        logits = resize_logits(output.low_res_logits, target.shape[-1])[:, :, 0]
        return told(weighted_bce(logits, target == 1, target != OUTSIDE))
