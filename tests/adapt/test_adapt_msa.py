"""Medical SAM Adapter: equality with its own code, saved again, with a base's decoder, and files that do not fit."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import samadapt
from samadapt.adapt import save_adapter
from samadapt.adapt.adaptation import adaptation_of
from samadapt.core.errors import AdapterMismatch, CheckpointError, ConfigError
from samadapt.models import fresh, load
from samadapt.models.convert import to_meta

TOLERANCE = {"atol": 1e-4, "rtol": 0}


def test_the_embedding_equals_the_published_one(golden: Path):
    expected = load_file(golden / "msa.safetensors")
    model = samadapt.load_model(golden / "msa.pth")
    assert (model.image_size, model.preprocessing.name, model.family) == (256, "msa", "sam")
    assert adaptation_of(model).config.ratio == 0.25
    with torch.no_grad():
        embedding = model.encode(expected["pixel_values"])
        torch.testing.assert_close(embedding, expected["image_embeddings"], **TOLERANCE)
        copied = copy.deepcopy(model).encode(expected["pixel_values"])
    assert torch.equal(copied, embedding)
    with pytest.raises(CheckpointError, match="image encoder alone"):
        model.decode(embedding)


def test_the_relative_positions_are_the_files(golden: Path):
    state = torch.load(golden / "msa.pth", weights_only=True)
    model = samadapt.load_model(golden / "msa.pth")
    for block, layer in enumerate(model.sam.vision_encoder.layers):
        assert torch.equal(layer.attn.rel_pos_h, state[f"image_encoder.blocks.{block}.attn.rel_h"])
    assert model.report.resampled == ()
    assert len([key for key in model.report.unexpected if "Depth_Adapter" in key]) == 4 * 4


def test_saved_again_as_an_adapter(golden: Path, tmp_path: Path):
    expected = load_file(golden / "msa.safetensors")
    save_adapter(samadapt.load_model(golden / "msa.pth"), tmp_path)
    again = samadapt.load_model(tmp_path)
    with torch.no_grad():
        embedding = again.encode(expected["pixel_values"])
    torch.testing.assert_close(embedding, expected["image_embeddings"], **TOLERANCE)
    with pytest.raises(ConfigError, match="cannot be folded"):
        adaptation_of(again).merge()


def test_a_base_lends_its_decoder(golden: Path):
    expected = load_file(golden / "msa.safetensors")
    model = samadapt.load_model(golden / "sam.pth", adapter=golden / "msa.pth")
    base = load(golden / "sam.pth")
    points, labels = torch.tensor([[[[40.0, 50.0]]]] * 2), torch.ones(2, 1, 1)
    with torch.no_grad():
        embedding = model.encode(expected["pixel_values"])
        torch.testing.assert_close(embedding, expected["image_embeddings"], **TOLERANCE)
        ours, theirs = (one.decode(embedding, points, labels).low_res_logits for one in (model, base))
    assert torch.equal(ours, theirs)


def test_a_whole_checkpoint_keeps_its_own_decoder(golden: Path, tmp_path: Path):
    decoder = {k: v for k, v in torch.load(golden / "sam.pth", weights_only=True).items() if "image_encoder" not in k}
    state = torch.load(golden / "msa.pth", weights_only=True) | decoder
    path = tmp_path / "best.pth"
    torch.save({"epoch": 3, "model": "sam", "state_dict": state, "optimizer": {}, "path_helper": {"a": "b"}}, path)
    model = samadapt.load_model(path)
    assert not model.encoder_only
    assert model.report.missing == ()
    pixels = load_file(golden / "msa.safetensors")["pixel_values"]
    assert model.decode(model.encode(pixels)).low_res_logits.shape == (2, 1, 3, 64, 64)
    assert samadapt.load_model(path, image_size=128).image_size == 128


def test_files_that_do_not_fit(golden: Path, tmp_path: Path):
    state = torch.load(golden / "msa.pth", weights_only=True)
    torch.save(to_meta(fresh("test").sam.state_dict()), tmp_path / "narrow.pth")
    with pytest.raises(AdapterMismatch, match=r"width 64, but .* a decoder of width 32"):
        samadapt.load_model(tmp_path / "narrow.pth", adapter=golden / "msa.pth")
    del state["image_encoder.blocks.2.MLP_Adapter.D_fc1.bias"]
    torch.save(state, tmp_path / "incomplete.pth")
    with pytest.raises(CheckpointError, match=r"missing sam\.vision_encoder\.layers\.2\.mlp\.adapter\.down\.bias"):
        samadapt.load_model(tmp_path / "incomplete.pth")
    torch.save(state | {"image_encoder.blocks.0.MLP_Adapter.D_fc1.weight": torch.zeros(7, 96)}, tmp_path / "two.pth")
    with pytest.raises(CheckpointError, match="adapters of 2 shapes"):
        samadapt.load_model(tmp_path / "two.pth")
