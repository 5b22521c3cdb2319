"""Files, folders and names: what loads, at which size, and what is refused."""

from __future__ import annotations

import pickle
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from samadapt.core.errors import CheckpointError, NonFiniteValues
from samadapt.models import fresh, hub, load, loading
from samadapt.models.architecture import KNOWN
from samadapt.models.convert import from_meta, infer_architecture, to_meta
from samadapt.models.untrained import hash_model


def shapes_of(state) -> dict:
    return {key: tuple(value.shape) for key, value in state.items()}


def states_equal(one, other) -> bool:
    a, b = one.sam.state_dict(), other.sam.state_dict()
    return set(a) == set(b) and all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize("size", [64, 128, 256, 384, 512])
def test_other_image_sizes(golden: Path, size):
    model = load(golden / "sam.pth", image_size=size)
    tables = {f"vision_encoder.layers.{i}.attn.rel_pos_{axis}" for i in (1, 3) for axis in "hw"}
    expected = set() if size == 256 else tables | {"vision_encoder.pos_embed"}
    assert set(model.report.resampled) == expected
    assert len(model.report.exact) == 202 - len(expected)
    assert (model.image_size, model.mask_size, model.preprocessing.size) == (size, size // 4, size)
    with torch.no_grad():
        output = model(model.preprocess(torch.rand(3, size, size) * 255))
    assert output.low_res_logits.shape == (1, 1, 3, size // 4, size // 4)
    assert model.base_hash == load(golden / "sam.pth").base_hash


def test_resampling_is_that_of_samed():
    table = torch.arange(4.0).reshape(1, 2, 2, 1)
    from samadapt.models.resample import resample_positions

    state = {
        "vision_encoder.pos_embed": table,
        "vision_encoder.layers.0.attn.rel_pos_h": torch.arange(3.0)[:, None],
        "vision_encoder.layers.1.attn.rel_pos_h": torch.arange(3.0)[:, None],
    }
    new, changed = resample_positions(state, 4, (1,))
    assert changed == ("vision_encoder.pos_embed", "vision_encoder.layers.1.attn.rel_pos_h")
    assert new["vision_encoder.pos_embed"][0, :, 0, 0].tolist() == [0.0, 0.5, 1.5, 2.0]
    expected = torch.nn.functional.interpolate(torch.arange(3.0)[None, None, :, None], (7, 1), mode="bilinear")
    assert torch.equal(new["vision_encoder.layers.1.attn.rel_pos_h"], expected[0, 0])
    assert new["vision_encoder.layers.0.attn.rel_pos_h"].shape == (3, 1)


@pytest.mark.parametrize("size", [0, 16, 100, -256])
def test_image_sizes_that_do_not_fit(small_file, size):
    with pytest.raises(CheckpointError, match=str(size)):
        load(small_file, image_size=size)


@pytest.mark.parametrize("name", ["vit-b", "vit-l", "vit-h", "tiny", "test"])
def test_architectures_are_inferred_from_shapes(name):
    from samadapt.models.build import empty_sam

    state = to_meta(empty_sam(KNOWN[name]).state_dict())
    assert infer_architecture(shapes_of(from_meta(state))) == KNOWN[name]
    assert KNOWN[name].from_dict(KNOWN[name].as_dict()) == KNOWN[name]


def test_equal_relative_positions_are_reported_as_ambiguous():
    from samadapt.models.build import empty_sam

    shapes = shapes_of(empty_sam(KNOWN["vit-b"].at(224)).state_dict())
    found = infer_architecture(shapes)
    assert found.ambiguous_windows
    assert (found.window, found.global_blocks) == (14, (2, 5, 8, 11))


def test_a_transformers_folder_is_the_same_model(small, small_file, tmp_path):
    small.sam.save_pretrained(tmp_path / "folder")
    one, other = load(tmp_path / "folder"), load(small_file)
    assert states_equal(one, other)
    assert one.base_hash == other.base_hash == hash_model(small)
    assert one.architecture == other.architecture
    pixels = torch.ones(1, 3, 64, 64)
    torch.testing.assert_close(one(pixels).low_res_logits, other(pixels).low_res_logits, atol=1e-6, rtol=0)


def beside(wrapper: str) -> dict:
    """As SAM-Med2D does: the optimizer itself, not its state, after it has stepped; and what others put beside it."""
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.AdamW([weight]) if wrapper == "everything" else torch.optim.Adam([weight])
    weight.sum().backward()
    optimizer.step()
    if wrapper != "everything":
        return {"optimizer": optimizer}
    scheduler = torch.optim.lr_scheduler.MultiStepLR(optimizer, [7, 12], gamma=0.5)
    return {"optimizer": optimizer, "lr_scheduler": scheduler, "args": Namespace(lr=1e-4, out="runs")}


@pytest.mark.parametrize(
    "wrapper", ["model", "state_dict", "module", "safetensors", "half", "optimizer", "legacy", "everything"]
)
def test_the_ways_people_save(small, small_file, tmp_path, wrapper):
    state = to_meta(small.sam.state_dict())
    path = tmp_path / "saved.anything"
    if wrapper == "safetensors":
        save_file(state, path)
    elif wrapper in ("optimizer", "legacy", "everything"):
        torch.save({"model": state} | beside(wrapper), path, _use_new_zipfile_serialization=wrapper != "legacy")
    elif wrapper == "module":
        torch.save({f"module.{key}": value for key, value in state.items()}, path)
    elif wrapper == "half":
        torch.save({key: value.half() for key, value in state.items()}, path)
    else:
        torch.save({wrapper: state, "epoch": 3}, path)
    model = load(path)
    assert len(model.report.exact) == len(state)
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    if wrapper != "half":
        assert states_equal(model, load(small_file))


def test_packaged_weights_are_half_precision_and_load_in_full(small, tmp_path, monkeypatch):
    path = loading.save_packaged(small, tmp_path, "wee", licence="Apache-2.0")
    assert path.stat().st_size < 2.5 * sum(p.numel() for p in small.parameters())
    monkeypatch.setattr(loading, "WEIGHTS", tmp_path)
    model = loading.packaged("wee")
    assert (model.name, model.preprocessing.name) == ("wee", "tiny")
    assert {p.dtype for p in model.parameters()} == {torch.float32}
    for ours, theirs in zip(model.parameters(), small.parameters()):
        torch.testing.assert_close(ours, theirs, atol=1e-3, rtol=1e-3)
    with pytest.raises(CheckpointError, match="nothing-here"):
        loading.packaged("nothing-here")


class Evil:
    """A pickle that would create a file if anything executed it."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return (open, (str(self.target), "w"))


@pytest.mark.parametrize("how", ["zip", "plain", "hidden"])
def test_code_in_a_pickle_is_not_executed(small, tmp_path, how):
    target, path = tmp_path / "created", tmp_path / "evil.pth"
    if how == "plain":
        path.write_bytes(pickle.dumps(Evil(target), protocol=2))
    else:
        content = {"model": to_meta(small.sam.state_dict()), "extra": Evil(target)} if how == "hidden" else Evil(target)
        torch.save(content, path)
    with pytest.raises(CheckpointError, match="not executed"):
        load(path)
    assert not target.exists()


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.99])
@pytest.mark.parametrize("kind", ["pth", "safetensors"])
def test_truncated_files(small, tmp_path, share, kind):
    path = tmp_path / f"cut.{kind}"
    state = to_meta(small.sam.state_dict())
    save_file(state, path) if kind == "safetensors" else torch.save(state, path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(CheckpointError, match=r"truncated|empty") as error:
        load(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("samed_lora_r4.pth", "SAMed LoRA"),
        ("msa.pth", "Medical SAM Adapter"),
        ("med2d.pth", "SAM-Med2D"),
        ("sam.safetensors", "no segment-anything checkpoint"),
    ],
)
def test_other_families_are_named(golden: Path, file, says):
    with pytest.raises(CheckpointError, match=says):
        load(golden / file)


def test_another_architecture_altogether(tmp_path):
    torch.save(torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU()).state_dict(), tmp_path / "unet.pth")
    with pytest.raises(CheckpointError, match=r"0\.weight"):
        load(tmp_path / "unet.pth")


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, {}, torch.ones(3)])
def test_pickles_without_named_tensors(tmp_path, content):
    torch.save(content, tmp_path / "odd.pth")
    with pytest.raises(CheckpointError, match="tensors"):
        load(tmp_path / "odd.pth")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("version https://git-lfs.github.com/spec/v1", "LFS"),
        ("<!doctype html>", "web page"),
        ("just some text in a file", "neither"),
    ],
)
def test_files_that_are_no_checkpoints(tmp_path, text, says):
    path = tmp_path / "weights.pth"
    path.write_text(text)
    with pytest.raises(CheckpointError, match=says):
        load(path)


def spoil(state, how):
    key = "mask_decoder.iou_token.weight"
    if how == "nan":
        state[key] = state[key].clone().fill_(float("nan"))
    elif how == "integer":
        state[key] = state[key].to(torch.int8)
    elif how == "missing":
        del state[key]
    elif how == "shape":
        state[key] = torch.ones(1, 7)
    else:
        state["image_encoder.surplus"] = torch.ones(2)
    return state


@pytest.mark.parametrize(
    ("how", "error", "says"),
    [
        ("nan", NonFiniteValues, "iou_token"),
        ("integer", CheckpointError, "int8"),
        ("missing", CheckpointError, "iou_token"),
        ("shape", CheckpointError, "iou_token"),
        ("unexpected", CheckpointError, "surplus"),
    ],
)
def test_spoiled_weights(small, tmp_path, how, error, says):
    path = tmp_path / "spoiled.pth"
    torch.save(spoil(to_meta(small.sam.state_dict()), how), path)
    with pytest.raises(error, match=says) as caught:
        load(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("how", "group", "allow"),
    [
        ("missing", "missing", ["missing"]),
        ("missing", "missing", ["*.iou_token.*"]),
        ("shape", "dropped", ["dropped"]),
        ("unexpected", "unexpected", ["*surplus"]),
    ],
)
def test_what_is_allowed_is_reported(small, tmp_path, how, group, allow):
    path = tmp_path / "spoiled.pth"
    torch.save(spoil(to_meta(small.sam.state_dict()), how), path)
    model, again = load(path, allow=allow), load(path, allow=allow)
    assert len(getattr(model.report, group)) == 1
    assert states_equal(model, again)
    assert f"1 {group}" in str(model.report)


def test_a_med2d_file_gives_its_sam_when_asked(golden: Path):
    model = load(golden / "med2d.pth", allow=["*.Adapter.*"])
    assert len(model.report.unexpected) == 24
    assert model.preprocessing.name == "sammed2d"


@pytest.mark.parametrize("name", ["sam-vit-q", "nothing", "a/b.pth", "/no/such/folder", "./x/y"])
def test_names_that_do_not_exist(name):
    with pytest.raises(CheckpointError, match=name):
        load(name)


def test_without_a_network_the_message_says_how_to_carry_weights_over(monkeypatch):
    import huggingface_hub

    def offline(*_args, **_options):
        raise ConnectionError("no route to host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    for name in ("sam-vit-b", "someone/some-sam"):
        with pytest.raises(CheckpointError, match="--local-dir"):
            load(name)


def test_a_catalog_name_brings_its_preprocessing(small, tmp_path, monkeypatch):
    small.sam.save_pretrained(tmp_path)
    monkeypatch.setattr(hub, "download", lambda repository: tmp_path)
    model = load("medsam")
    assert (model.name, model.family, model.preprocessing.name) == ("medsam", "medsam", "medsam")
    assert model.preprocessing.size == 64
    assert not model.multimask
    assert load("wanglab/medsam-vit-base").preprocessing.name == "medsam"


def test_folders_of_other_models(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(CheckpointError, match="bert"):
        load(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(CheckpointError, match="damaged"):
        load(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "sam"}')
    with pytest.raises(CheckpointError, match="no weights"):
        load(tmp_path)


def test_random_weights_depend_on_the_seed_alone():
    torch.manual_seed(1)
    one = fresh("test", seed=5)
    torch.manual_seed(2)
    assert one.base_hash == fresh("test", seed=5).base_hash != fresh("test", seed=6).base_hash
    with pytest.raises(CheckpointError, match="vit-x"):
        fresh("vit-x")


def test_only_embeddings_are_drawn_from_a_standard_normal() -> None:
    model = fresh("test")
    wide = {name for name, p in model.sam.named_parameters() if p.numel() > 200 and p.std() > 0.6}
    assert all(name.endswith(("mask_tokens.weight", "positional_embedding")) for name in wide)
    decoder = dict(model.sam.mask_decoder.named_parameters())
    crossing = [p for name, p in decoder.items() if "cross_attn_image_to_token" in name and p.ndim == 2]
    assert len(crossing) == 8
    assert all(float(p.detach().abs().max()) < 0.6 for p in crossing)
