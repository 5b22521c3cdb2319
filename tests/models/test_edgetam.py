"""EdgeTAM: RepViT equal to timm's, answers and memory equal to transformers' own, both layouts."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

import samadapt
from samadapt.adapt import inject, trainable_parameters
from samadapt.adapt.config import DecoderConfig, LoraConfig
from samadapt.adapt.exchange import convert
from samadapt.core.errors import CheckpointError, ConfigError
from samadapt.core.grid import Grid
from samadapt.core.image import Volume
from samadapt.core.prompts import Box, Prompt
from samadapt.infer.memory import PixelPrompt, track_pixels
from samadapt.models import fresh, hub, load
from samadapt.models.edgetam.architecture import KNOWN, infer
from samadapt.models.edgetam.build import edgetam_config, empty_edgetam
from samadapt.models.edgetam.names import to_meta, to_transformers
from samadapt.models.edgetam.promptable import EdgeTamPromptable
from samadapt.models.edgetam.repvit import FixedNorm, RepVit, RepVitBackbone
from samadapt.models.inspect import NO_MEMORY, inspect
from samadapt.models.saving import save_original, save_transformers

SMALL = KNOWN["repvit-test"]
IMAGE_ONLY = replace(SMALL, memory_channels=0)
WIDE = replace(SMALL, channels=128, mask_embed=128, memory_channels=64)
"""transformers' own memory is 64 wide whatever its configuration says."""
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


def untrained(network) -> EdgeTamPromptable:
    model = fresh(network, preprocessing="sam2", seed=3)
    random_weights(model.sam)
    model.sam.prompt_encoder.shared_embedding.load_state_dict(model.sam.shared_image_embedding.state_dict())
    return model


@pytest.fixture
def small():
    return untrained(IMAGE_ONLY)


@pytest.fixture
def tracker():
    """With a memory that matters; an object is in every frame."""
    model = untrained(WIDE)
    with torch.no_grad():
        model.sam.mask_decoder.pred_obj_score_head.proj_out.bias.fill_(50.0)
        for layer in model.sam.memory_attention.layers:
            for tensor in layer.cross_attn_image.parameters():
                tensor.mul_(4)
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
def original(tmp_path: Path, monkeypatch):
    """What gives transformers' own EdgeTAM with the weights of a folder that a model was saved to."""
    from_config = transformers.AutoModel.from_config

    def without_timm(config, *args, **options):
        return InTimmsPlace() if config.model_type == "timm_wrapper" else from_config(config, *args, **options)

    def build(model):
        monkeypatch.setattr(transformers.AutoModel, "from_config", without_timm)
        kind = transformers.EdgeTamVideoModel if model.memory else transformers.EdgeTamModel
        theirs = kind(edgetam_config(model.architecture))
        state = load_file(save_transformers(model, tmp_path / "folder") / "model.safetensors")
        found = theirs.load_state_dict(state, strict=False)
        assert found.missing_keys == []
        assert sum(key.endswith(COUNTER) for key in found.unexpected_keys) == len(found.unexpected_keys) > 20
        return theirs.eval()

    return build


@pytest.mark.parametrize("multimask", [True, False])
def test_answers_equal_transformers_own(small, original, multimask):
    theirs = original(small)
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


def frames(count: int) -> torch.Tensor:
    return torch.randn(count, 3, 64, 64, generator=torch.Generator().manual_seed(2))


def asked() -> dict[str, dict[int, PixelPrompt]]:
    mask = torch.zeros(64, 64)
    mask[10:40, 20:50] = 1
    box = PixelPrompt(points=torch.tensor([[20.0, 10.0], [40.0, 30.0]]), labels=torch.tensor([2, 3]))
    click = PixelPrompt(points=torch.tensor([[30.0, 20.0]]), labels=torch.tensor([1]))
    return {"mask": {0: PixelPrompt(mask)}, "box and click": {1: box, 5: click}, "backwards": {3: click}}


def as_published(theirs):
    """transformers' model with what EdgeTAM's code does otherwise: the single mask's pointer, memories in bfloat16."""
    answer, remember = theirs._single_frame_forward, theirs._encode_new_memory

    def single(*given, multimask_output=False, **named):
        return answer(*given, multimask_output=multimask_output, **named)

    def rounded(*given, **named):
        features, positions = remember(*given, **named)
        return features.bfloat16().float(), positions

    theirs._single_frame_forward, theirs._encode_new_memory = single, rounded
    return theirs


@pytest.mark.parametrize("prompts", asked())
def test_the_memory_equals_transformers_own(tracker, original, prompts):
    """Nine frames: more than are remembered. Unchanged, transformers differs a little."""
    theirs = EdgeTamPromptable(original(tracker), WIDE, tracker.preprocessing, name="theirs", family="edgetam")
    found, unchanged = (track_pixels(one, frames(9), asked()[prompts]) for one in (tracker, theirs))
    as_published(theirs.sam)
    expected = track_pixels(theirs, frames(9), asked()[prompts])
    spread = expected.std(dim=(1, 2))
    assert spread.min() > 0.01
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=0)
    assert 1e-4 < (found - unchanged).abs().max() < 0.1 * spread.max()


