"""One module per task whose `forward` is the whole step: encode once, decode every round, loss.

A single `forward` is what DistributedDataParallel needs: it averages the gradients of what happened inside.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from samadapt.models.maps import coarse, join
from samadapt.train.clicks import error_clicks
from samadapt.train.config import BoxTask, InteractiveTask, SemanticTask
from samadapt.train.embeddings import unpack
from samadapt.train.losses import Loss, box_loss, dice_per_mask, focal_per_mask, iou_per_mask, semantic_loss
from samadapt.train.rounds import first_prompt, mean_loss, resize_logits, told
from samadapt.train.samples import OUTSIDE, Batch

if TYPE_CHECKING:
    from samadapt.models import SamPromptable
    from samadapt.train.nine_steps import NineStep
    from samadapt.train.one_prompt import OnePromptStep


class Step(nn.Module):
    """Base of all steps.

    Parameters
    ----------
    model : SamPromptable
        With the adaptation in place.
    bf16 : bool
        Compute the networks in bfloat16; losses stay in float32.
    """

    updates = 1
    """Steps of the optimiser for one batch; above 1 `forward` also takes the number of the update."""

    apart = False
    """Encode one image at a time, so that an embedding does not depend on the batch it is made in."""

    def __init__(self, model: SamPromptable, *, bf16: bool = False) -> None:
        super().__init__()
        self.model, self.bf16 = model, bf16
        if model.device.type == "cpu":
            _plain_decoder_attention(model)
        parameters = (parameter for part in model.encoder_parts for parameter in part.parameters())
        self.encoder_learns = any(parameter.requires_grad for parameter in parameters)

    def encode(self, pixel_values: Tensor) -> Any:
        """Embedding (B, C, h, w) float32, or `FeatureMaps`; without a graph where nothing in the encoder learns."""
        with self._precision(pixel_values.device), nullcontext() if self.encoder_learns else torch.no_grad():
            if self.apart:
                return join([self.model.encode(one[None]).float() for one in pixel_values])
            return self.model.encode(pixel_values).float()

    def embedding(self, batch: Batch) -> Any:
        """Embedding of a batch: the one it brings (`samadapt.train.embeddings`), else that of its pixels."""
        kept = unpack(batch)
        return self.encode(batch["pixel_values"]) if kept is None else kept

    def _precision(self, device: torch.device) -> AbstractContextManager[object]:
        return torch.autocast(device.type, torch.bfloat16) if self.bf16 else nullcontext()


class SemanticStep(Step):
    """Class logits from the prompt-free head against low-resolution labels (SAMed)."""

    def __init__(self, model: SamPromptable, task: SemanticTask, *, bf16: bool = False) -> None:
        super().__init__(model, bf16=bf16)
        self.task = task

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """ "loss" and its parts for a batch of `SemanticSamples`."""
        task, labels = self.task, batch["labels"]
        logits = self.logits(batch)
        return told(semantic_loss(logits, labels, task.ce_weight, task.dice_weight, per_sample=task.per_sample))

    def features(self, batch: Batch) -> Tensor:
        """(B, D, S, S) float32 that the detail branch makes its answer from."""
        embedding = self.embedding(batch)
        with self._precision(embedding.device):
            features: Tensor = self.model.detail.features(batch["pixel_values"], coarse(embedding))  # type: ignore[union-attr,operator]
        return features.float()

    def logits(self, batch: Batch) -> Tensor:
        """(B, N + 1, R, R) float32, R the head's resolution."""
        embedding = self.embedding(batch)
        with self._precision(embedding.device):
            logits: Tensor = self.model.head.logits(self.model, embedding, batch.get("pixel_values"))
        return logits.float()


class BoxStep(Step):
    """One mask from one loose box (MedSAM)."""

    def __init__(self, model: SamPromptable, task: BoxTask, *, bf16: bool = False) -> None:
        super().__init__(model, bf16=bf16)
        self.task = task

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """ "loss" and its parts for a batch of `ObjectSamples` with one object each."""
        output = self.model.decode(self.embedding(batch), boxes=batch["boxes"], multimask=False)
        target = batch["masks"]
        logits = resize_logits(output.low_res_logits, target.shape[-1])[:, :, 0]
        return told(box_loss(logits, target == 1, target != OUTSIDE))


