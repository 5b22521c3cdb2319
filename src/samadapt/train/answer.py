"""A detail branch that answers alone begins with the best linear answer on its features, in closed form.

An answer of zeros may lose a small class in the first steps for good; this one knows all classes before the first.

References
----------
.. [1] Bertinetto et al. 2019, Meta-learning with differentiable closed-form solvers, ICLR, arXiv:1805.08136: ridge
   regression on one-hot labels, its answers scaled to logits.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import default_collate

from samadapt.train.losses import IGNORE
from samadapt.train.order import Order
from samadapt.train.samples import SemanticSamples
from samadapt.train.steps import SemanticStep

PICTURES = 96
"""That the answer is fitted to, at least: the first of the run."""
SIDE = 128
"""Of larger pictures every second, third and so on pixel is used."""
PENALTY = 0.02
"""Weight of the squared norm in the ridge regression, whose pixels weigh 1 together."""
SCALE = 10.0
"""From the regression of 0 and 1 to logits."""


@torch.no_grad()
def begin_answer(step: SemanticStep, samples: SemanticSamples, order: Order) -> None:
    """Fit the last layer of a branch that answers alone, in place; do nothing where the mask decoder answers too.

    Every process of a run fits the same, since the pictures depend on the order alone.
    """
    model = step.model
    if model.detail is None or model.head.decoder:
        return
    found = [_pixels(step, samples, order, number) for number in range(-(-PICTURES // order.batch_size))]
    features, labels = (torch.cat(parts) for parts in zip(*found))
    answer = SCALE * linear_answer(features, labels, model.head.channels)
    layer = model.detail.answer
    layer.weight.copy_(answer[:-1].T[:, :, None, None])  # type: ignore[union-attr,operator]
    layer.bias.copy_(answer[-1])  # type: ignore[union-attr,operator]


def linear_answer(features: Tensor, labels: Tensor, classes: int) -> Tensor:
    """Ridge regression of one-hot labels on features, a class weighing as the square root of its pixels.

    Parameters
    ----------
    features : Tensor of shape (n, D), float32
    labels : Tensor of shape (n,), int64
        Classes, or `losses.IGNORE`.
    classes : int
        With background.

    Returns
    -------
    Tensor of shape (D + 1, classes), float32
        The last row is the constant; zeros for a class that no label names.
    """
    x = F.pad(features, (0, 1), value=1.0)
    wanted = F.one_hot(labels.clamp(min=0), classes).to(x.dtype) * (labels != IGNORE)[:, None]
    weight = (wanted / wanted.sum(0).clamp(min=1).sqrt()).sum(1)
    weighted = (x * (weight / weight.sum().clamp(min=1e-6))[:, None]).T
    ridge = PENALTY * torch.eye(x.shape[1], device=x.device)
    answer: Tensor = torch.linalg.solve(weighted @ x + ridge, weighted @ wanted)
    return answer


def _pixels(step: SemanticStep, samples: SemanticSamples, order: Order, number: int) -> tuple[Tensor, Tensor]:
    """Features (n, D) float32 and labels (n,) of the pixels of a batch."""
    batch = default_collate([samples[ticket] for ticket in order.batch(number)])
    batch = {name: value.to(step.model.device) for name, value in batch.items()}
    features, labels = step.features(batch), batch["labels"]
    stride = max(1, labels.shape[-1] // SIDE)
    chosen = features[..., ::stride, ::stride].movedim(1, -1)
    return chosen.flatten(0, 2), labels[..., ::stride, ::stride].flatten()