def test_the_memory_depends_on_what_was_prompted(tracker):
    mask, *others = (track_pixels(tracker, frames(9), prompts) for prompts in asked().values())
    later = [4, 6]  # prompted in none
    assert all((mask - other)[later].abs().amax((1, 2)).min() > 0.05 for other in others)


def test_what_is_remembered_is_the_perceivers(tracker):
    """A token for every window and further ones, in bfloat16; positions of the windows alone."""
    seen = []
    tracker.sam.spatial_perceiver.register_forward_hook(lambda _module, _given, made: seen.append(made))
    track_pixels(tracker, frames(2), asked()["mask"])
    tokens = SMALL.global_latents + SMALL.window_latents
    assert [tuple(part.shape) for part in seen[0]] == [(1, tokens, 64)] * 2
    positions = seen[0][1][0]
    assert not positions[: SMALL.global_latents].any()
    assert positions[SMALL.global_latents :].any(dim=1).all()
    features, _ = tracker.sam._encode_new_memory(
        torch.randn(16, 1, 128), torch.randn(1, 1, 64, 64), torch.ones(1, 1), is_mask_from_pts=True
    )
    assert torch.equal(features, features.bfloat16().float())
    assert torch.equal(features, seen[-1][0].bfloat16().float())
    assert not torch.equal(features, seen[-1][0])


class Published:
    """Arithmetic of the perceiver of facebookresearch/EdgeTAM (perceiver.py) with its names of tensors."""

    def __init__(self, state: dict[str, torch.Tensor]) -> None:
        self.state = {key.removeprefix("spatial_perceiver."): t for key, t in state.items() if "perceiver" in key}
        self.layers = 1 + max(int(key.split(".")[1]) for key in self.state if key.startswith("layers."))

    def norm(self, name, x):
        return F.layer_norm(x, x.shape[-1:], self.state[f"{name}.weight"], self.state[f"{name}.bias"])

    def linear(self, name, x):
        return x @ self.state[f"{name}.weight"].T

    def attention(self, name, queries, inputs, positions=0.0):
        keys, values = self.linear(f"{name}.to_kv", inputs).chunk(2, dim=-1)
        queries = self.linear(f"{name}.to_q", queries)
        return self.linear(
            f"{name}.to_out", F.scaled_dot_product_attention(queries, keys + positions, values + positions)
        )

    def perceptron(self, name, x):
        return self.linear(f"{name}.3", F.gelu(self.linear(f"{name}.1", self.norm(f"{name}.0", x))))

    def tokens(self, latents, inputs, positions=0.0):
        for layer in (f"layers.{number}" for number in range(self.layers)):
            normal = self.norm(f"{layer}.attn.norm_latents", latents), self.norm(f"{layer}.attn.norm_x", inputs)
            latents = latents + self.attention(f"{layer}.attn", *normal, positions)
            latents = latents + self.perceptron(f"{layer}.ff", latents)
            normal = self.norm(f"{layer}.self_attn.norm", latents)
            latents = latents + self.attention(f"{layer}.self_attn", normal, normal)
            latents = latents + self.perceptron(f"{layer}.self_ff", latents)
        return self.norm("norm", latents)

    def __call__(self, features, positions):
        """Of one frame: tokens of all of it, then of each window in rows."""
        side = int(len(self.state["latents_2d"]) ** 0.5)
        size = features.shape[-1] // side
        channels = features.shape[1]
        windows = features[0].reshape(channels, side, size, side, size).permute(1, 3, 2, 4, 0)
        flat, where = (one[0].flatten(1).T for one in (features, positions))
        every = self.tokens(self.state["latents"], flat, where)
        each = self.tokens(self.state["latents_2d"][:, None], windows.reshape(side**2, size**2, channels))
        return torch.cat((every, each[:, 0]))


def test_the_perceiver_is_the_published_one():
    network = replace(WIDE, perceiver_layers=2, window_latents=16)
    model = untrained(network)
    generator = torch.Generator().manual_seed(4)
    features, positions = torch.randn(2, 1, 64, 8, 8, generator=generator)
    with torch.no_grad():
        found, _ = model.sam.spatial_perceiver(features, positions)
        expected = Published(to_meta(model.sam.state_dict()))(features, positions)
    assert expected.std() > 0.1
    torch.testing.assert_close(found[0], expected, atol=1e-4, rtol=0)


def write(model, target: Path) -> Path:
    (save_original if target.suffix else save_transformers)(model, target)
    return target


