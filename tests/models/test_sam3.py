"""SAM 3: equality with transformers' own networks in every layout, networks from tensors alone, licence and access."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import (
    Sam3TrackerModel,
    Sam3TrackerVideoModel,
    Sam3VideoConfig,
    Sam3VideoModel,
)

from samadapt.core.errors import CheckpointError, ConfigError
from samadapt.models import catalog, fresh, hub, load
from samadapt.models.inspect import NO_MEMORY, inspect
from samadapt.models.sam2.names import to_meta
from samadapt.models.sam3.architecture import KNOWN, infer, usual_global_blocks
from samadapt.models.sam3.build import empty_sam3, sam3_config
from samadapt.models.sam3.names import to_transformers
from samadapt.models.saving import save_original, save_transformers

TOLERANCE = 1e-4
SIZE = 168
NETWORK = replace(KNOWN["sam3-test"], image_size=SIZE, channels=128, mask_embed=128, memory_channels=64)
"""transformers' own memory is 64 wide whatever its configuration says."""
IMAGE_ONLY = replace(NETWORK, memory_channels=0)


def random_weights(module: torch.nn.Module, seed: int = 0) -> None:
    """Every weight and both tables of frequencies anew, none of them zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            offset = 1.0 if "norm" in name and name.endswith("weight") else 0.0
            inner = tensor[0].numel() if tensor.ndim > 1 and "weight" in name else 25
            tensor.copy_(torch.randn(tensor.shape, generator=generator) / inner**0.5 + offset)


def tracker(levels: int) -> Sam3TrackerModel:
    model = Sam3TrackerModel(sam3_config(replace(IMAGE_ONLY, levels=levels))).eval()
    random_weights(model)
    return model


def full_config() -> Sam3VideoConfig:
    """Configuration of the full SAM 3 around `NETWORK`, with the smallest detector of concepts."""
    small = {"hidden_size": 128, "num_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    text = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    words = {"model_type": "clip_text_model", "vocab_size": 50, "projection_dim": 16, "bos_token_id": 0}
    inside = sam3_config(NETWORK).to_dict()
    detector = {
        "model_type": "sam3",
        "vision_config": inside["vision_config"],
        "text_config": text | words,
        "geometry_encoder_config": small,
        "detr_encoder_config": small,
        "detr_decoder_config": small | {"num_queries": 4},
        "mask_decoder_config": {"hidden_size": 128, "num_attention_heads": 2},
    }
    return Sam3VideoConfig(detector_config=detector, tracker_config=inside)


@pytest.fixture(scope="module")
def full(tmp_path_factory) -> Path:
    """Folder in the layout of facebook/sam3: config.json of Sam3VideoModel, tensors with its three prefixes."""
    folder = tmp_path_factory.mktemp("sam3")
    config = full_config()
    model = Sam3VideoModel(config)
    random_weights(model)
    config.architectures = ["Sam3VideoModel"]
    config.save_pretrained(folder)
    state = {key: tensor.contiguous() for key, tensor in model.state_dict().items()}
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


@pytest.fixture
def small():
    return fresh("sam3-test", preprocessing="sam3", seed=3)


def asked(prompts: int = 2) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """The same prompts by our names and by transformers': points, boxes, both, and a mask with points."""
    generator = torch.Generator().manual_seed(1)
    points = torch.rand(1, prompts, 3, 2, generator=generator) * SIZE
    labels = torch.tensor([1, 0, -1]).expand(1, prompts, 3)
    boxes = torch.tensor([10.0, 20, 90, 100]).expand(1, prompts, 4) + 5 * torch.arange(prompts)[None, :, None]
    mask = torch.randn(1, 1, 48, 48, generator=generator)
    clicks, theirs = {"points": points, "point_labels": labels}, {"input_points": points, "input_labels": labels}
    one, their_one = {key: t[:, :1] for key, t in clicks.items()}, {key: t[:, :1] for key, t in theirs.items()}
    return [
        (clicks, theirs),
        ({"boxes": boxes}, {"input_boxes": boxes}),
        (clicks | {"boxes": boxes}, theirs | {"input_boxes": boxes}),
        (one | {"masks": mask[:, None, 0]}, their_one | {"input_masks": mask}),
    ]


