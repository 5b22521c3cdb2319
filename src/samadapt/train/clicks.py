"""Correction clicks for a whole batch at once, on whatever device it is."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOWS = (3, 7, 15)


def error_clicks(
    prediction: Tensor, truth: Tensor, valid: Tensor, seeds: Tensor, image_size: int
) -> tuple[Tensor, Tensor]:
    """One click per object inside the region where prediction and truth differ.

    Half of the clicks are uniform over the error; the others are where most of the surroundings are the same kind
    of error, as a person clicks into the middle of the largest one.

    Parameters
    ----------
    prediction, truth, valid : Tensor of shape (B, P, R, R), bool
        Pixels where `valid` is false are never clicked.
    seeds : Tensor of shape (B,), int64
        One per image, so that a click depends on nothing else in the batch.
    image_size : int
        Side of the model's input in pixels, which the R pixels cover.

    Returns
    -------
    xy : Tensor of shape (B, P, 2), float32
        In model pixels, at the centre of the chosen pixel.
    labels : Tensor of shape (B, P), int64
        1 where the object was missed, 0 where background was marked, -1 (no point) where nothing is wrong.
    """
    side = truth.shape[-1]
    missed, extra = truth & ~prediction & valid, prediction & ~truth & valid
    error = missed | extra
    noise, central = _noise(seeds, truth.shape)
    weight = torch.where(central[..., None, None], _depth(missed) + _depth(extra) + 1e-3 * noise, noise)
    place = (weight * error).flatten(2).argmax(2)
    any_error = error.flatten(2).any(2)
    xy = (torch.stack([place % side, place // side], dim=-1).float() + 0.5) * (image_size / side) - 0.5
    wrong_side = truth.flatten(2).gather(2, place[..., None])[..., 0].long()
    return xy, torch.where(any_error, wrong_side, -1)


def error_points(
    prediction: Tensor, truth: Tensor, seeds: Tensor, image_size: int, count: int
) -> tuple[Tensor, Tensor]:
    """Points drawn uniformly, with replacement, from all pixels where prediction and truth differ (SAM-Med2D).

    Parameters
    ----------
    prediction, truth : Tensor of shape (B, P, R, R), bool
    seeds : Tensor of shape (B,), int64
    image_size : int
        Side of the model's input in pixels.
    count : int
        N, points of every object.

    Returns
    -------
    xy : Tensor of shape (B, P, N, 2), float32
        In model pixels.
    labels : Tensor of shape (B, P, N), int64
        1 missed, 0 marked by mistake; -1 at random places where nothing is wrong.
    """
    side = truth.shape[-1]
    error = (prediction != truth).flatten(2)
    weight = torch.where(error.any(2, keepdim=True), error, torch.ones_like(error)).float().cpu()
    places = [
        torch.multinomial(one, count, replacement=True, generator=torch.Generator().manual_seed(int(seed) % 2**63))
        for one, seed in zip(weight, seeds.tolist())
    ]
    place = torch.stack(places).to(truth.device)
    xy = (torch.stack([place % side, place // side], dim=-1).float() + 0.5) * (image_size / side) - 0.5
    labels = truth.flatten(2).gather(2, place).long()
    return xy, torch.where(error.any(2, keepdim=True), labels, -1)


def _depth(region: Tensor) -> Tensor:
    """How much of the surroundings belongs to the region, over several windows; 0 outside the region."""
    widest = max(WINDOWS) // 2
    padded = F.pad(region.float(), (widest + 1, widest, widest + 1, widest))
    table = padded.cumsum(-1).cumsum(-2)  # summed-area table: any window in four lookups
    side, total = region.shape[-1], torch.zeros((), device=region.device)
    for window in WINDOWS:
        low, high = widest - window // 2, widest + window // 2 + 1
        near, far = slice(low, low + side), slice(high, high + side)
        inside = table[..., far, far] - table[..., near, far] - table[..., far, near] + table[..., near, near]
        total = total + inside / window**2
    return total * region


def _noise(seeds: Tensor, shape: torch.Size) -> tuple[Tensor, Tensor]:
    """Uniform noise in (0, 1] (B, P, R, R), and for each object whether it is clicked centrally."""
    noise, central = [], []
    for seed in seeds.tolist():
        generator = torch.Generator().manual_seed(int(seed) % 2**63)
        central.append(torch.rand(shape[1], generator=generator) < 0.5)
        noise.append(1 - torch.rand(shape[1:], generator=generator))
    return torch.stack(noise).to(seeds.device), torch.stack(central).to(seeds.device)
