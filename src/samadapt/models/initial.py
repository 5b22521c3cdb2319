"""Fresh weights by name, so that neither order nor device changes them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from samadapt.core.rng import named_seed


def initial_tensor(name: str, shape: tuple[int, ...], fan_in: int, seed: int = 0) -> Tensor:
    """First value of one parameter, as the original SAM code draws it.

    Position tables and the last layers of a refiner are zero, norms are the identity, embeddings, latents and Fourier
    frequencies are standard normal, all other weights and biases uniform within
    1 / sqrt(fan in), PyTorch's default.

    Parameters
    ----------
    name : str
        Transformers' name of the parameter.
    shape : tuple of int
    fan_in : int
        Inputs of one output unit of the layer it belongs to.
    seed : int

    Returns
    -------
    Tensor of `shape`, float32
    """
    if name.endswith("pos_embed") or ".rel_pos_" in name or ".refine.last_" in name:
        return torch.zeros(shape)
    if "layer_norm" in name or name.rpartition(".")[0].endswith(("_norm", ".bn")):
        return torch.ones(shape) if name.endswith(("weight", "running_var")) else torch.zeros(shape)
    generator = torch.Generator().manual_seed(named_seed("initial weights", seed, name) % 2**63)
    if name.endswith("positional_embedding") or _is_embedding(name):
        return torch.randn(shape, generator=generator)
    bound = 1 / math.sqrt(max(fan_in, 1))
    return (2 * torch.rand(shape, generator=generator) - 1) * bound


def _is_embedding(name: str) -> bool:
    parts = ("iou_token.", "mask_tokens.", "hq_token.", "point_embed.", "no_mask_embed.", "spatial_perceiver.latents_")
    return any(part in name for part in parts)


def fan_in(shapes: dict[str, tuple[int, ...]], name: str) -> int:
    """Inputs of one output unit of the layer that `name` belongs to; transposed convolutions as PyTorch counts them."""
    weight = shapes.get(name.rsplit(".", 1)[0] + ".weight", shapes[name])
    return math.prod(weight[1:]) if len(weight) > 1 else weight[0]