@pytest.mark.parametrize("network", [SMALL, replace(SMALL, occlusion=True, pointer_positions=True), IMAGE_ONLY])
@pytest.mark.parametrize("layout", ["folder", "small.pt", "small.safetensors"])
def test_both_layouts_come_back(tmp_path: Path, layout, network):
    small = untrained(network)
    again = load(write(small, tmp_path / layout))
    assert (again.family, again.architecture, again.memory) == ("edgetam", network, network.memory)
    assert str(again.report).endswith("0 resampled, 0 dropped, 0 missing, 0 unexpected")
    state = small.sam.state_dict()
    assert sum(torch.equal(tensor, state[key]) for key, tensor in again.sam.state_dict().items()) == len(state)
    if network.memory:
        answers = [track_pixels(model, frames(3), asked()["mask"]) for model in (small, again)]
        assert torch.equal(*answers)
    else:
        with pytest.raises(CheckpointError, match="this EdgeTAM has no memory"):
            again.require_memory()


def test_without_facts_beside_it_a_folder_is_read_by_its_config(tmp_path: Path):
    """As the hub's: config.json and tensors alone."""
    folder = write(untrained(SMALL), tmp_path / "folder")
    (folder / "samadapt.json").unlink()
    config = json.loads((folder / "config.json").read_text())
    assert (config["model_type"], config["architectures"]) == ("edgetam_video", ["EdgeTamVideoModel"])
    found = inspect(folder)
    assert (found.image_size, found.missing, found.assumed, found.loadable) == (64, (), (), True)
    assert load(folder).architecture == replace(SMALL, assumed=())


def test_the_original_file_with_its_memory(tmp_path: Path):
    """Names as in the published edgetam.pt, with the counters of its norms."""
    small = untrained(SMALL)
    state = to_meta(small.sam.state_dict())
    assert "image_encoder.trunk.body.stem.conv1.c.weight" in state
    norms = [key for key in state if key.endswith("running_var")]
    state |= {key.replace("running_var", COUNTER): torch.tensor(5) for key in norms}
    torch.save({"model": state}, tmp_path / "edgetam.pt")
    model = load(tmp_path / "edgetam.pt", image_size=64)
    assert str(model.report).endswith("0 resampled, 0 dropped, 0 missing, 0 unexpected")
    assert model.memory
    found = inspect(tmp_path / "edgetam.pt")
    assert (found.family, found.size_name, found.image_size, found.licence) == (
        "edgetam",
        "repvit-8x7",
        1024,
        "Apache-2.0",
    )
    assert (found.missing, found.loadable, found.assumed) == ((), True, ("image size",))


def test_names_of_the_published_file():
    """Names and shapes as facebookresearch/EdgeTAM's sam2_base.py, memory_attention.py and perceiver.py give them."""
    state = to_meta(empty_edgetam(KNOWN["repvit-m1"]).state_dict())
    shapes = {key: tuple(tensor.shape) for key, tensor in state.items()}
    layer = "spatial_perceiver.layers.1."
    expected = {
        "maskmem_tpos_enc": (7, 1, 1, 64),
        "no_obj_ptr": (1, 256),
        "mask_downsample.weight": (1, 1, 4, 4),
        "obj_ptr_proj.layers.2.weight": (256, 256),
        "memory_attention.layers.1.cross_attn_image.k_proj.weight": (256, 64),
        "memory_attention.layers.1.linear1.weight": (2048, 256),
        "memory_attention.layers.1.linear2.bias": (256,),
        "memory_attention.norm.weight": (256,),
        "memory_encoder.fuser.layers.1.pwconv1.weight": (1024, 256),
        "memory_encoder.out_proj.weight": (64, 256, 1, 1),
        "spatial_perceiver.latents": (256, 64),
        "spatial_perceiver.latents_2d": (256, 64),
        "spatial_perceiver.norm.weight": (64,),
        f"{layer}attn.norm_x.weight": (64,),
        f"{layer}attn.norm_latents.weight": (64,),
        f"{layer}attn.to_q.weight": (64, 64),
        f"{layer}attn.to_kv.weight": (128, 64),
        f"{layer}attn.to_out.weight": (64, 64),
        f"{layer}ff.0.weight": (64,),
        f"{layer}ff.1.weight": (256, 64),
        f"{layer}ff.3.weight": (64, 256),
        f"{layer}self_attn.norm.weight": (64,),
        f"{layer}self_attn.to_kv.weight": (128, 64),
        f"{layer}self_ff.3.weight": (64, 256),
    }
    assert {key: shapes.get(key) for key in expected} == expected
    assert sum(key.startswith(layer) for key in shapes) == 3 * 2 + 2 * 3 + 2 * 4
    keys = "spatial_perceiver.layers.0.cross_attention.{}_proj.weight"
    fused = torch.arange(8.0).reshape(4, 2)
    split = to_transformers({"image_encoder.trunk.x": fused, "spatial_perceiver.layers.0.attn.to_kv.weight": fused})
    assert torch.equal(split[keys.format("k")], fused[:2])
    assert torch.equal(split[keys.format("v")], fused[2:])


