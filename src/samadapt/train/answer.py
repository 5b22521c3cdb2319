"""A detail branch that answers alone begins with the best linear answer on its features, in closed form.

From random features that saves the first steps; from features that were learnt for it (`samadapt.train.episodes`) it is
most of the answer. It also keeps small classes alive, which an answer of zeros may lose in the first steps.
"""

from __future__ import annotations

import torch
from torch.utils.data import default_collate

from samadapt.models.maps import coarse
from samadapt.train.episode_step import SCALE, linear_answer
from samadapt.train.order import Order
from samadapt.train.samples import SemanticSamples
from samadapt.train.steps import SemanticStep

PICTURES = 96
"""That the answer is fitted to: the first of the run."""
SIDE = 128
"""Of larger pictures every second, third and so on pixel is used."""


@torch.no_grad()
def begin_answer(step: SemanticStep, samples: SemanticSamples, order: Order) -> None:
    """Fit the last layer of a branch that answers alone, in place; do nothing where the mask decoder answers too.

    Every process of a run fits the same, since the pictures depend on the order alone.
    """
    model = step.model
    if model.detail is None or model.head.decoder:
        return
    found = [_features(step, samples, order, number) for number in range(-(-PICTURES // order.batch_size))]
    features, labels = (torch.cat(parts)[None] for parts in zip(*found))
    answer, _ = linear_answer(features, labels, model.head.channels)
    layer = model.detail.answer
    layer.weight.copy_(SCALE * answer[0, :-1].T[:, :, None, None])  # type: ignore[union-attr,operator]
    layer.bias.copy_(SCALE * answer[0, -1])  # type: ignore[union-attr,operator]


def _features(
    step: SemanticStep, samples: SemanticSamples, order: Order, number: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Features (B, D, s, s) float32 and labels (B, s, s) of a batch."""
    device = step.model.device
    batch = {
        name: value.to(device) for name, value in default_collate([samples[t] for t in order.batch(number)]).items()
    }
    embedding = step.embedding(batch)
    with step._precision(device):
        features = step.model.detail.features(batch["pixel_values"], coarse(embedding))  # type: ignore[union-attr,operator]
    stride = max(1, batch["labels"].shape[-1] // SIDE)
    return features.float()[..., ::stride, ::stride], batch["labels"][..., ::stride, ::stride]
