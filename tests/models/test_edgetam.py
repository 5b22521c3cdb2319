"""EdgeTAM: RepViT equal to timm's, answers equal to transformers' EdgeTamModel, both layouts."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from transformers.models.edgetam import modeling_edgetam

from samadapt.adapt import inject, trainable_parameters
from samadapt.adapt.config import DecoderConfig, LoraConfig
from samadapt.core.errors import CheckpointError, ConfigError
from samadapt.models import fresh, hub, load
from samadapt.models.edgetam.architecture import KNOWN, infer
from samadapt.models.edgetam.build import edgetam_config, empty_edgetam
from samadapt.models.edgetam.names import to_meta, to_transformers
from samadapt.models.edgetam.repvit import FixedNorm, RepVit, RepVitBackbone
from samadapt.models.inspect import NO_MEMORY, inspect
from samadapt.models.saving import save_original, save_transformers

SMALL = KNOWN["repvit-test"]
COUNTER = "num_batches_tracked"


def random_weights(module: nn.Module, seed: int = 7) -> torch.Generator:
    """Every tensor anew in the order of names; gives the generator back."""
    generator = torch.Generator().manual_seed(seed)
    state = module.state_dict()
    with torch.no_grad():
        for name in sorted(name for name in state if not name.endswith(COUNTER)):
            noise = 0.2 * torch.randn(state[name].shape, generator=generator) if "running_var" not in name else None
            drawn = 0.5 + torch.rand(state[name].shape, generator=generator) if noise is None else noise
            state[name].copy_(drawn + (1.0 if ".bn.weight" in name or "norm.weight" in name else 0.0))
    return generator


@pytest.fixture
def small():
    model = fresh("repvit-test", preprocessing="sam2", seed=3)
    random_weights(model.sam)
    model.sam.prompt_encoder.shared_embedding.load_state_dict(model.sam.shared_image_embedding.state_dict())
    return model


def test_tensors_are_those_of_timm():
    """timm 1.0.31, create_model("repvit_m1", features_only=True), without the counters of its norms."""
    network = RepVit(3, KNOWN["repvit-m1"].widths, KNOWN["repvit-m1"].blocks)
    shapes = sorted((name, tuple(tensor.shape)) for name, tensor in network.state_dict().items())
    digest = hashlib.sha256(json.dumps(shapes).encode()).hexdigest()
    assert (len(shapes), sum(p.numel() for p in network.parameters())) == (570, 4_713_712)
    assert digest == "a37cc1c3c88792aafb53347d5cfc0654d179fd501ff28d4776d3a0c93aabda73"


def test_maps_are_those_of_timm():
    """Figures of timm 1.0.31 with these weights: three values of every map, and its mean magnitude."""
    network = RepVit(3, SMALL.widths, SMALL.blocks).eval()
    pixels = torch.randn(1, 3, 64, 64, generator=random_weights(network))
    expected = [
        ([0.1929124891757965, 0.14340153336524963, -0.7587029933929443], 0.5891270041465759),
        ([-0.8228206038475037, 2.8164801597595215, 0.27554577589035034], 1.487288236618042),
        ([1.064547061920166, -0.11243513971567154, -1.1526716947555542], 2.204401969909668),
        ([-11.701990127563477, 3.683655261993408, 0.008596424013376236], 6.627252578735352),
    ]
    with torch.no_grad():
        maps = network(pixels)
    for one, (values, size) in zip(maps, expected, strict=True):
        assert one.flatten()[:: one.numel() // 3][:3].tolist() == pytest.approx(values, abs=1e-4)
        assert one.abs().mean().item() == pytest.approx(size, abs=1e-4)


class InTimmsPlace(nn.Module):
    """Our encoder behind what transformers expects of its wrapper of timm."""

    def __init__(self) -> None:
        super().__init__()
        self.timm_model = RepVitBackbone(3, SMALL.widths, SMALL.blocks).timm_model

    def forward(self, pixel_values, **_options):
        return SimpleNamespace(last_hidden_state=self.timm_model(pixel_values), hidden_states=None)


@pytest.fixture
def theirs(small, tmp_path: Path, monkeypatch):
    """transformers' EdgeTamModel with the weights of a folder that `small` was saved to."""
    original = modeling_edgetam.AutoModel.from_config

    def from_config(config, *args, **options):
        return InTimmsPlace() if config.model_type == "timm_wrapper" else original(config, *args, **options)

    monkeypatch.setattr(modeling_edgetam.AutoModel, "from_config", from_config)
    model = modeling_edgetam.EdgeTamModel(edgetam_config(SMALL))
    state = load_file(save_transformers(small, tmp_path / "folder") / "model.safetensors")
    found = model.load_state_dict(state, strict=False)
    assert found.missing_keys == []
    assert sum(key.endswith(COUNTER) for key in found.unexpected_keys) == len(found.unexpected_keys) > 20
    return model.eval()


