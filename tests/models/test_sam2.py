"""SAM 2: equality with facebookresearch/sam2, networks from tensors alone, both layouts, the promptable interface."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from samadapt.core.errors import CheckpointError, PromptError
from samadapt.models import fresh, load
from samadapt.models.maps import FeatureMaps
from samadapt.models.sam2.architecture import KNOWN, infer, usual_global_blocks
from samadapt.models.sam2.build import empty_sam2
from samadapt.models.sam2.decode import Sam2Output, select, stability
from samadapt.models.sam2.names import MEMORY, from_meta, to_meta

TOLERANCE = 1e-4
PUBLISHED = ("hiera-tiny", "hiera-small", "hiera-base-plus", "hiera-large")


@pytest.fixture(scope="module")
def sam2(golden: Path):
    """The reference network; tests must not change it."""
    return load(golden / "sam2.pt", image_size=256)


@pytest.fixture
def small():
    return fresh("hiera-test", preprocessing="sam2", seed=3)


@pytest.fixture
def small_file(small, tmp_path: Path) -> Path:
    torch.save({"model": to_meta(small.sam.state_dict())}, tmp_path / "small.pt")
    (tmp_path / "small.json").write_text(json.dumps({"preprocessing": "sam2", "architecture": plain(small)}))
    return tmp_path / "small.pt"


def plain(model) -> dict:
    """What no tensor tells about the test network."""
    fields = model.architecture.as_dict()
    return {key: fields[key] for key in ("image_size", "heads", "windows", "global_blocks")}


def test_one_image_equals_the_original(sam2, golden: Path):
    expected = load_file(golden / "sam2.safetensors")
    with torch.no_grad():
        maps = sam2.encode(expected["pixel_values"])
        output = sam2.decode(maps, expected["points"][:, None], expected["point_labels"][:, None])
    assert str(sam2.report) == "330 exact, 0 resampled, 0 dropped, 0 missing, 0 unexpected"
    assert (output.low_res_logits[:, 0] - expected["low_res_multimasks"]).abs().max() < TOLERANCE
    assert (output.iou[:, 0] - expected["ious"]).abs().max() < TOLERANCE
    assert (output.object_logits[:, 0] - expected["object_score_logits"]).abs().max() < TOLERANCE


def test_an_image_of_another_size_than_the_default_needs_no_setting(golden: Path):
    expected = load_file(golden / "sam2.safetensors")
    model = load(golden / "sam2.pt")
    with torch.no_grad():
        maps = model.encode(expected["pixel_values"])
        output = model.decode(maps, expected["points"][:, None], expected["point_labels"][:, None])
    assert model.image_size == 1024
    assert (output.low_res_logits[:, 0] - expected["low_res_multimasks"]).abs().max() < TOLERANCE


def test_converting_back_gives_the_same_file(sam2, golden: Path):
    original = torch.load(golden / "sam2.pt", weights_only=True)["model"]
    back = to_meta(sam2.sam.state_dict())
    assert set(back) == set(original)
    assert sum(torch.equal(back[key], original[key]) for key in original) == len(original) == 333


@pytest.mark.parametrize("name", KNOWN)
def test_networks_are_inferred_from_shapes(name):
    state = empty_sam2(KNOWN[name]).state_dict()
    shapes = {key: tuple(value.shape) for key, value in from_meta(to_meta(state)).items()}
    found = infer(shapes)
    assert replace(found, image_size=KNOWN[name].image_size, assumed=()) == KNOWN[name]
    assert found.size_name == name
    assert set(shapes) == set(state) - {"prompt_encoder.shared_embedding.positional_embedding"}


@pytest.mark.parametrize("name", PUBLISHED)
def test_the_pattern_of_global_blocks_is_that_of_the_published_networks(name):
    assert usual_global_blocks(KNOWN[name].blocks) == KNOWN[name].global_blocks


def test_what_no_tensor_tells_is_named(golden: Path, small_file: Path):
    from samadapt.models.loading import find
    from samadapt.models.sam2.loading import architecture_of

    assert architecture_of(find(golden / "sam2.pt")).assumed == ("image size", "heads", "windows", "global blocks")
    assert architecture_of(find(small_file)).assumed == ()


def test_version_2_0_lacks_two_tensors_of_2_1(small, small_file: Path):
    state = to_meta(small.sam.state_dict())
    old = {key: value for key, value in state.items() if not key.startswith(("no_obj_embed", "obj_ptr_tpos"))}
    assert len(old) == len(state) - 3
    torch.save({"model": old}, small_file)
    model = load(small_file)
    assert (model.architecture.occlusion, model.architecture.pointer_positions) == (False, False)
    assert model.memory


def test_a_file_without_memory_answers_images(small, small_file: Path):
    state = {key: value for key, value in small.sam.state_dict().items() if not key.startswith(MEMORY)}
    torch.save(to_meta(state), small_file)
    model = load(small_file)
    image = torch.rand(1, 3, 64, 64)
    boxes = torch.tensor([[[4.0, 5, 30, 40]]])
    with torch.no_grad():
        ours, theirs = (one.decode(one.encode(image), boxes=boxes) for one in (model, small))
    assert torch.equal(ours.low_res_logits, theirs.low_res_logits)
    assert not model.memory
    with pytest.raises(CheckpointError, match="no memory"):
        model.require_memory()


def test_a_transformers_folder_is_the_same_model(small, tmp_path: Path):
    small.sam.save_pretrained(tmp_path / "folder")
    again = load(tmp_path / "folder")
    assert again.image_size == 64
    assert again.architecture == small.architecture
    assert again.base_hash == load_hash(small, tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(again.sam.state_dict().values(), small.sam.state_dict().values()))


def load_hash(model, folder: Path) -> str:
    save_file(to_meta(model.sam.state_dict()), folder / "plain.safetensors")
    return load(folder / "plain.safetensors").base_hash


def test_several_images_with_several_prompts_and_masks_answer_as_one_by_one(small):
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(2, 3, 64, 64, generator=generator)
    prompts = {
        "points": torch.rand(2, 3, 4, 2, generator=generator) * 64,
        "point_labels": torch.tensor([1, 0, 1, -1]).expand(2, 3, 4),
        "boxes": torch.tensor([4.0, 5, 30, 40]).expand(2, 3, 4) + torch.arange(3)[None, :, None],
        "masks": torch.randn(2, 3, 16, 16, generator=generator),
    }
    with torch.no_grad():
        maps = small.encode(image)
        together = small.decode(maps, **prompts)
        for b in range(2):
            for p in range(3):
                one = {name: value[b : b + 1, p : p + 1] for name, value in prompts.items()}
                alone = small.decode(maps[b : b + 1], **one)
                torch.testing.assert_close(together.low_res_logits[b, p], alone.low_res_logits[0, 0])
                torch.testing.assert_close(together.iou[b, p], alone.iou[0, 0])
    assert together.low_res_logits.shape == (2, 3, 3, 16, 16)
    assert together.object_logits.shape == (2, 3, 1)


@pytest.mark.parametrize("multimask", [True, False])
def test_answers_equal_transformers_own(small, small_file: Path, multimask):
    """Points or a box, where transformers' conventions and the original's agree."""
    state = {key: value for key, value in small.sam.state_dict().items() if not key.startswith(MEMORY)}
    torch.save(to_meta(state), small_file)
    model, image = load(small_file), torch.rand(1, 3, 64, 64)
    points, labels = torch.tensor([[[[10.0, 20.0], [30.0, 5.0]]]]), torch.tensor([[[1, 0]]])
    box = torch.tensor([[[4.0, 5, 30, 40]]])
    with torch.no_grad():
        for ours, theirs in (
            ({"points": points, "point_labels": labels}, {"input_points": points, "input_labels": labels}),
            ({"boxes": box}, {"input_boxes": box}),
        ):
            expected = model.sam(pixel_values=image, multimask_output=multimask, **theirs)
            found = model.decode(model.encode(image), **ours, multimask=multimask)
            torch.testing.assert_close(found.iou, expected.iou_scores)
            torch.testing.assert_close(found.low_res_logits, expected.pred_masks)
            torch.testing.assert_close(found.object_logits, expected.object_score_logits)


def test_gradients_reach_the_encoder(small):
    maps = small.encode(torch.rand(1, 3, 64, 64))
    small.decode(maps, boxes=torch.tensor([[[4.0, 5, 30, 40]]])).low_res_logits.sum().backward()
    reached = [p.grad is not None and bool(p.grad.any()) for p in small.sam.vision_encoder.backbone.parameters()]
    assert sum(reached) == len(reached) > 50


def test_an_unstable_single_mask_gives_way_to_the_best_candidate(small):
    logits = torch.zeros(1, 2, 4, 2, 2)
    logits[0, 0] += torch.tensor([1.0, 2.0, 3.0, 4.0])[:, None, None]  # stable: far from zero
    logits[0, 1] += torch.tensor([0.01, 2.0, 3.0, 4.0])[:, None, None]  # unstable: within the band
    output = Sam2Output.of(logits, torch.tensor([[[0.1, 0.2, 0.9, 0.3]] * 2]), torch.zeros(1, 2, 1))
    assert stability(logits[:, :, 0:1]).flatten().tolist() == [1.0, 0.0]
    assert stability(-logits[:, :1, :1]).item() == 1.0
    chosen = select(output, False, by_stability=True)
    assert chosen.low_res_logits[0, :, 0, 0, 0].tolist() == [1.0, 3.0]
    assert chosen.iou.flatten().tolist() == pytest.approx([0.1, 0.9])
    always = select(output, False, by_stability=False)
    assert always.low_res_logits[0, :, 0, 0, 0].tolist() == pytest.approx([1.0, 0.01])
    maps = small.encode(torch.rand(1, 3, 64, 64))
    assert small.train().decode(maps, multimask=False).iou.item() == small.decode_tokens(maps).iou[0, 0, 0].item()


def test_feature_maps_behave_like_the_tensor_they_stand_for(small):
    maps = small.encode(torch.rand(3, 3, 64, 64))
    assert isinstance(maps, FeatureMaps)
    assert (len(maps), maps.shape[0], maps.device.type, maps.dtype) == (3, 3, "cpu", torch.float32)
    assert maps.repeat_interleave(2).finer[0].shape[0] == 6
    assert maps.to(torch.float64).float().finer[1].dtype == torch.float32
    assert torch.equal(maps[1:2].finer[0], maps.finer[0][1:2])
    assert not maps.detach().finer[0].requires_grad


@pytest.mark.parametrize("size", [40, 32, 16, -64])
def test_image_sizes_that_do_not_fit(small_file: Path, size):
    with pytest.raises(CheckpointError, match="image size"):
        load(small_file, image_size=size)


def test_wrong_files(small, small_file: Path):
    state = to_meta(small.sam.state_dict())
    del state["sam_mask_decoder.conv_s0.weight"]
    torch.save({"model": state}, small_file)
    with pytest.raises(CheckpointError, match=r"conv_s0\.weight"):
        load(small_file)
    torch.save({"model": {k: v for k, v in state.items() if ".blocks." not in k}}, small_file)
    with pytest.raises(CheckpointError, match="not a complete SAM 2"):
        load(small_file)
    state["image_encoder.trunk.blocks.1.attn.qkv.weight"] = torch.zeros(96, 8)
    torch.save({"model": state}, small_file)
    with pytest.raises(CheckpointError, match="no Hiera encoder"):
        load(small_file)
    with pytest.raises(PromptError):
        small.decode(small.encode(torch.rand(1, 3, 64, 64)), points=torch.zeros(1, 1, 1, 2))
