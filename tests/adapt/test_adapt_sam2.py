"""The methods on SAM 2: they start, train and come back from disk as on SAM."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from adapt_cases import METHODS, answers, loss_of

from samadapt.adapt import add_head, inject, load_adapter, save_adapter
from samadapt.adapt.adaptation import trainable_parameters
from samadapt.adapt.merge import merge
from samadapt.core.image import LabelSet
from samadapt.models import fresh
from samadapt.train.fast_encoder import quicken

SAME_AT_START = ("lora", "lora-chosen-blocks", "lora-decoder", "adapter-zero", "decoder", "full", "full-prompts")


def build():
    return fresh("hiera-test", preprocessing="sam2", seed=2)


@pytest.mark.parametrize("name", METHODS)
def test_every_method_trains_and_is_saved(name, tmp_path: Path):
    model = build()
    with torch.no_grad():
        before = answers(model)
    inject(model, METHODS[name])
    with torch.no_grad():
        start = answers(model)
    if name in SAME_AT_START:
        assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(before, start))
    learning = [parameter for _, parameter in trainable_parameters(model)]
    optimizer = torch.optim.AdamW(learning, lr=1e-2)
    for _ in range(2):  # the inner half of a low-rank update moves in the second step
        optimizer.zero_grad()
        loss_of(model).backward()
        optimizer.step()
    with torch.no_grad():
        trained = answers(model)
    assert any(not torch.allclose(a, b, atol=1e-4) for a, b in zip(start, trained))
    save_adapter(model, tmp_path)
    again = build()
    load_adapter(again, tmp_path)
    with torch.no_grad():
        assert all(torch.equal(a, b) for a, b in zip(trained, answers(again)))


def test_low_rank_updates_can_be_merged():
    model = build()
    inject(model, METHODS["lora-decoder"])
    with torch.no_grad():
        for _, parameter in trainable_parameters(model):
            parameter.add_(0.05)
        adapted = answers(model)
        merge(model)
        merged = answers(model)
    for one, other in zip(adapted, merged):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_a_prompt_free_head():
    model = build()
    head = add_head(model, LabelSet.from_names({1: "liver", 2: "spleen"}))
    pixels = torch.rand(2, 3, 64, 64)
    logits = head.logits(model, model.encode(pixels), pixels)
    assert logits.shape == (2, 3, 16, 16)
    assert quicken(model.sam.vision_encoder) == 0