def pixels() -> torch.Tensor:
    return torch.randn(1, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(2))


def largest_difference(model, theirs: Sam3TrackerModel) -> float:
    """Over logits, predicted IoU and presence of all kinds of prompts, with candidates and without."""
    differences = []
    with torch.no_grad():
        for multimask in (True, False):
            for ours, their in asked():
                found = model.decode(model.encode(pixels()), **ours, multimask=multimask)
                expected = theirs(pixel_values=pixels(), **their, multimask_output=multimask)
                assert expected.pred_masks.std() > 0.01
                differences += [
                    (found.low_res_logits - expected.pred_masks).abs().max(),
                    (found.iou - expected.iou_scores).abs().max(),
                    (found.object_logits - expected.object_score_logits).abs().max(),
                ]
    assert len(differences) == 2 * 4 * 3
    return float(max(differences))


def test_answers_equal_transformers_own(tmp_path: Path):
    theirs = tracker(levels=3)
    theirs.save_pretrained(tmp_path)
    model = load(tmp_path)
    assert len(load_file(tmp_path / "model.safetensors")) == len(model.report.exact)
    assert (len(model.report.unexpected), len(model.report.missing), model.memory) == (0, 0, False)
    assert (model.image_size, model.mask_size, model.preprocessing.name) == (SIZE, 48, "sam3")
    assert largest_difference(model, theirs) < TOLERANCE


@pytest.mark.parametrize("source", ["folder", "file"])
def test_the_full_checkpoint_equals_transformers_own(full: Path, tmp_path: Path, source):
    """transformers reads the tracker out of the same file; its neck shortened to the three maps that are read."""
    theirs = Sam3TrackerModel.from_pretrained(full).eval()
    theirs.vision_encoder.neck.fpn_layers = theirs.vision_encoder.neck.fpn_layers[:3]
    if source == "file":
        fields = NETWORK.as_dict()
        untold = {key: fields[key] for key in ("image_size", "heads", "window", "global_blocks")}
        (tmp_path / "sam3.safetensors").write_bytes((full / "model.safetensors").read_bytes())
        (tmp_path / "sam3.json").write_text(json.dumps({"preprocessing": "sam3", "architecture": untold}))
    model = load(full if source == "folder" else tmp_path / "sam3.safetensors")
    assert (model.family, model.memory, model.architecture) == ("sam3", True, NETWORK)
    assert str(model.report).endswith("0 resampled, 0 dropped, 0 missing, 0 unexpected")
    assert largest_difference(model, theirs) < TOLERANCE


def test_the_embedding_is_that_of_the_video_model_and_not_that_of_the_image_model(full: Path):
    """Sam3TrackerModel adds the embedding for images without a past to the fourth map, which nothing reads."""
    video, image = Sam3TrackerVideoModel.from_pretrained(full).eval(), Sam3TrackerModel.from_pretrained(full).eval()
    model = load(full)
    with torch.no_grad():
        ours = model.encode(pixels())
        right, wrong = video.get_image_embeddings(pixels()), image.get_image_embeddings(pixels())
    for one, other in zip((*ours.finer, ours.image), right, strict=True):
        torch.testing.assert_close(one, other)
    past = image.no_memory_embedding.detach().reshape(1, -1, 1, 1)
    torch.testing.assert_close(ours.image, wrong[-1] + past)
    assert past.abs().max() > 0.1


def test_constants_and_weights_are_those_that_transformers_loads(full: Path):
    ours, theirs = load(full).sam, Sam3TrackerVideoModel.from_pretrained(full)
    buffers = dict(theirs.named_buffers())
    assert {name for name, _ in ours.named_buffers()} == set(buffers)
    assert sum(torch.equal(tensor, buffers[name]) for name, tensor in ours.named_buffers()) == len(buffers) > 12
    weights = theirs.state_dict()
    assert all(torch.equal(tensor, weights[key]) for key, tensor in ours.state_dict().items())