@pytest.mark.parametrize("multimask", [True, False])
def test_answers_equal_transformers_own(small, theirs, multimask):
    generator = torch.Generator().manual_seed(1)
    image = torch.randn(1, 3, 64, 64, generator=generator)
    points, labels = torch.rand(1, 2, 3, 2, generator=generator) * 64, torch.tensor([[[1, 0, 1], [1, 1, 0]]])
    boxes = torch.tensor([[[4.0, 5, 30, 40], [10, 8, 50, 60]]])
    clicks, their_clicks = {"points": points, "point_labels": labels}, {"input_points": points, "input_labels": labels}
    for ours, their in (
        (clicks, their_clicks),
        ({"boxes": boxes}, {"input_boxes": boxes}),
        (clicks | {"boxes": boxes}, their_clicks | {"input_boxes": boxes}),
    ):
        with torch.no_grad():
            found = small.decode(small.encode(image), **ours, multimask=multimask)
            expected = theirs(pixel_values=image, **their, multimask_output=multimask)
        assert expected.pred_masks.std() > 0.01
        torch.testing.assert_close(found.low_res_logits, expected.pred_masks, atol=1e-4, rtol=0)
        torch.testing.assert_close(found.iou, expected.iou_scores, atol=1e-4, rtol=0)
        torch.testing.assert_close(found.object_logits, expected.object_score_logits, atol=1e-4, rtol=0)


@pytest.mark.parametrize("layout", ["folder", "small.pt"])
def test_both_layouts_come_back(small, tmp_path: Path, layout):
    (save_transformers if layout == "folder" else save_original)(small, tmp_path / layout)
    again = load(tmp_path / layout)
    assert (again.family, again.architecture, again.memory) == ("edgetam", SMALL, False)
    state = small.sam.state_dict()
    assert sum(torch.equal(tensor, state[key]) for key, tensor in again.sam.state_dict().items()) == len(state)
    with pytest.raises(CheckpointError, match="this EdgeTAM has no memory"):
        again.require_memory()


def test_the_original_file_with_its_memory(small, tmp_path: Path):
    """Names as in the published edgetam.pt, with tensors of its memory and the counters of its norms."""
    state = to_meta(small.sam.state_dict())
    assert "image_encoder.trunk.body.stem.conv1.c.weight" in state
    norms = [key for key in state if key.endswith("running_var")]
    state |= {key.replace("running_var", COUNTER): torch.tensor(5) for key in norms}
    state |= {"maskmem_tpos_enc": torch.zeros(7, 1, 1, 64), "spatial_perceiver.latents": torch.zeros(256, 64)}
    state |= {
        "memory_attention.layers.0.linear1.weight": torch.zeros(8, 8),
        "obj_ptr_proj.layers.0.weight": torch.eye(2),
    }
    torch.save({"model": state}, tmp_path / "edgetam.pt")
    model = load(tmp_path / "edgetam.pt", image_size=64)
    assert str(model.report).endswith("0 resampled, 0 dropped, 0 missing, 0 unexpected")
    found = inspect(tmp_path / "edgetam.pt")
    assert (found.family, found.size_name, found.image_size, found.licence) == (
        "edgetam",
        "repvit-8x7",
        1024,
        "Apache-2.0",
    )
    assert (found.missing, found.loadable, found.assumed) == ((NO_MEMORY,), True, ("image size",))


@pytest.mark.parametrize("name", KNOWN)
def test_networks_are_inferred_from_shapes(name):
    state = empty_edgetam(KNOWN[name]).state_dict()
    found = infer({key: tuple(value.shape) for key, value in to_transformers(to_meta(state)).items()})
    assert replace(found, image_size=KNOWN[name].image_size, assumed=()) == KNOWN[name]
    assert found.size_name == ("repvit-m1" if name == "repvit-m1" else "repvit-8x7")


def test_image_sizes(small, tmp_path: Path):
    save_transformers(small, tmp_path / "folder")
    assert load(tmp_path / "folder", image_size=96).encode(torch.rand(1, 3, 96, 96)).image.shape[-1] == 6
    with pytest.raises(CheckpointError, match="EdgeTAM's coarsest tokens"):
        load(tmp_path / "folder", image_size=80)


def test_the_catalog_brings_its_licence(small, tmp_path: Path, monkeypatch, capsys):
    folder = save_transformers(small, tmp_path / "folder")
    monkeypatch.setattr(hub, "download", lambda repository: folder)
    model = load("edgetam")
    assert capsys.readouterr().err.count("licence Apache-2.0") == 1
    assert (model.name, model.family, model.preprocessing.name) == ("edgetam", "edgetam", "sam2")


def test_norms_are_constant_in_training(small):
    before = {key: tensor.clone() for key, tensor in small.sam.state_dict().items() if "running" in key}
    image = torch.rand(2, 3, 64, 64)
    expected = small.eval().encode(image).image
    torch.testing.assert_close(small.train().encode(image).image, expected)
    assert all(torch.equal(small.sam.state_dict()[key], tensor) for key, tensor in before.items())
    assert sum(isinstance(module, FixedNorm) for module in small.modules()) == len(before) // 2 > 20


def test_adaptation(small):
    with pytest.raises(ConfigError, match="convolutional"):
        inject(small, LoraConfig())
    inject(small, LoraConfig(encoder=False, decoder=True))
    small.decode(small.encode(torch.rand(1, 3, 64, 64))).low_res_logits.sum().backward()
    assert any(".lora." in name for name, _ in trainable_parameters(small))
    inject(fresh("repvit-test", preprocessing="sam2"), DecoderConfig())


def test_further_channels(small, tmp_path: Path):
    from samadapt.models.stem import join_stem, widen

    pixels = torch.rand(1, 4, 64, 64)
    with torch.no_grad():
        before = small.encode(pixels[:, :3]).image
        widen(small, 4)
        torch.testing.assert_close(small.encode(pixels).image, before)
        join_stem(small)
        again = load(save_transformers(small, tmp_path / "wide"))
        torch.testing.assert_close(again.encode(pixels).image, before)
    assert again.inputs == 4