@pytest.mark.parametrize(
    ("lost", "says"),
    [
        ("spatial_perceiver.latents_2d", "no spatial_perceiver.latents_2d"),
        ("maskmem_tpos_enc", "not a complete EdgeTAM"),
    ],
)
def test_half_a_memory_is_refused(tmp_path: Path, lost, says):
    state = to_meta(untrained(SMALL).sam.state_dict())
    del state[lost]
    torch.save({"model": state}, tmp_path / "half.pt")
    with pytest.raises(CheckpointError, match=says):
        load(tmp_path / "half.pt")
    assert not inspect(tmp_path / "half.pt").loadable
    windows = {"spatial_perceiver.latents_2d": torch.zeros(5, 16)}
    torch.save({"model": state | {"maskmem_tpos_enc": torch.zeros(7, 1, 1, 16)} | windows}, tmp_path / "five.pt")
    with pytest.raises(CheckpointError, match="no square grid"):
        load(tmp_path / "five.pt")


def test_an_image_only_file_says_so(small, tmp_path: Path):
    found = inspect(write(small, tmp_path / "image.pt"))
    assert (found.missing, found.loadable) == ((NO_MEMORY,), True)


@pytest.mark.parametrize("to", ["meta", "transformers"])
def test_convert_keeps_the_memory(tmp_path: Path, to):
    source = write(untrained(SMALL), tmp_path / ("folder" if to == "meta" else "source.pt"))
    target = tmp_path / ("converted.pt" if to == "meta" else "converted")
    assert convert(source=str(source), to=to, out=target).largest_difference < 1e-4
    assert load(target).memory
    assert load(target).base_hash == load(source).base_hash


def test_a_volume_through_the_public_interface(tracker, tmp_path: Path):
    """An untrained memory answers somehow: the same way for every way in, otherwise for another prompt."""
    voxels, disc = np.random.default_rng(1).uniform(0, 255, (5, 40, 56)).astype(np.float32), np.zeros((40, 56), bool)
    disc[8:26, 20:40] = True
    volume = Volume(voxels, Grid.from_spacing(voxels.shape, (2.0, 1.0, 1.0)), window=(0, 255))
    model = samadapt.load_model(str(write(tracker, tmp_path / "edgetam.pt")))
    masks = samadapt.track(model, volume, {2: disc})
    assert list(masks) == [0, 1, 2, 3, 4]
    assert (masks[2] == disc).all()
    assert all(mask.shape == (40, 56) and mask.dtype == bool for mask in masks.values())
    assert all(mask.any() and not mask.all() for mask in masks.values())
    slices = samadapt.track(model, [volume.slice(z) for z in range(5)], {2: disc})
    assert all((masks[z] == slices[z]).all() for z in range(5))
    other = samadapt.track(model, volume, {2: Prompt(box=Box(20, 8, 39, 25))})
    assert any((masks[z] != other[z]).any() for z in (0, 1, 3, 4))


def test_image_sizes_that_the_memory_does_not_fit(tmp_path: Path):
    folder = write(untrained(SMALL), tmp_path / "folder")
    model = load(folder, image_size=96)
    assert model.memory
    assert track_pixels(model, torch.rand(2, 3, 96, 96), {0: PixelPrompt(mask=torch.ones(96, 96))}).shape == (2, 24, 24)
    published = fresh(replace(SMALL, window_latents=256), preprocessing="sam2", image_size=256)
    assert published.memory
    odd = fresh(replace(SMALL, window_latents=256), preprocessing="sam2", image_size=320)
    assert not odd.memory
    assert odd.encode(torch.rand(1, 3, 320, 320)).image.shape[-1] == 20
    with pytest.raises(CheckpointError, match="16 x 16 windows of this EdgeTAM's memory") as error:
        samadapt.track(odd, [np.zeros((9, 9), np.uint8)], {0: np.ones((9, 9), bool)})
    assert "multiple of 256" in error.value.remedy


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("memory", [True, False])
def test_networks_are_inferred_from_shapes(name, memory):
    wanted = KNOWN[name] if memory else replace(KNOWN[name], memory_channels=0)
    state = empty_edgetam(wanted).state_dict()
    found = infer({key: tuple(value.shape) for key, value in to_transformers(to_meta(state)).items()})
    seen = replace(found, image_size=wanted.image_size, assumed=())
    assert found.memory == memory
    assert not memory or seen == wanted
    assert (seen.widths, seen.blocks, seen.channels) == (wanted.widths, wanted.blocks, wanted.channels)
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
