"""SAM 2's memory: equality with facebookresearch/sam2, volumes, prompts of all kinds, wrong use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from samadapt.core.errors import CheckpointError, PromptError, ShapeMismatch
from samadapt.core.grid import Grid
from samadapt.core.image import Volume
from samadapt.core.prompts import Box, Points, Prompt
from samadapt.infer.memory import PixelPrompt, track, track_pixels
from samadapt.models import fresh, load


@pytest.fixture(scope="module")
def model():
    return fresh("hiera-test", preprocessing="sam2", seed=1)


@pytest.fixture(scope="module")
def frames() -> list[np.ndarray]:
    return [np.random.default_rng(i).integers(0, 255, (50, 70, 3), dtype=np.uint8) for i in range(4)]


def disc() -> np.ndarray:
    mask = np.zeros((50, 70), bool)
    mask[10:30, 20:45] = True
    return mask


def test_three_frames_equal_the_original(golden: Path):
    expected = load_file(golden / "sam2.safetensors")
    sam2 = load(golden / "sam2.pt", image_size=256)
    logits = track_pixels(sam2, expected["frames"], {0: PixelPrompt(mask=expected["mask"][0, 0])})
    for number in range(3):
        assert (logits[number] - expected[f"frame{number}.low_res_masks"][0, 0]).abs().max() < 1e-4
    backwards = track_pixels(sam2, expected["frames"].flip(0), {2: PixelPrompt(mask=expected["mask"][0, 0])})
    assert (backwards[1] - expected["frame1.low_res_masks"][0, 0]).abs().max() < 1e-4


def test_a_volume_from_its_middle(model, frames):
    voxels = np.stack([frame[..., 0] for frame in frames])
    volume = Volume(voxels, Grid.from_spacing(voxels.shape, (1.0, 1.0, 1.0)), window=(0, 255))
    model.train()
    masks = track(model, volume, {1: disc()})
    assert model.training
    model.eval()
    assert list(masks) == [0, 1, 2, 3]
    assert (masks[1] == disc()).all()
    same = track(model, [volume.slice(z) for z in range(4)], {1: disc()})
    assert all((masks[z] == same[z]).all() for z in range(4))


def test_the_memory_depends_on_what_was_prompted(model, frames):
    pixels = torch.cat([model.preprocess(frame) for frame in frames])
    mask = torch.zeros(64, 64)
    mask[10:30, 20:40] = 1
    box = PixelPrompt(points=torch.tensor([[20.0, 10.0], [40.0, 30.0]]), labels=torch.tensor([2, 3]))
    click = PixelPrompt(points=torch.tensor([[30.0, 20.0]]), labels=torch.tensor([1]))
    answers = [track_pixels(model, pixels, one) for one in ({0: PixelPrompt(mask)}, {0: box}, {0: click, 2: box})]
    assert all(answer.shape == (4, 16, 16) and answer.isfinite().all() for answer in answers)
    assert not torch.equal(answers[0][3], answers[1][3])
    assert not torch.equal(answers[1][3], answers[2][3])


def test_prompts_in_original_pixels(model, frames):
    given = Prompt(points=Points(np.array([[30, 20]]), np.array([1])), box=Box(20, 10, 44, 29))
    masks = track(model, frames, {2: given})
    corners = model.frame((50, 70)).to_model([[20, 10], [44, 29], [30, 20]])
    pixels = torch.cat([model.preprocess(frame) for frame in frames])
    prompt = PixelPrompt(points=torch.from_numpy(corners), labels=torch.tensor([2, 3, 1]))
    logits = track_pixels(model, pixels, {2: prompt})
    assert [mask.any() for mask in masks.values()] == [bool((one > 0).any()) for one in logits]


@pytest.mark.parametrize(
    ("prompts", "says"),
    [
        ({}, "no frame has a prompt"),
        ({7: disc()}, "no frame 7 among 4"),
        ({0: np.zeros((50, 70), bool)}, "with an object in it"),
        ({0: disc()[:40]}, r"shape \(50, 70\)"),
        ({0: Prompt()}, "neither box nor points"),
        ({0: Prompt(box=Box(0, 0, 300, 20))}, "leaves the image"),
        ({0: Prompt(points=Points(np.array([[-9, 0]]), np.array([1])))}, "outside"),
    ],
)
def test_wrong_prompts(model, frames, prompts, says):
    with pytest.raises(PromptError, match=says):
        track(model, frames, prompts)


def test_wrong_models_and_frames(model, frames):
    with pytest.raises(CheckpointError, match="only SAM 2, SAM 3 and EdgeTAM have a memory"):
        track(fresh("test"), frames, {0: disc()})
    with pytest.raises(CheckpointError, match="image_size=32"):
        track_pixels(model, torch.zeros(2, 3, 32, 32), {0: PixelPrompt(mask=torch.ones(32, 32))})
    with pytest.raises(ShapeMismatch, match="one size"):
        track(model, [frames[0], frames[1][:40]], {0: disc()})
    with pytest.raises(PromptError, match="a mask, or points"):
        PixelPrompt(points=torch.zeros(1, 2))