class InteractiveStep(Step):
    """A first box or click, then correction clicks with the previous logits as mask prompt.

    Every round all mask tokens answer. Of the three candidates only the one with the lowest loss learns, so that
    each may settle on another reading of an ambiguous prompt; the single-mask token learns wherever the prompt is
    more than one lone click. The predicted IoU of every learning round is regressed on the IoU of the thresholded
    mask. Silent rounds (`InteractiveTask.silent_rounds`) come after the first and only lead to the later ones. The loss
    is the mean over rounds and objects, so it does not depend on how a batch is divided.

    References
    ----------
    .. [1] Kirillov et al. 2023, arXiv:2304.02643, appendix A: minimum over masks, 20 focal + dice + IoU regression.
    """

    def __init__(self, model: SamPromptable, task: InteractiveTask, *, bf16: bool = False) -> None:
        super().__init__(model, bf16=bf16)
        self.task = task

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """ "loss" and its parts for a batch of `ObjectSamples`."""
        embedding = self.embedding(batch)
        target = batch["masks"]
        boxes, points, labels = first_prompt(batch)
        masks: Tensor | None = None
        rounds: list[Loss] = []
        silent = self._silent(batch)
        last = silent + self.task.rounds
        for number in range(last + 1):
            teaches = number == 0 or number > silent
            with self._precision(target.device), nullcontext() if teaches else torch.no_grad():
                output = self.model.decode_tokens(embedding, points, labels, boxes, masks)
            logits = resize_logits(output.low_res_logits, target.shape[-1])
            if teaches:
                rounds.append(self._loss(logits, output.iou, target, single=boxes is not None or number > 0))
            if number < last:
                masks, chosen = _best(output.low_res_logits, logits, output.iou)
                points, labels = self._click(points, labels, chosen, target, batch["seed"] + number)
        return told(mean_loss(rounds))

    def _silent(self, batch: Batch) -> int:
        """Rounds of this batch between the first and the corrections that teach."""
        if not self.task.silent_rounds or not self.task.rounds:
            return 0
        seed = int(batch["batch_seed"][0])
        return int(torch.randint(self.task.silent_rounds + 1, (), generator=torch.Generator().manual_seed(seed)))

    def answers(
        self,
        embedding: Any,
        boxes: Tensor | None,
        points: Tensor | None,
        labels: Tensor | None,
        target: Tensor,
        seeds: Tensor,
    ) -> Iterator[Tensor]:
        """Logits (B, P, h, w) of the candidate with the highest predicted IoU, round by round."""
        masks: Tensor | None = None
        for number in range(self.task.rounds + 1):
            output = self.model.decode_tokens(embedding, points, labels, boxes, masks)
            logits = resize_logits(output.low_res_logits, target.shape[-1])
            masks, chosen = _best(output.low_res_logits, logits, output.iou)
            yield masks
            points, labels = self._click(points, labels, chosen, target, seeds + number)

    def _click(
        self, points: Tensor | None, labels: Tensor | None, logits: Tensor, target: Tensor, seeds: Tensor
    ) -> tuple[Tensor, Tensor]:
        """All clicks so far and one more."""
        xy, label = error_clicks(logits > 0, target == 1, target != OUTSIDE, seeds, self.model.image_size)
        if points is None or labels is None:
            return xy[:, :, None], label[:, :, None]
        return torch.cat([points, xy[:, :, None]], 2), torch.cat([labels, label[:, :, None]], 2)

    def _loss(self, logits: Tensor, iou: Tensor, target: Tensor, *, single: bool) -> Loss:
        task = self.task
        wanted = (target == 1).float()[:, :, None]
        valid = (target != OUTSIDE).float()[:, :, None]
        start = 0 if single and task.single_mask else 1
        logits, iou = logits[:, :, start:].float(), iou[:, :, start:].float()
        focal = focal_per_mask(logits, wanted.expand_as(logits), valid)
        dice = dice_per_mask(logits, wanted, valid)
        regression = (iou - iou_per_mask(logits, wanted, valid)).pow(2).mean(2)
        each = task.focal_weight * focal + task.dice_weight * dice
        candidates = each[:, :, 1 - start :]
        choice = candidates.argmin(2, keepdim=True)
        total = candidates.gather(2, choice)[:, :, 0] + task.iou_weight * regression
        if start == 0:
            total = total + each[:, :, 0]
        shown = {"focal": focal, "dice": dice}
        parts = {name: v[:, :, 1 - start :].gather(2, choice).mean().detach() for name, v in shown.items()}
        return Loss(total.mean(), parts | {"iou": regression.mean().detach()})


def make_step(
    model: SamPromptable, task: SemanticTask | BoxTask | InteractiveTask, *, bf16: bool = False
) -> SemanticStep | BoxStep | InteractiveStep | NineStep | OnePromptStep:
    """Step of a task."""
    from samadapt.train.nine_steps import NineStep
    from samadapt.train.one_prompt import OnePromptStep

    if isinstance(task, SemanticTask):
        return SemanticStep(model, task, bf16=bf16)
    if isinstance(task, BoxTask):
        return BoxStep(model, task, bf16=bf16)
    if task.protocol == "sammed2d":
        return NineStep(model, task, bf16=bf16)
    if task.protocol == "msa":
        return OnePromptStep(model, task, bf16=bf16)
    return InteractiveStep(model, task, bf16=bf16)


def _best(low_res: Tensor, logits: Tensor, iou: Tensor) -> tuple[Tensor, Tensor]:
    """Candidate with the highest predicted IoU, (B, P, h, w) at both sizes, detached."""
    choice = (1 + iou[:, :, 1:].argmax(2))[:, :, None, None, None]
    pick = [t.detach().gather(2, choice.expand(-1, -1, 1, *t.shape[-2:]))[:, :, 0] for t in (low_res, logits)]
    return pick[0], pick[1]


def _plain_decoder_attention(model: SamPromptable) -> None:
    """Attention of the decoder as two matrix products.

    Its heads are 8 wide and one side has under ten tokens: on the CPU the fused kernel takes four times as long, most
    of it in the backward pass.
    """
    for module in model.decoder.modules():
        if hasattr(module, "num_attention_heads") and hasattr(module, "config"):
            module.config = copy.copy(module.config)
            module.config._attn_implementation = "eager"