def test_a_folder_of_transformers_and_back(full: Path, tmp_path: Path):
    model = load(full)
    again = load(save_transformers(model, tmp_path / "folder"))
    assert (again.architecture, again.base_hash) == (model.architecture, model.base_hash)
    theirs = Sam3TrackerVideoModel.from_pretrained(tmp_path / "folder").state_dict()
    assert all(torch.equal(tensor, theirs[key]) for key, tensor in again.sam.state_dict().items())
    with pytest.raises(ConfigError, match="--to transformers"):
        save_original(model, tmp_path / "sam3.pth")


def test_convert_compares_what_it_wrote(full: Path, tmp_path: Path):
    from samadapt.adapt.exchange import convert

    done = convert(source=str(full), to="transformers", out=tmp_path / "folder")
    assert done.largest_difference < 1e-5
    assert load(tmp_path / "folder").base_hash == load(full).base_hash


@pytest.mark.parametrize("size", [112, 140, 238])
def test_any_multiple_of_the_patch(tmp_path: Path, size):
    """Positions are tiled, windows padded and rotary positions scaled as transformers does for this size."""
    theirs = tracker(levels=3)
    theirs.save_pretrained(tmp_path)
    model = load(tmp_path, image_size=size)
    sized = Sam3TrackerModel(sam3_config(replace(IMAGE_ONLY, levels=3, image_size=size))).eval()
    sized.load_state_dict(theirs.state_dict())
    image, box = torch.rand(1, 3, size, size), torch.tensor([[[10.0, 20, 90, 70]]])
    with torch.no_grad():
        found = model.decode(model.encode(image), boxes=box)
        expected = sized(pixel_values=image, input_boxes=box)
    torch.testing.assert_close(found.low_res_logits, expected.pred_masks, atol=TOLERANCE, rtol=0)
    assert found.low_res_logits.shape[-1] == model.mask_size == 4 * size // 14


@pytest.mark.parametrize("size", [0, -14, 14, 100, 1024])
def test_image_sizes_that_do_not_fit(full: Path, size):
    with pytest.raises(CheckpointError, match="14 pixels of SAM 3's patches"):
        load(full, image_size=size)


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("memory", [True, False])
def test_networks_are_inferred_from_shapes(name, memory):
    wanted = KNOWN[name] if memory else replace(KNOWN[name], memory_channels=0)
    shapes = {key: tuple(value.shape) for key, value in empty_sam3(wanted).state_dict().items()}
    found = infer(shapes)
    untold = ("image_size", "heads", "global_blocks", "assumed")
    assert found.memory == memory
    seen = replace(found, **{key: getattr(KNOWN[name], key) for key in untold})
    assert not memory or seen == KNOWN[name]
    assert found.size_name == ("sam3" if name == "sam3" else "sam3-32x4")
    if name == "sam3":
        told = (found.image_size, found.heads, found.global_blocks, found.assumed)
        assert told == (1008, 16, (7, 15, 23, 31), ("image size",))


def test_global_blocks_end_the_quarters():
    assert [usual_global_blocks(depth) for depth in (32, 4, 2)] == [(7, 15, 23, 31), (0, 1, 2, 3), (0, 1)]


def test_names_of_all_layouts():
    wanted = {"vision_encoder.backbone.x", "vision_encoder.neck.x", "mask_decoder.x"}
    layouts = [
        ["vision_encoder.backbone.x", "vision_encoder.neck.x", "mask_decoder.x"],
        ["detector_model.vision_encoder.backbone.x", "tracker_neck.x", "tracker_model.mask_decoder.x"],
        [f"tracker_model.{key}" for key in ("detector_model.vision_encoder.backbone.x", "tracker_neck.x")]
        + ["tracker_model.mask_decoder.x"],
        ["detector_model.vision_encoder.backbone.x", "tracker_neck.x", "tracker_model.tracker_model.mask_decoder.x"],
    ]
    assert (
        sum(set(to_transformers(dict.fromkeys(names, torch.zeros(1)))) == wanted for names in layouts)
        == len(layouts)
        == 4
    )
    detector = ["detector_model.mask_decoder.x", "detector_model.vision_encoder.neck.x", "detector_model.geometry"]
    assert to_transformers(dict.fromkeys(detector, torch.zeros(1))) == {}


