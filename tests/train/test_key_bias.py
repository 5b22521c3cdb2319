"""Biases of keys have no say, so they get no noise."""

import torch

from samadapt import models
from samadapt.train.key_bias import silence_key_biases


def _gradients(model):
    torch.manual_seed(0)
    pixels = torch.randn(2, 3, model.image_size, model.image_size, dtype=torch.float64)
    weights = torch.randn(2, 1, 3, model.mask_size, model.mask_size)
    model.zero_grad()
    (model(pixels).low_res_logits * weights).sum().backward()
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def _is_silent(name, gradient):
    if name.endswith("attn.qkv.bias"):
        return gradient[len(gradient) // 3 : 2 * len(gradient) // 3]
    return gradient if name.endswith("k_proj.bias") else None


def test_their_true_gradient_is_zero_and_then_exactly_zero():
    model = models.fresh("test", seed=3).double()
    before = _gradients(model)
    names = silence_key_biases(model)
    after = _gradients(model)
    silent = {name: _is_silent(name, g) for name, g in before.items() if _is_silent(name, g) is not None}
    assert set(silent) == set(names)
    assert len(names) == 2 + 7  # two blocks, seven attentions of the mask decoder
    scale = max(float(g.abs().max()) for g in before.values())
    assert max(float(g.abs().max()) for g in silent.values()) < 1e-9 * scale
    for name, gradient in after.items():
        part = _is_silent(name, gradient)
        assert part is None or not part.any()
        torch.testing.assert_close(gradient, before[name], atol=1e-9 * scale, rtol=1e-9)
    assert len(after) == len(before) > 50


def test_frozen_ones_are_left_alone():
    model = models.fresh("test", seed=3).requires_grad_(False)
    assert silence_key_biases(model) == []
