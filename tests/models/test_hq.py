"""SAM-HQ in both layouts, against the original code and transformers' own network."""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import SamHQModel

from samadapt.adapt import add_head, inject, load_model, save_adapter
from samadapt.adapt.config import DecoderConfig, LoraConfig
from samadapt.adapt.exchange import convert, merge_files
from samadapt.core.errors import CheckpointError, ConfigError, PromptError
from samadapt.core.image import LabelSet
from samadapt.infer.automatic.generate import automatic_masks
from samadapt.infer.predictor import Predictor
from samadapt.models import fresh, load
from samadapt.models.architecture import KNOWN
from samadapt.models.build import empty_sam, sam_config
from samadapt.models.convert import POSITION, POSITION_ALIAS, to_meta
from samadapt.models.hq import SamHqPromptable, choose_token
from samadapt.models.inspect import inspect
from samadapt.models.maps import coarse
from samadapt.train.fast_encoder import quicken

RECORDED = Path(__file__).parent / "golden" / "sam_hq.safetensors"
"""Answers of the original code, segment-anything-hq 0.3, with the weights of `random_state` at 64 pixels."""

TOLERANCE = 1e-5
NETWORK = replace(KNOWN["hq-test"], depth=4, window=3, global_blocks=(1, 3))
"""Small enough for a test, with blocks of both kinds."""

HQ_NAMES = {
    "hf_token.weight",
    *(f"hf_mlp.layers.{layer}.{part}" for layer in range(3) for part in ("weight", "bias")),
    *(
        f"{branch}.{layer}.{part}"
        for branch in ("compress_vit_feat", "embedding_encoder", "embedding_maskfeature")
        for layer in (0, 1, 3)
        for part in ("weight", "bias")
    ),
}
"""What the original mask decoder has beside SAM's, as SysCV/sam-hq names it."""


def random_state() -> dict[str, torch.Tensor]:
    """Weights that depend on their names alone, position tables included."""
    state = {}
    for name, tensor in empty_sam(NETWORK).state_dict().items():
        if name != POSITION_ALIAS:
            generator = torch.Generator().manual_seed(zlib.crc32(name.encode()))
            spread = 0.3 if tensor.ndim > 1 else 0.1
            state[name] = torch.randn(tensor.shape, generator=generator) * spread + ("norm" in name)
    return state


class Mended(nn.Module):
    """transformers' two-way transformer, which puts the image that comes out where the network looks for it.

    SamHQMaskDecoder (transformers 5.24) draws masks from what went into the transformer, mirrored at the diagonal; the
    original code from what came out.
    """

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *, image_embeddings: torch.Tensor, **others: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        queries, keys = self.inner(image_embeddings=image_embeddings.clone(), **others)
        image = keys[:, 0].transpose(1, 2).unflatten(2, image_embeddings.shape[-2:])
        image_embeddings.copy_(image.transpose(2, 3))
        return queries, keys


@pytest.fixture(scope="module")
def theirs() -> SamHQModel:
    """transformers' network with random weights; tests must not change it."""
    network = SamHQModel(sam_config(NETWORK)).eval()
    state = random_state()
    network.load_state_dict(state | {POSITION_ALIAS: state[POSITION]})
    return network


@pytest.fixture(scope="module")
def mended(theirs) -> SamHQModel:
    """The same, with what transformers gets wrong put right."""
    network = SamHQModel(sam_config(NETWORK)).eval()
    network.load_state_dict(theirs.state_dict())
    network.mask_decoder.transformer = Mended(network.mask_decoder.transformer)
    return network


@pytest.fixture(scope="module")
def original(theirs, tmp_path_factory) -> Path:
    """The same as a file of the original code."""
    path = tmp_path_factory.mktemp("hq") / "sam_hq_small.pth"
    torch.save(to_meta(theirs.state_dict()), path)
    return path


@pytest.fixture(scope="module")
def folder(theirs, tmp_path_factory) -> Path:
    """The same as a folder of transformers."""
    path = tmp_path_factory.mktemp("hq") / "folder"
    theirs.save_pretrained(path)
    return path


@pytest.fixture(params=["original", "folder"])
def ours(request) -> SamHqPromptable:
    return load(request.getfixturevalue(request.param))


@pytest.fixture(scope="module")
def pixels() -> torch.Tensor:
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))


