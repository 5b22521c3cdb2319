"""More channels than three: exact for the colours, and through every layout."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from samadapt.adapt import inject
from samadapt.adapt.checkpoint import load_adapter, save_adapter
from samadapt.adapt.config import DecoderConfig, LoraConfig
from samadapt.adapt.exchange import merge_files, unmerge
from samadapt.adapt.load import load_model
from samadapt.adapt.merge import merge
from samadapt.core.errors import CheckpointError, ConfigError, ShapeMismatch
from samadapt.core.grid import Grid
from samadapt.core.image import Image
from samadapt.core.rng import named_rng
from samadapt.data.channels import Channels
from samadapt.infer.automatic.generate import pixels_of
from samadapt.infer.memory import track
from samadapt.infer.predictor import Predictor
from samadapt.models import fresh, load, preprocess
from samadapt.models.architecture import KNOWN
from samadapt.models.maps import coarse
from samadapt.models.saving import save_original, save_transformers
from samadapt.models.stem import WideConv, choose_channels, stem_names, widen

FINE = replace(KNOWN["test"], patch_size=8, fine=6)
NETWORKS = {"sam": "test", "fine": FINE, "sam2": "hiera-test"}
BANDS = ("red", "green", "blue", "nir", "swir")


def network(kind: str, **settings):
    return fresh(NETWORKS[kind], image_size=64, preprocessing="sam2" if kind == "sam2" else "tiny", seed=4, **settings)


def bands(*hw: int) -> np.ndarray:
    """Five channels of bytes."""
    return named_rng("stem", *hw).integers(0, 256, (*hw, 5), dtype=np.uint8)


def answers(model, values: torch.Tensor) -> list[torch.Tensor]:
    box = torch.tensor([[[8.0, 10, 40, 50]]]).expand(len(values), 1, 4)
    with torch.no_grad():
        embedding = model.encode(values)
        output = model.decode(embedding, boxes=box)
    return [coarse(embedding), output.low_res_logits, output.iou]


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_widened_model_answers_for_the_colours_bit_for_bit(kind):
    narrow, wide = network(kind), network(kind)
    widen(wide, 5)
    assert (wide.inputs, wide.architecture.inputs) == (5, 5)
    colours = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    before = answers(narrow, colours)
    for further in (torch.randn(2, 2, 64, 64), torch.full((2, 2, 64, 64), 1e6), torch.zeros(2, 2, 64, 64)):
        after = answers(wide, torch.cat([colours, further], 1))
        assert len(before) == 3
        assert all(torch.equal(one, other) for one, other in zip(before, after))


@pytest.mark.parametrize("name", preprocess.names())
def test_the_colours_are_prepared_as_before_whatever_the_further_channels_hold(name):
    plan = preprocess.get(name, 64)
    wide, pixels = plan.wide(5), bands(80, 50).astype(np.float32)
    alone, together = plan.apply(pixels[..., :3]), wide.apply(pixels)
    assert together.shape == (5, 64, 64)
    assert torch.equal(together[:3], alone)
    assert torch.isfinite(together).all()
    batch = torch.from_numpy(pixels.transpose(2, 0, 1).copy())[None]
    assert torch.equal(wide.apply_batch(batch)[0], together)
    with pytest.raises(ShapeMismatch, match="takes 5 channels, not 3"):
        wide.apply(pixels[..., :3])


def test_further_channels_have_their_own_statistics():
    plan = preprocess.get("sam", 64).wide(5, (10.0, 20.0), (2.0, 4.0))
    pixels = np.full((64, 64, 5), 30, np.float32)
    assert plan.apply(pixels)[3:, 0, 0].tolist() == [10.0, 2.5]
    usual = preprocess.get("sam", 64).wide(4)
    assert (usual.mean[3], usual.std[3]) == (pytest.approx(114.495), pytest.approx(57.63))
    for mean, std in (((1.0,), ()), ((), (1.0, 0.0))):
        with pytest.raises(ConfigError, match="2 further channels"):
            preprocess.get("sam", 64).wide(5, mean, std)


def test_a_predictor_sees_the_same_picture():
    image = bands(70, 90)
    narrow, wide = load_model("tiny"), load_model("tiny", channels=5)
    expected = Predictor(narrow).set_image(image[..., :3].copy()).predict(points=[[40, 30]])
    for given in (image, Image(image, Grid.from_spacing((70, 90), (1.0, 1.0)), channels=BANDS)):
        found = Predictor(wide).set_image(given).predict(points=[[40, 30]])
        np.testing.assert_array_equal(found.logits, expected.logits)
        np.testing.assert_array_equal(found.scores, expected.scores)


def test_three_names_choose_what_the_colours_are():
    image = bands(40, 60)
    model = load_model("tiny", channels="nir, red,GREEN")
    picture = Image(image, Grid.from_spacing((40, 60), (1.0, 1.0)), channels=BANDS)
    np.testing.assert_array_equal(pixels_of(model, picture), image[..., [3, 0, 1]])
    assert (model.inputs, stem_names(model)) == (3, [])


def test_the_mean_of_the_colours_as_first_weights():
    narrow, wide = network("sam"), network("sam")
    widen(wide, 6, "mean")
    old, new = (m.sam.vision_encoder.patch_embed.projection for m in (narrow, wide))
    assert torch.equal(new.weight, old.weight)
    torch.testing.assert_close(new.extra, old.weight.mean(1, True).expand(-1, 3, -1, -1) * 0.5)


def test_a_wide_layer_is_one_convolution_in_a_state_dict():
    narrow = torch.nn.Conv2d(3, 4, 3, 2, 1)
    layer = WideConv(narrow, 5, "mean")
    state = layer.state_dict()
    assert {key: tuple(value.shape) for key, value in state.items()} == {"weight": (4, 5, 3, 3), "bias": (4,)}
    assert [name for name, _ in layer.named_parameters()] == ["weight", "bias", "extra"]
    pixels = torch.randn(1, 5, 9, 9)
    torch.testing.assert_close(layer.joined()(pixels), layer(pixels))
    other = WideConv(torch.nn.Conv2d(3, 4, 3, 2, 1), 5)
    other.load_state_dict(state)
    assert torch.equal(other(pixels), layer(pixels))
    assert set(state) == {"weight", "bias"}


def learnt(kind: str, method):
    """A widened and adapted model whose every trained tensor has moved."""
    model = network(kind, name=kind)
    choose_channels(model, Channels(BANDS, BANDS[::-1]), statistics={"mean": (90.0, 80.0), "std": (50.0, 40.0)})
    adaptation = inject(model, method)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for tensor in adaptation.state_dict().values():
            tensor.add_(0.05 * torch.randn(tensor.shape, generator=generator))
    return model.eval(), adaptation


@pytest.mark.parametrize("kind", NETWORKS)
@pytest.mark.parametrize("method", [LoraConfig(rank=2), DecoderConfig()], ids=lambda m: m.method)
def test_the_stem_learns_with_every_method_and_is_kept_with_the_adapter(kind, method, tmp_path):
    model, adaptation = learnt(kind, method)
    assert set(stem_names(model)) <= set(adaptation.trainable())
    assert len(stem_names(model)) == (2 if kind == "fine" else 1)
    save_adapter(model, tmp_path / "adapter")
    again = network(kind, name=kind)
    load_adapter(again, tmp_path / "adapter")
    assert (again.channels, again.preprocessing) == (model.channels, model.preprocessing)
    values = torch.randn(1, 5, 64, 64)
    for one, other in zip(answers(model, values), answers(again.eval(), values)):
        assert torch.equal(one, other)


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_merged_model_is_written_and_read_with_its_channels(kind, tmp_path):
    model, _ = learnt(kind, LoraConfig(rank=2))
    values = torch.randn(1, 5, 64, 64)
    expected = answers(model, values)
    merge(model)
    assert stem_names(model) == []
    written = [save_original(model, tmp_path / "merged.pth")]
    written += [] if kind == "fine" else [save_transformers(model, tmp_path / "merged")]
    for path in written:
        again = load_model(path)
        assert (again.inputs, again.channels, again.preprocessing) == (5, model.channels, model.preprocessing)
        for one, other in zip(expected, answers(again.eval(), values)):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_an_adapter_with_channels_is_taken_out_again(tmp_path):
    base = save_original(network("sam"), tmp_path / "base.pth")
    model = load_model(base, channels=BANDS)
    adaptation = inject(model, LoraConfig(rank=2))
    with torch.no_grad():
        for name in stem_names(model):
            adaptation.state_dict()[name].normal_(std=0.1)
    save_adapter(model, tmp_path / "adapter")
    merge_files(source=str(tmp_path / "adapter"), out=tmp_path / "merged.pth", to="meta")
    unmerge(source=tmp_path / "merged.pth", out=tmp_path / "again.pth")
    assert load_model(tmp_path / "again.pth").inputs == 3
    again, values = load_model(tmp_path / "again-adapter"), torch.randn(1, 5, 64, 64)
    assert again.channels.names == BANDS
    for one, other in zip(answers(model.eval(), values), answers(again, values)):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_the_memory_of_sam_2_sees_all_channels():
    narrow, wide = network("sam2"), network("sam2")
    choose_channels(wide, Channels(("0", "1", "2", "3", "4")))
    frames = [bands(60, 64 + number)[:, :64] for number in range(3)]
    mask = np.zeros((60, 64), bool)
    mask[10:30, 10:30] = True
    expected = track(narrow, [frame[..., :3].copy() for frame in frames], {0: mask})
    found = track(wide, frames, {0: mask})
    assert sorted(found) == [0, 1, 2]
    for index in found:
        np.testing.assert_array_equal(found[index], expected[index])


def test_a_wide_file_without_facts_takes_its_first_channels(tmp_path):
    model, _ = learnt("sam", LoraConfig(rank=2))
    path = save_original(merge(model), tmp_path / "merged.pth")
    path.with_suffix(".json").unlink()
    assert load(path).channels == Channels(("0", "1", "2", "3", "4"))


def test_errors_say_how_many_channels_belong_to_a_model(tmp_path):
    with pytest.raises(ConfigError, match="need three channels, not 2"):
        load_model("tiny", channels=2)
    model, _ = learnt("sam", LoraConfig(rank=2))
    with pytest.raises(CheckpointError, match="takes 5 channels and cannot be widened to 6"):
        widen(model, 6)
    plain = load_model("tiny")
    for image in (bands(8, 9), Image(bands(8, 9), Grid.from_spacing((8, 9), (1.0, 1.0)), channels=BANDS)):
        with pytest.raises((ConfigError, ShapeMismatch), match=r"5 channels \(red|\(8, 9, 5\)"):
            Predictor(plain).set_image(image)
    with pytest.raises(ConfigError, match="no channel 5"):
        Predictor(load_model("tiny", channels=6)).set_image(bands(8, 9))


def test_an_adapter_on_a_wide_base_may_have_another_preprocessing(tmp_path):
    model, _ = learnt("sam", LoraConfig(rank=2))
    base = save_original(merge(model), tmp_path / "wide.pth")
    again = load_model(base)
    again.preprocessing = preprocess.get("sam").fitted(64, 5)
    inject(again, LoraConfig(rank=1))
    save_adapter(again, tmp_path / "adapter")
    found = load_model(tmp_path / "adapter")
    assert (found.preprocessing, found.inputs, stem_names(found)) == (again.preprocessing, 5, [])


def test_an_adapter_keeps_the_number_of_its_channels(tmp_path):
    model = load_model("tiny", channels=BANDS[:4])
    inject(model, LoraConfig(rank=1))
    save_adapter(model, tmp_path)
    again = load_model(tmp_path, channels="0,1,2,5")
    assert (again.inputs, again.channels.names) == (4, ("0", "1", "2", "5"))
    with pytest.raises(CheckpointError, match=r"learnt with 4 channels \(red, green, blue, nir\), not with 3"):
        load_model(tmp_path, channels="red,green,blue")
