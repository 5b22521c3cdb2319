"""The methods on SAM 2 and SAM 3: they start, train and come back from disk as on SAM."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from adapt_cases import METHODS, answers, loss_of

from samadapt.adapt import add_head, inject, load_adapter, save_adapter
from samadapt.adapt.adaptation import trainable_parameters
from samadapt.adapt.merge import merge
from samadapt.core.errors import ConfigError
from samadapt.core.image import LabelSet
from samadapt.models import fresh
from samadapt.train.fast_encoder import quicken

SAME_AT_START = ("lora", "lora-chosen-blocks", "lora-decoder", "adapter-zero", "decoder", "full", "full-prompts")


NETWORKS = {"sam2": "hiera-test", "sam3": "sam3-test"}


def build(family: str):
    return fresh(NETWORKS[family], preprocessing=family, seed=2)


@pytest.mark.parametrize("family", NETWORKS)
@pytest.mark.parametrize("name", METHODS)
def test_every_method_trains_and_is_saved(name, family, tmp_path: Path):
    model = build(family)
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
    again = build(family)
    load_adapter(again, tmp_path)
    with torch.no_grad():
        assert all(torch.equal(a, b) for a, b in zip(trained, answers(again)))


@pytest.mark.parametrize("family", NETWORKS)
def test_low_rank_updates_can_be_merged(family):
    model = build(family)
    inject(model, METHODS["lora-decoder"])
    with torch.no_grad():
        for _, parameter in trainable_parameters(model):
            parameter.add_(0.05)
        adapted = answers(model)
        merge(model)
        merged = answers(model)
    for one, other in zip(adapted, merged):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("family", NETWORKS)
def test_a_prompt_free_head(family):
    model = build(family)
    head = add_head(model, LabelSet.from_names({1: "liver", 2: "spleen"}))
    pixels = torch.rand(2, 3, model.image_size, model.image_size)
    logits = head.logits(model, model.encode(pixels), pixels)
    assert logits.shape == (2, 3, model.mask_size, model.mask_size)
    assert quicken(model.sam.vision_encoder) == 0


def test_a_detail_branch_needs_patches_that_can_be_halved():
    with pytest.raises(ConfigError, match="14 pixels"):
        add_head(build("sam3"), LabelSet.from_names({1: "liver"}), detail=4)


def test_updates_of_sam3_lie_in_queries_and_values():
    model = build("sam3")
    inject(model, METHODS["lora-chosen-blocks"])
    names = [name for name, _ in trainable_parameters(model)]
    block = "sam.vision_encoder.backbone.layers.1.attention"
    assert sorted(names) == [f"{block}.{part}.lora.{half}" for part in ("q_proj", "v_proj") for half in "AB"]


def test_a_merged_sam3_becomes_its_base_again(tmp_path: Path):
    from samadapt.adapt.exchange import merge_files, unmerge
    from samadapt.models import load
    from samadapt.models.saving import save_transformers

    base = load(save_transformers(build("sam3"), tmp_path / "base"))
    inject(base, METHODS["lora"])
    with torch.no_grad():
        for _, parameter in trainable_parameters(base):
            parameter.add_(0.02)
    save_adapter(base, tmp_path / "adapter")
    merge_files(source=str(tmp_path / "adapter"), out=tmp_path / "merged", to="transformers")
    unmerge(source=tmp_path / "merged", out=tmp_path / "again", to="transformers")
    first, again = load(tmp_path / "base"), load(tmp_path / "again")
    with torch.no_grad():
        for one, other in zip(answers(first), answers(again), strict=True):
            torch.testing.assert_close(one, other, atol=1e-4, rtol=1e-3)
    with torch.no_grad():
        changed = [torch.dist(a, b) for a, b in zip(answers(first), answers(load(tmp_path / "merged")), strict=True)]
    assert max(changed) > 1e-2


def test_sam3_takes_further_channels():
    from samadapt.models.stem import join_stem, widen

    model = build("sam3")
    pixels = torch.rand(1, 5, 112, 112)
    before = model.encode(pixels[:, :3]).image
    widen(model, 5)
    torch.testing.assert_close(model.encode(pixels).image, before)
    join_stem(model)
    assert model.sam.vision_encoder.backbone.embeddings.patch_embeddings.projection.weight.shape[1] == 5
    torch.testing.assert_close(model.encode(pixels).image, before)
