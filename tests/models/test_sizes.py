"""Files of the published kinds at sizes of no published network: the original's answers, and the same tensors back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from size_cases import SAM, SAM2, SIZES, expected, published, save
from torch import Tensor

from samadapt import load_model
from samadapt.adapt.adaptation import adaptation_of
from samadapt.adapt.inspect import inspect_any
from samadapt.core.errors import CheckpointError
from samadapt.infer.memory import PixelPrompt, track_pixels
from samadapt.models.convert import from_meta, infer_architecture
from samadapt.models.sam2.architecture import infer
from samadapt.models.sam2.names import from_meta as sam2_from_meta
from samadapt.models.saving import original_state, save_transformers

TOLERANCE = {"atol": 2e-5, "rtol": 0}


@pytest.fixture
def saved(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    """(case, its file), as the original saves it."""
    return request.param, save(request.param, published(request.param), tmp_path)


def inputs_of(name: str, channels: int, batch: int) -> tuple[Tensor, ...]:
    """Pixels, points, a box and a mask prompt."""
    size, generator = SIZES[name]["image_size"], torch.Generator().manual_seed(1)
    pixels = torch.randn(batch, channels, size, size, generator=generator)
    points = torch.rand(1, 3, 2, generator=generator) * size
    box = torch.tensor([[[0.2, 0.3, 0.7, 0.9]]]) * size
    patch = next(s[-1] for key, s in SIZES[name]["shapes"].items() if key.endswith("patch_embed.proj.weight"))
    mask = torch.randn(1, 1, 4 * size // patch, 4 * size // patch, generator=generator)
    return pixels, points[:, None], box, mask


@pytest.mark.parametrize("saved", SAM, indirect=True)
def test_answers_of_segment_anything(saved):
    name, path = saved
    recorded, model = expected(name), load_model(path)
    assert model.image_size == SIZES[name]["image_size"]
    pixels, points, box, mask = inputs_of(name, model.inputs, 2)
    with torch.no_grad():
        embedding = model.encode(pixels)[:1]
        clicks = model.decode_tokens(embedding, points, torch.tensor([[[1, 0, 1]]]))
        boxes = model.decode_tokens(embedding, boxes=box, masks=mask)
    torch.testing.assert_close(embedding, recorded["embedding"], **TOLERANCE)
    for output, number in ((clicks, 1), (boxes, 2)):
        torch.testing.assert_close(output.low_res_logits[:, 0, :, ::4, ::4], recorded[f"logits{number}"], **TOLERANCE)
        torch.testing.assert_close(output.iou[:, 0], recorded[f"iou{number}"], **TOLERANCE)


@pytest.mark.parametrize("saved", SAM2, indirect=True)
def test_answers_of_sam2_on_images_and_through_memory(saved):
    name, path = saved
    size, recorded = SIZES[name]["image_size"], expected(name)
    model = load_model(path, image_size=size)
    pixels, points, _, _ = inputs_of(name, 3, 1)
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        maps = model.encode(pixels)
        output = model.decode_tokens(maps, points, torch.tensor([[[1, 0, 1]]]))
    torch.testing.assert_close(maps.image, recorded["embedding"], **TOLERANCE)
    torch.testing.assert_close(output.low_res_logits[:, 0, :, ::4, ::4], recorded["logits"], **TOLERANCE)
    torch.testing.assert_close(output.iou[:, 0], recorded["iou"], **TOLERANCE)
    torch.testing.assert_close(output.object_logits[:, 0], recorded["object"], **TOLERANCE)
    frames = torch.randn(3, 3, size, size, generator=generator)
    mask = (torch.rand(size // 8, size // 8, generator=generator) > 0.6).repeat_interleave(8, 0).repeat_interleave(8, 1)
    logits = track_pixels(model, frames, {0: PixelPrompt(mask=mask)})
    for number in (1, 2):
        torch.testing.assert_close(logits[number][None, None, ::4, ::4], recorded[f"low{number}"], **TOLERANCE)


@pytest.mark.parametrize("saved", [*SAM, *SAM2], indirect=True)
def test_every_tensor_comes_back(saved):
    name, path = saved
    state, model = published(name), load_model(path)
    kept = {key: value for key, value in original_state(model).items() if ".adapter." not in key}
    changed = {"image_encoder.pos_embed"} if name.startswith("msa") else set()
    renamed = {key.replace(".rel_h", ".rel_pos_h").replace(".rel_w", ".rel_pos_w"): key for key in state}
    base = {key for key in renamed if "Adapter" not in key}
    assert set(kept) == base
    assert all(torch.equal(kept[key], state[renamed[key]]) for key in base - changed)
    adapters = [t for key, t in state.items() if "Adapter" in key and "Depth" not in key]
    ours = adaptation_of(model).state_dict() if adapters else {}
    given = [t for key, t in ours.items() if ".adapter." in key]
    assert len(given) == len(adapters)
    assert all(any(torch.equal(one, other) for other in given if other.shape == one.shape) for one in adapters)
    assert inspect_any(path).loadable


@pytest.mark.parametrize("saved", [name for name in [*SAM, *SAM2] if name.startswith("sam")], indirect=True)
def test_a_transformers_folder_holds_the_same_network(saved, tmp_path: Path):
    _, path = saved
    model = load_model(path, image_size=128 if "sam2" in saved[0] else None)
    save_transformers(model, tmp_path / "folder")
    again = load_model(tmp_path / "folder")
    told = {"assumed": ()} if "sam2" in saved[0] else {"ambiguous_windows": False}
    assert replace(again.architecture, **told) == replace(model.architecture, **told)
    one, other = model.sam.state_dict(), again.sam.state_dict()
    assert set(one) == set(other)
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_heads_of_a_decoder_are_told_beside_the_file(tmp_path: Path):
    state, path = published("sam-a"), tmp_path / "model.pth"
    torch.save(state, path)
    assert inspect_any(path).assumed == ("8 attention heads in the decoder",)
    path.with_suffix(".json").write_text('{"architecture": {"decoder_heads": 4}}')
    four = load_model(path)
    assert (four.architecture.decoder_heads, four.preprocessing.name) == (4, "sam")
    assert inspect_any(path).assumed == ()
    pixels, points, _, _ = inputs_of("sam-a", 3, 1)
    with torch.no_grad():
        logits = four.decode_tokens(four.encode(pixels), points, torch.tensor([[[1, 0, 1]]])).low_res_logits
    assert (logits[:, 0, :, ::4, ::4] - expected("sam-a")["logits1"]).abs().max() > 1e-3
    path.with_suffix(".json").write_text('{"architecture": {"decoder_heads": 3}}')
    with pytest.raises(CheckpointError, match=r"3 heads do not divide the 8 channels"):
        load_model(path)


def test_a_decoder_too_narrow_for_eight_heads_has_fewer():
    shapes = {key: tuple(shape) for key, shape in SIZES["sam-a"]["shapes"].items()}
    cross = "mask_decoder.transformer.layers.0.cross_attn_token_to_image.q_proj.weight"
    assert infer_architecture(from_meta(shapes | {cross: (12, 24)})).decoder_heads == 4


@pytest.mark.parametrize(
    ("width", "heads"), [(16, 1), (48, 1), (96, 1), (112, 2), (128, 2), (144, 2), (168, 3), (192, 3), (224, 4)]
)
def test_heads_of_sam2_follow_the_published_widths(width, heads):
    shapes = {key: tuple(shape) for key, shape in SIZES["sam2-a"]["shapes"].items()}
    grown = {
        key: tuple(width * n // 16 if n % 16 == 0 and "trunk" in key else n for n in s) for key, s in shapes.items()
    }
    found = infer(sam2_shapes(grown))
    assert found.heads == tuple(heads * 2**stage for stage in range(4))


def sam2_shapes(shapes: dict) -> dict:
    """By transformers' names."""
    named = sam2_from_meta({key: torch.empty(shape, device="meta") for key, shape in shapes.items()})
    return {key: tuple(value.shape) for key, value in named.items()}


def test_all_cases_are_there():
    assert (len(SAM), len(SAM2)) == (8, 2)
    assert not {name.split("-")[0] for name in SIZES} ^ {"sam", "sam2", "msa", "med2d"}
