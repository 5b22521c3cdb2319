"""The fast encoder gives what the published one gives, gradients included."""

import copy

import pytest
import torch

from samadapt import models
from samadapt.adapt.config import AdapterConfig, FullConfig, LoraConfig
from samadapt.adapt.methods import inject
from samadapt.models.architecture import Architecture
from samadapt.train import fast_encoder
from samadapt.train.fast_encoder import FastLayer, halve_frozen, quicken

# 6 x 6 tokens in windows of 4: padding on both sides, as at 256 pixels with windows of 14.
ODD = Architecture(
    image_size=96, hidden=32, depth=3, heads=2, mlp_dim=64, window=4, global_blocks=(1,), channels=32,
    decoder_mlp_dim=32, iou_hidden=32,
)  # fmt: skip


def _model(config):
    model = models.fresh(ODD, seed=3)
    for name, parameter in model.named_parameters():
        if "rel_pos" in name or "pos_embed" in name:
            parameter.data = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(5)) * 0.2
    inject(model, config)
    for name, parameter in model.named_parameters():
        if name.endswith(".B"):
            parameter.data = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(6)) * 0.1
    return model


def _run(model, pixels):
    model.zero_grad()
    embedding = model.encode(pixels)
    # The embedding is normalised: only a weighted sum has gradients worth comparing.
    weights = torch.randn(embedding.shape, generator=torch.Generator().manual_seed(9))
    (embedding * weights).sum().backward()
    return embedding.detach(), {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("lean", [False, True])
@pytest.mark.parametrize("method", [LoraConfig(rank=2), FullConfig(), AdapterConfig()], ids=lambda m: m.method)
def test_same_embedding_and_gradients(method, lean, monkeypatch):
    monkeypatch.setattr(fast_encoder, "LEAN_TOKENS", 0 if lean else 1024)
    pixels = torch.randn(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    plain = _model(method)
    fast = copy.deepcopy(plain)
    assert quicken(fast.sam.vision_encoder) == 3
    assert all(isinstance(layer, FastLayer) for layer in fast.sam.vision_encoder.layers)
    (left, left_grads), (right, right_grads) = _run(plain, pixels), _run(fast, pixels)
    assert torch.allclose(left, right, atol=1e-5)
    assert left_grads.keys() == right_grads.keys()
    assert len(left_grads) > 4
    for name, gradient in left_grads.items():
        assert torch.allclose(gradient, right_grads[name], rtol=1e-4, atol=1e-4 * gradient.abs().max().item()), name


def test_checkpointing_changes_nothing():
    pixels = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    model = _model(LoraConfig(rank=2)).train()
    quicken(model.sam.vision_encoder)
    kept = _run(model, pixels)
    model.checkpoint_encoder(True)
    again = _run(model, pixels)
    assert torch.equal(kept[0], again[0])
    assert all(torch.equal(kept[1][name], again[1][name]) for name in kept[1])


def test_halved_weights_are_those_that_autocast_uses():
    pixels = torch.randn(1, 3, 96, 96, generator=torch.Generator().manual_seed(0))
    model = _model(LoraConfig(rank=2))
    with torch.autocast("cpu", torch.bfloat16):
        before = model.encode(pixels)
        assert halve_frozen(model.sam.vision_encoder) > 10
        after = model.encode(pixels)
    assert torch.equal(before, after)
    assert all(p.dtype == torch.float32 for p in model.parameters() if p.requires_grad)
