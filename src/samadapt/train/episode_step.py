"""The detail branch learns features from which few pictures tell classes apart by a linear answer.

Of each episode half of the pictures fit the linear answer, in closed form, and the other half is judged by it; then the
halves change places. What learns are the features alone, so that a new answer on top of them needs little.

References
----------
.. [1] Bertinetto et al. 2019, Meta-learning with differentiable closed-form solvers, ICLR, arXiv:1805.08136: ridge
   regression on one-hot labels, its answers scaled to logits.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from samadapt.models import SamPromptable
from samadapt.models.maps import coarse
from samadapt.train.config import EpisodeTask
from samadapt.train.episodes import EpisodeSamples
from samadapt.train.losses import IGNORE, Loss, semantic_loss
from samadapt.train.order import Ticket
from samadapt.train.rounds import told
from samadapt.train.samples import Batch
from samadapt.train.steps import Step
from samadapt.train.validate import Score, dice_of, placed

PENALTY = 0.02
"""Weight of the squared norm in the ridge regression, whose pixels weigh 1 together."""
SCALE = 10.0
"""From the regression of 0 and 1 to logits."""
ABSENT = -30.0
"""Logit of a class that the given pictures do not show."""


class EpisodeStep(Step):
    """One step on a batch of episodes."""

    def __init__(self, model: SamPromptable, task: EpisodeTask, *, bf16: bool = False) -> None:
        super().__init__(model, bf16=bf16)
        self.task = task

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """ "loss" and its parts for a batch of `EpisodeSamples`."""
        halves = [semantic_loss(logits, labels, 0.5, 0.5, per_sample=True) for logits, labels in self.answers(batch)]
        parts = {name: torch.stack([half.parts[name] for half in halves]).mean() for name in halves[0].parts}
        return told(Loss(torch.stack([half.total for half in halves]).mean(), parts))

    def answers(self, batch: Batch) -> list[tuple[Tensor, Tensor]]:
        """Logits (B * V / 2, classes + 1, S, S) and labels of each half of the pictures, told by the other half."""
        features, labels = self._features(batch["pixel_values"]), batch["labels"]
        first, second = slice(0, features.shape[1] // 2), slice(features.shape[1] // 2, None)
        found = []
        for given, asked in ((first, second), (second, first)):
            answer, shown = linear_answer(features[:, given], labels[:, given], self.task.classes + 1)
            found.append((_logits(features[:, asked], answer, shown).flatten(0, 1), labels[:, asked].flatten(0, 1)))
        return found

    def _features(self, pixel_values: Tensor) -> Tensor:
        """(B, V, D, S, S) float32 of (B, V, C, S, S)."""
        detail, flat = self.model.detail, pixel_values.flatten(0, 1)
        assert detail is not None
        embedding = coarse(self.encode(flat))
        with self._precision(flat.device):
            features: Tensor = detail.features(flat, embedding)  # type: ignore[operator]
        return features.float().reshape(*pixel_values.shape[:2], *features.shape[1:])


def linear_answer(features: Tensor, labels: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Ridge regression of one-hot labels on features, a class weighing as the square root of its pixels.

    Parameters
    ----------
    features : Tensor of shape (B, V, D, S, S), float32
    labels : Tensor of shape (B, V, S, S), int64
        Classes, or `losses.IGNORE`.
    classes : int
        With background.

    Returns
    -------
    Tensor of shape (B, D + 1, classes), float32
        The last row is the constant.
    Tensor of shape (B, classes), bool
        Classes that `labels` show.
    """
    x = _rows(features)
    flat = labels.flatten(1)
    wanted = F.one_hot(flat.clamp(min=0), classes).to(x.dtype) * (flat != IGNORE)[..., None]
    count = wanted.sum(1, keepdim=True)
    weight = (wanted / count.clamp(min=1).sqrt()).sum(2, keepdim=True)
    weighted = x * (weight / weight.sum(1, keepdim=True).clamp(min=1e-6))
    ridge = PENALTY * torch.eye(x.shape[2], dtype=x.dtype, device=x.device)
    products = weighted.transpose(1, 2)
    return torch.linalg.solve(products @ x + ridge, products @ wanted), count[:, 0] > 0


def _logits(features: Tensor, answer: Tensor, shown: Tensor) -> Tensor:
    """(B, V, classes, S, S) of features (B, V, D, S, S)."""
    found = torch.where(shown[:, None], SCALE * (_rows(features) @ answer), ABSENT)
    batch, versions, _, height, width = features.shape
    return found.reshape(batch, versions, height, width, -1).movedim(-1, 2)


def _rows(features: Tensor) -> Tensor:
    """(B, pixels, D + 1) of (B, V, D, S, S), the last column ones."""
    return F.pad(features.movedim(2, -1).flatten(1, 3), (0, 1), value=1.0)


@dataclass(frozen=True)
class EpisodeValidator:
    """Mean Dice of the objects in the pictures that ask, over the same episodes every time.

    Attributes
    ----------
    step : EpisodeStep
    samples : EpisodeSamples
    device : torch.device
    """

    step: EpisodeStep
    samples: EpisodeSamples
    device: torch.device
    _kept: list[Batch] = field(default_factory=list, repr=False)

    def __call__(self) -> Score:
        """Score of the model as it is."""
        if not self._kept:
            self._kept.extend(self.samples[Ticket(0, item, item)] for item in range(len(self.samples)))
        found = torch.cat([self._dice(placed(sample, self.device)) for sample in self._kept])
        mean = float(found.nanmean())
        return Score({"objects": mean}, mean)

    def _dice(self, batch: Batch) -> Tensor:
        """(pictures * classes,) of one episode; NaN where a class is absent."""
        classes = self.samples.classes + 1
        with torch.inference_mode():
            answers = self.step.answers(batch)
        tables = [_confusion(logits.argmax(1), labels, classes) for logits, labels in answers]
        return torch.cat([torch.from_numpy(dice_of(table.numpy())[1:]) for table in tables])


def _confusion(found: Tensor, labels: Tensor, classes: int) -> Tensor:
    """(classes, classes) of reference and answer."""
    known = labels != IGNORE
    pairs = labels[known] * classes + found[known]
    return torch.bincount(pairs, minlength=classes**2).reshape(classes, classes).cpu()
