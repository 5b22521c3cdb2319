"""Specialists through the same loop, measured and used like an adapted model."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from samadapt import io
from samadapt.adapt.load import load_model
from samadapt.adapt.specialist import find_specialist
from samadapt.core.errors import CheckpointError, ConfigError, PromptError, ShapeMismatch
from samadapt.core.manifest import read_run
from samadapt.data.store import Store
from samadapt.infer.predict import predict
from samadapt.models.inspect import inspect
from samadapt.models.specialists.resnet import ResNet
from samadapt.study.evaluate import evaluate
from samadapt.train import train
from samadapt.train.config import TrainConfig
from samadapt.train.loop import Loop
from samadapt.train.pictures import StorePictures, split_rows
from samadapt.train.specialist import intensities, suggested_size

DEEPLAB = {"model": "deeplabv3plus", "specialist": {"backbone": "resnet18"}, "image_size": 32, "batch_size": 2}


@pytest.fixture
def small(fields) -> dict[str, Any]:
    """A short run of a small U-Net; its method is not said."""
    kept = {key: value for key, value in fields.items() if key not in ("model", "method")}
    return kept | {"model": "unet", "specialist": {"width": 4, "depth": 2}, "image_size": 64}


@pytest.fixture
def learned(small) -> dict[str, Any]:
    """As `small`, long enough to learn the boxes of the toy set."""
    calm = {"augment": {"policy": "none"}, "optimizer": {"lr": 1e-2}, "validation": {"every": 60, "max_cases": 1}}
    return small | calm | {"steps": 60, "batch_size": 8, "log_every": 20}


def test_a_unet_learns_and_is_used_like_an_adapted_model(learned, store_path, tmp_path):
    result = train(**learned)
    assert result.best_metric > 0.6
    assert result.adapter_folder == result.folder / "model"
    run = read_run(result.folder)
    assert run["parameters_trained"] == run["parameters_total"] > 5_000
    model, store = load_model(result.folder), Store.open(store_path)
    assert model.head.label_set == store.label_set
    assert model.image_size == model.mask_size == 64
    measured = evaluate(model=str(result.folder), data=store_path, prompts=("none",), out=tmp_path / "eval")
    assert measured.figure("none", "semantic") > 0.6
    with pytest.raises(PromptError, match="prompt-free"):
        evaluate(model=str(result.folder), data=store_path, prompts=("box",), out=tmp_path / "box")
    volume = store.volume(store.split("test")[0])
    io.save_image(volume, tmp_path / "volume.nii.gz")
    (done,) = predict(source=tmp_path / "volume.nii.gz", model=str(result.folder), out=tmp_path / "labels.nii.gz")
    assert done.labels == store.label_set.names
    found, truth = io.open_label(tmp_path / "labels.nii.gz").values, store.label_map(store.split("test")[0]).values
    assert found.shape == truth.shape
    assert ((found == 1) & (truth == 1)).sum() > 0.5 * (truth == 1).sum()


def test_with_the_box_as_a_channel(learned, store_path, tmp_path):
    """The fourth channel decides: the same picture, another box, another object."""
    wider = {"specialist": {"width": 8, "depth": 2}, "steps": 40, "batch_size": 6, "image_size": 48}
    result = train(**learned | wider | {"task": {"task": "box", "jitter_px": 23}})
    model = load_model(result.folder)
    assert model.head is None
    assert model.plan.takes_box
    measured = evaluate(model=str(result.folder), data=store_path, prompts=("box",), out=tmp_path / "eval")
    assert measured.figure("box", "predicted") > 0.75
    assert {row.method for row in measured.rows} == {"model", "ellipse"}
    with pytest.raises(PromptError, match="a box"):
        evaluate(model=str(result.folder), data=store_path, prompts=("point:1",), out=tmp_path / "point")


@pytest.mark.parametrize("network", ["unet", "deeplabv3plus"])
def test_stopped_and_resumed_gives_the_same_weights_and_statistics(small, network, tmp_path, monkeypatch):
    one = {"every": 9, "max_cases": 1, "max_slices": 1}
    settings = small | (DEEPLAB if network == "deeplabv3plus" else {}) | {"steps": 3, "validation": one}
    whole = train(**settings | {"out": str(tmp_path / "whole")})
    tell = Loop._tell

    def interrupt(self, parts, lr):
        tell(self, parts, lr)
        if self.progress.step == 2:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Loop, "_tell", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(**settings)
    monkeypatch.undo()
    resumed = train(**settings | {"resume": True})
    files = [load_file(run.folder / "model-last" / f"{network}.safetensors") for run in (whole, resumed)]
    assert len(files[0]) > 10
    assert any("running_mean" in name for name in files[0]) == (network == "deeplabv3plus")
    assert files[0].keys() == files[1].keys()
    assert all(torch.equal(files[0][name], files[1][name]) for name in files[0])


def test_training_goes_on_from_a_specialist(small, tmp_path):
    first = train(**small)
    again = train(**small | {"model": str(first.folder), "method": {"method": "full"}, "out": str(tmp_path / "more")})
    assert again.adapter_folder.name == "model"
    assert load_model(again.folder).base_hash != load_model(first.folder).base_hash


def test_size_and_intensities_come_from_the_store(small, store, tmp_path):
    assert suggested_size(store) == 64
    pictures = StorePictures(store, split_rows(store, "train"))
    mean, std = intensities(pictures)
    every = np.concatenate([pictures.labels(item)[1].ravel() for item in range(len(pictures))])
    assert mean == pytest.approx([every.mean()] * 3, abs=0.01)
    assert std == pytest.approx([every.std()] * 3, abs=0.01)
    model = load_model(train(**small | {"image_size": None, "steps": 1}).folder)
    assert (model.image_size, model.preprocessing.mean, model.preprocessing.std) == (64, mean, std)
    assert model.context["modality"] == "CT"
    assert len(model.context["window"]) == 2


def test_another_image_size_at_loading(small):
    folder = train(**small | {"steps": 1}).folder
    assert load_model(folder, image_size=96).preprocess(np.zeros((40, 50), np.uint8)).shape == (1, 3, 96, 96)
    with pytest.raises(ConfigError, match="multiple of 4"):
        load_model(folder, image_size=30)


def test_backbone_weights_from_a_file(small, tmp_path):
    """The stem gets a blank channel for the box; the layer for ImageNet's classes is left out."""
    backbone = ResNet("resnet18", 3)
    path = tmp_path / "resnet18.safetensors"
    save_file(backbone.state_dict() | {"fc.weight": torch.ones(2, 2), "fc.bias": torch.ones(2)}, path)
    weighted = small | DEEPLAB | {"specialist": {"backbone": "resnet18", "weights": str(path)}, "steps": 1}
    frozen = {"optimizer": {"lr": 1e-12, "weight_decay": 0}, "task": {"task": "box"}}
    model = load_model(train(**weighted | frozen).folder)
    stem = model.sam.backbone.conv1.weight
    assert torch.allclose(stem[:, :3], backbone.conv1.weight, atol=1e-6)
    assert stem[:, 3].abs().max() < 1e-6
    wrong = weighted | {"specialist": {"backbone": "resnet34", "weights": str(path)}, "out": str(tmp_path / "wrong")}
    with pytest.raises(CheckpointError, match="resnet34"):
        train(**wrong)
    with pytest.raises(ConfigError, match="backbone"):
        train(**small | {"specialist": {"weights": str(path)}, "out": str(tmp_path / "unet")})