def original(full: Path) -> dict[str, torch.Tensor]:
    """Tensors of the full checkpoint by the names of facebookresearch/sam3: tables, blocks and neck written by hand."""
    state = load_file(full / "model.safetensors")
    vision, trunk = "detector.backbone.vision_backbone.", "detector_model.vision_encoder.backbone."
    block = f"{trunk}layers."
    table = state[f"{trunk}embeddings.position_embeddings"]
    found = {
        f"{vision}trunk.pos_embed": torch.cat([torch.ones(1, 1, 32), table], dim=1),
        f"{vision}trunk.patch_embed.proj.weight": state[f"{trunk}embeddings.patch_embeddings.projection.weight"],
        "detector.transformer.decoder.query_embed.weight": torch.zeros(4, 4),
    }
    for part in ("weight", "bias"):
        found[f"{vision}trunk.ln_pre.{part}"] = state[f"{trunk}layer_norm.{part}"]
        for n in range(4):
            to = f"{vision}trunk.blocks.{n}."
            fused = [state[f"{block}{n}.attention.{one}_proj.{part}"] for one in "qkv"]
            found[f"{to}attn.qkv.{part}"] = torch.cat(fused)
            found[f"{to}attn.proj.{part}"] = state[f"{block}{n}.attention.o_proj.{part}"]
            found[f"{to}attn.freqs_cis"] = torch.zeros(4, 4)
            for norm in (1, 2):
                found[f"{to}norm{norm}.{part}"] = state[f"{block}{n}.layer_norm{norm}.{part}"]
                found[f"{to}mlp.fc{norm}.{part}"] = state[f"{block}{n}.mlp.fc{norm}.{part}"]
        places = [("0.dconv_2x2_0", "0.scale_layers.0"), ("0.dconv_2x2_1", "0.scale_layers.2")]
        places += [("1.dconv_2x2", "1.scale_layers.0")]
        places += [(f"{n}.conv_{k}x{k}", f"{n}.proj{k // 2 + 1}") for n in range(4) for k in (1, 3)]
        found |= {f"{vision}sam2_convs.{a}.{part}": state[f"tracker_neck.fpn_layers.{b}.{part}"] for a, b in places}
    tracker = {key.removeprefix("tracker_model."): t for key, t in state.items() if key.startswith("tracker_model.")}
    for key, tensor in to_meta(tracker).items():
        key = key.replace("memory_attention.", "transformer.encoder.").replace("memory_encoder.", "maskmem_backbone.")
        if "sam_mask_decoder.transformer.layers." in key:
            key = key.replace("mlp.layers.0.", "mlp.lin1.").replace("mlp.layers.1.", "mlp.lin2.")
        found[f"tracker.{key}"] = tensor
    return found


def test_the_original_file_is_the_same_model(full: Path, tmp_path: Path):
    state = original(full)
    assert "tracker.sam_prompt_encoder.point_embeddings.3.weight" in state
    assert "tracker.sam_mask_decoder.iou_prediction_head.layers.2.weight" in state
    torch.save({"model": state}, tmp_path / "sam3.pt")
    fields = NETWORK.as_dict()
    untold = {key: fields[key] for key in ("image_size", "heads", "window", "global_blocks")}
    (tmp_path / "sam3.json").write_text(json.dumps({"preprocessing": "sam3", "architecture": untold}))
    model, expected = load(tmp_path / "sam3.pt"), load(full)
    assert str(model.report).endswith("0 resampled, 0 dropped, 0 missing, 0 unexpected")
    ours, theirs = model.sam.state_dict(), expected.sam.state_dict()
    alike = [key for key in theirs if torch.equal(ours[key], theirs[key])]
    assert set(theirs) - set(alike) <= {"prompt_encoder.shared_embedding.positional_embedding"}
    found = inspect(tmp_path / "sam3.pt")
    assert (found.family, found.size_name, found.loadable) == ("sam3", "sam3-32x4", True)