def draw(seed: int, *shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


PROMPTS = {
    "points": {"points": 64 * draw(2, 2, 3, 2, 2), "point_labels": torch.tensor([1, 0]).expand(2, 3, 2)},
    "boxes": {"boxes": torch.tensor([[4.0, 5, 30, 40], [10, 10, 50, 60], [2, 2, 9, 9]]).expand(2, 3, 4)},
    "mask": {"boxes": torch.tensor([[[4.0, 5, 30, 40]]] * 2), "masks": draw(3, 2, 1, 16, 16) - 0.5},
}
THEIR_NAMES = {"points": "input_points", "point_labels": "input_labels", "boxes": "input_boxes"}


def close(found: torch.Tensor, wanted: torch.Tensor) -> bool:
    """Equal within the tolerance, as a share of the largest value."""
    assert found.shape == wanted.shape
    return bool((found - wanted).abs().max() < TOLERANCE * wanted.abs().max())


@torch.no_grad()
def test_answers_are_those_of_the_original_code(ours):
    recorded = load_file(RECORDED)
    pixels = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    given = {
        "points": {"points": torch.tensor([[[[20.0, 30], [50, 10]]]]), "point_labels": torch.tensor([[[1, 0]]])},
        "box": {"boxes": torch.tensor([[[4.0, 5, 30, 40]]]), "masks": draw(3, 1, 1, 16, 16) - 0.5},
    }
    embedding = ours.encode(pixels)
    assert close(embedding.image, recorded.pop("embedding"))
    assert len(recorded) == 16
    for name in {key.rpartition(" ")[0] for key in recorded}:
        kind, candidates, added = name.split()
        choose_token(ours, added == "alone")
        found = ours.decode(embedding, **given[kind], multimask=candidates == "best")
        best = found.iou[0, 0].argmax()
        assert close(found.low_res_logits[0, :, best][None], recorded[f"{name} logits"])
        assert close(found.iou[0, :, best][None], recorded[f"{name} iou"])


@pytest.mark.parametrize("kind", PROMPTS)
@pytest.mark.parametrize("hq_token_only", [False, True])
@torch.no_grad()
def test_answers_are_those_of_transformers(mended, ours, pixels, kind, hq_token_only):
    prompts = PROMPTS[kind]
    given = {THEIR_NAMES[name]: value for name, value in prompts.items() if name in THEIR_NAMES}
    if "masks" in prompts:
        given["input_masks"] = prompts["masks"]
    choose_token(ours, hq_token_only)
    embedding = ours.encode(pixels)
    for multimask in (False, True):
        wanted = mended(pixels, **given, multimask_output=multimask, hq_token_only=hq_token_only)
        found = ours.decode(embedding, **prompts, multimask=multimask)
        iou, order = found.iou.sort(dim=2, descending=True)
        logits = found.low_res_logits.gather(2, order[..., None, None].expand_as(found.low_res_logits))
        logits = logits[:, :, :1] if hq_token_only else logits
        assert close(logits, wanted.pred_masks)
        assert close(iou, wanted.iou_scores)


@torch.no_grad()
def test_both_layouts_are_one_model(original, folder, pixels):
    one, other = load(original), load(folder)
    assert one.base_hash == other.base_hash
    assert one.family == other.family == "sam-hq"
    assert torch.equal(coarse(one.encode(pixels)), coarse(other.encode(pixels)))


def test_the_names_are_those_of_the_original_code(original):
    names = set(torch.load(original, weights_only=True))
    decoder = {name.removeprefix("mask_decoder.") for name in names if name.startswith("mask_decoder.")}
    plain = {name.removeprefix("mask_decoder.") for name in to_meta(fresh("test").sam.state_dict())}
    assert decoder - plain == HQ_NAMES
    assert not any(".hq_" in name or "_conv" in name for name in names)


def test_inspection_knows_both_layouts(original, folder):
    for path in (original, folder):
        found = inspect(path)
        assert (found.family, found.size_name, found.image_size) == ("sam-hq", "vit-32x4", 64)
        assert (found.mask_tokens, found.preprocessing, found.licence) == (4, "sam", "Apache-2.0")
        assert (found.loadable, found.problems, found.missing) == (True, (), ())


def test_the_licence_is_said(original, capsys):
    load(original)
    assert "SAM-HQ checkpoint: the published weights have the licence Apache-2.0" in capsys.readouterr().err


@pytest.mark.parametrize("to", ["meta", "transformers"])
def test_conversion_round_trip(theirs, original, tmp_path, to):
    out = tmp_path / ("folder" if to == "transformers" else "out.pth")
    assert convert(source=str(original), to=to, out=out).largest_difference < 1e-4
    again = load(out)
    state = again.sam.state_dict()
    assert all(torch.equal(state[key], value) for key, value in theirs.state_dict().items())
    if to == "transformers":
        read = SamHQModel.from_pretrained(out)
        same = read.state_dict()
        assert all(torch.equal(same[key], value) for key, value in theirs.state_dict().items())


@torch.no_grad()
def test_another_image_size_resamples_positions(original):
    model = load(original, image_size=96)
    assert len(model.report.resampled) == 1 + 2 * len(NETWORK.global_blocks)
    embedding = model.encode(torch.zeros(1, 3, 96, 96))
    assert embedding.finer[0].shape == (1, 32, 6, 6)
    assert model.decode(embedding, boxes=torch.tensor([[[4.0, 5, 30, 40]]])).low_res_logits.shape == (1, 1, 3, 24, 24)


@torch.no_grad()
def test_the_predictor_and_automatic_masks_take_it(original):
    model = load(original)
    image = np.random.default_rng(0).integers(0, 255, (50, 64, 3)).astype(np.uint8)
    predictor = Predictor(model)
    predictor.set_image(image)
    added = predictor.predict(box=[5, 5, 40, 40], multimask=False)
    choose_token(model, True)
    alone = predictor.predict(box=[5, 5, 40, 40], multimask=False)
    assert added.logits.shape == alone.logits.shape == (1, 50, 64)
    assert not np.array_equal(added.logits, alone.logits)
    options = {"points_per_side": 2, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}
    assert automatic_masks(model, image, **options)


def test_lora_in_the_encoder_learns_and_comes_back(original, pixels, tmp_path):
    model = load_model(original)
    adaptation = inject(model, LoraConfig(rank=2))
    assert quicken(model.sam.vision_encoder) == NETWORK.depth
    learning = [parameter for name, parameter in model.named_parameters() if ".lora_" in name]
    assert len(learning) == 4 * NETWORK.depth
    loss = model.decode(model.encode(pixels), **PROMPTS["boxes"], multimask=False).low_res_logits.square().mean()
    loss.backward()
    assert all(parameter.grad is not None for parameter in learning)
    with torch.no_grad():
        for parameter in learning:
            parameter.add_(0.01 * torch.randn_like(parameter))
    save_adapter(model.eval(), tmp_path / "adapter")
    again = load_model(tmp_path / "adapter")
    assert isinstance(again, SamHqPromptable)
    with torch.no_grad():
        expected, found = (one.decode_tokens(one.encode(pixels)).low_res_logits for one in (model, again))
    assert close(found, expected)
    assert adaptation.name == "lora"
    assert merge_files(source=str(tmp_path / "adapter"), out=tmp_path / "merged.pth").largest_difference < 1e-4


def test_the_decoder_learns_its_early_features(original, pixels):
    model = load_model(original)
    inject(model, DecoderConfig())
    model.decode(model.encode(pixels), **PROMPTS["boxes"]).low_res_logits.square().mean().backward()
    assert model.sam.mask_decoder.compress_vit_conv1.weight.grad.abs().max() > 0
    assert model.sam.vision_encoder.layers[0].attn.qkv.weight.grad is None


def test_what_cannot_be_says_why(original, pixels):
    model = load(original)
    with pytest.raises(PromptError, match="early features"):
        model.decode(coarse(model.encode(pixels)))
    with pytest.raises(ConfigError, match="cannot become classes"):
        add_head(model, LabelSet.from_names({1: "liver"}))
    with pytest.raises(ConfigError, match="no token of high quality"):
        choose_token(fresh("test"), True)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("image_encoder.layers.0.blocks.0.conv1.c.weight", "mask_decoder.hf_token.weight"), "TinyViT"),
        (("image_encoder.trunk.pos_embed", "sam_mask_decoder.hf_token.weight"), "HQ-SAM 2"),
    ],
)
def test_kinds_without_a_network_are_refused(tmp_path, names, message):
    torch.save({name: torch.zeros(1, 8) for name in names}, tmp_path / "file.pth")
    with pytest.raises(CheckpointError, match=message):
        load(tmp_path / "file.pth")
    assert not inspect(tmp_path / "file.pth").loadable


def test_missing_tensors_are_named(theirs, tmp_path):
    state = to_meta(theirs.state_dict())
    del state["mask_decoder.hf_mlp.layers.1.weight"]
    torch.save(state, tmp_path / "less.pth")
    with pytest.raises(CheckpointError, match=r"mask_decoder\.hq_mask_mlp\.layers\.0\.weight"):
        load(tmp_path / "less.pth")
    assert POSITION_ALIAS in theirs.state_dict()