def test_what_a_specialist_cannot_do_is_said(small, tmp_path):
    assert TrainConfig(**small).method.method == "full"
    refused = {
        "lora": {"method": {"method": "lora"}},
        "semantic": {"data": "synthetic", "task": {"task": "box"}},
        "multiple": {"image_size": 70},
        "two images": DEEPLAB | {"batch_size": 1},
    }
    for number, (words, change) in enumerate(refused.items()):
        with pytest.raises(ConfigError, match=words):
            train(**small | change | {"out": str(tmp_path / str(number))})
    with pytest.raises(CheckpointError, match="no weights to load"):
        load_model("unet")


def test_files_say_what_they_are_and_damage_is_named(small):
    folder = train(**small | {"steps": 1}).folder
    weights = folder / "model" / "unet.safetensors"
    assert inspect(weights).family == "specialist"
    with pytest.raises(CheckpointError, match="no adapter"):
        load_model(folder, adapter=folder)
    description = find_specialist(folder)
    assert description == weights.with_suffix(".json")
    tree = json.loads(description.read_text())
    _damaged(description, tree | {"version": 99}, "newer")
    _damaged(description, tree | {"plan": {"network": "unet"}}, "plan")
    _damaged(description, tree | {"plan": tree["plan"] | {"width": 8}}, "do not fit")
    _damaged(description, {key: value for key, value in tree.items() if key != "preprocessing"}, "damaged")
    description.unlink()
    with pytest.raises(CheckpointError, match="JSON file"):
        load_model(weights)


def _damaged(description: Path, tree: dict[str, Any], words: str) -> None:
    description.write_text(json.dumps(tree))
    with pytest.raises(CheckpointError, match=words):
        load_model(description.parent)


def test_pictures_of_another_kind_are_refused(small):
    model = load_model(train(**small | {"steps": 1}).folder)
    with pytest.raises(ShapeMismatch):
        model.preprocess(np.zeros((4, 40, 50), np.uint8))