def test_inspection(full: Path, tmp_path: Path):
    found = inspect(full / "model.safetensors")
    assert (found.family, found.size_name, found.image_size) == ("sam3", "sam3-32x4", SIZE)
    assert (found.preprocessing, found.licence) == ("sam3", "SAM License (gated, restricted use)")
    assert (found.loadable, found.missing, found.problems) == (True, (), ())
    assert found.assumed == ("image size", "heads", "windows", "global blocks")
    assert inspect(full).assumed == ()
    tracker(levels=4).save_pretrained(tmp_path)
    assert inspect(tmp_path).missing == (NO_MEMORY,)


def test_the_detector_alone_is_refused(full: Path, tmp_path: Path):
    state = load_file(full / "model.safetensors")
    words = {key: tensor for key, tensor in state.items() if key.startswith("detector_model.")}
    save_file(words, tmp_path / "words.safetensors")
    with pytest.raises(CheckpointError, match="detector of a SAM 3 alone"):
        load(tmp_path / "words.safetensors")
    assert not inspect(tmp_path / "words.safetensors").loadable
    less = {key: tensor for key, tensor in state.items() if not key.startswith("tracker_neck.")}
    save_file(less, tmp_path / "less.safetensors")
    with pytest.raises(CheckpointError, match="fpn_layers"):
        load(tmp_path / "less.safetensors")
    state["tracker_neck.fpn_layers.2.scale_layers.0.weight"] = torch.zeros(1)
    save_file(state, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="not that of SAM 3"):
        load(tmp_path / "other.safetensors")


def test_gradients_reach_the_encoder(small):
    maps = small.encode(torch.rand(1, 3, 112, 112))
    small.decode(maps, boxes=torch.tensor([[[4.0, 5, 30, 40]]])).low_res_logits.sum().backward()
    reached = [p.grad is not None and bool(p.grad.any()) for p in small.sam.vision_encoder.backbone.parameters()]
    assert sum(reached) == len(reached) > 60


def test_a_mask_is_carried_through_frames(small):
    from samadapt.infer.memory import PixelPrompt, track_pixels

    frames = torch.rand(4, 3, 112, 112, generator=torch.Generator().manual_seed(0))
    mask = torch.zeros(112, 112)
    mask[30:60, 20:70] = 1
    with torch.no_grad():
        small.sam.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(10.0)  # the object is always there
        logits = track_pixels(small, frames, {1: PixelPrompt(mask=mask)})
    assert logits.shape == (4, 32, 32)
    assert (logits[1] > 0).any()
    assert not torch.equal(logits[2], logits[3])
    without = fresh(replace(KNOWN["sam3-test"], memory_channels=0), preprocessing="sam3")
    with pytest.raises(CheckpointError, match="this SAM 3 has no memory"):
        without.require_memory()


def test_the_licence_is_said_once(full: Path, monkeypatch, capsys):
    load(full)
    assert capsys.readouterr().err.count("SAM License (gated, restricted use)") == 1
    monkeypatch.setattr(hub, "download", lambda repository: full)
    model = load("sam3")
    assert capsys.readouterr().err.count("SAM License (gated, restricted use)") == 1
    assert (model.name, model.family, model.preprocessing.name) == ("sam3", "sam3", "sam3")


def test_terms_that_were_not_accepted(monkeypatch):
    import huggingface_hub
    from huggingface_hub.errors import GatedRepoError

    def refused(*_args, **_options):
        response = httpx.Response(403, request=httpx.Request("GET", "https://huggingface.co/facebook/sam3"))
        raise GatedRepoError("403 Client Error", response=response)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", refused)
    with pytest.raises(CheckpointError, match=r"huggingface\.co/facebook/sam3.*huggingface-cli login"):
        load("sam3")


def test_without_a_network_the_terms_are_named_too(monkeypatch):
    import huggingface_hub

    def offline(*_args, **_options):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(CheckpointError, match=r"--local-dir.*Accept the terms"):
        load("sam3")
    assert [entry.name for entry in catalog.entries() if entry.gated] == ["sam3"]
