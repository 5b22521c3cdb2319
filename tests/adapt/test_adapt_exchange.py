"""Between layouts, and adapters into models and out again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from adapt_cases import METHODS, build_adapted, build_tiny
from safetensors.torch import load_file

import samadapt
from samadapt.adapt import save_adapter
from samadapt.adapt.adaptation import trainable_parameters
from samadapt.adapt.exchange import answers, convert, merge_files, unmerge
from samadapt.adapt.inspect import inspect_any
from samadapt.core.errors import CheckpointError, ConfigError
from samadapt.core.image import LabelSet
from samadapt.models import fresh
from samadapt.models.saving import save_original

MERGEABLE = ("lora", "lora-chosen-blocks", "lora-decoder", "dora", "dora-decoder", "decoder", "full")
LABELS = LabelSet.from_names({1: "liver", 4: "spleen"})


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return save_original(build_tiny(), tmp_path / "base.pth")


@pytest.fixture
def trained(tmp_path: Path, base: Path):
    """Adapter folder of a method on the base file, with every trained value moved."""

    def make(name: str, labels: LabelSet | None = None) -> Path:
        model = samadapt.load_model(base)
        if labels is not None:
            samadapt.adapt.add_head(model, labels)
        samadapt.adapt.inject(model, METHODS[name])
        generator = torch.Generator().manual_seed(3)
        with torch.no_grad():
            for _, parameter in trainable_parameters(model):
                parameter.add_(torch.randn(parameter.shape, generator=generator) * 0.02)
        return save_adapter(model, tmp_path / "adapter")

    return make


@pytest.mark.parametrize("network", ["test", "hiera-test"])
@pytest.mark.parametrize("out", ["model.pth", "model.safetensors", "folder"])
def test_layouts_hold_the_same_model(tmp_path: Path, network, out):
    source = save_original(fresh(network, preprocessing="medsam"), tmp_path / "source.pt")
    target = tmp_path / out
    done = convert(source=str(source), to="transformers" if out == "folder" else "meta", out=target)
    assert done.largest_difference < 1e-6
    back = convert(source=str(target), to="meta", out=tmp_path / "back.safetensors")
    assert back.largest_difference < 1e-6
    one, other = samadapt.load_model(source), samadapt.load_model(tmp_path / "back.safetensors")
    assert one.base_hash == other.base_hash
    assert (other.preprocessing.name, other.image_size, other.architecture) == ("medsam", 64, one.architecture)


def test_the_original_file_comes_back_tensor_by_tensor(golden: Path, tmp_path: Path):
    for name, size in (("sam.pth", None), ("sam2.pt", 256)):
        convert(source=str(golden / name), to="transformers", out=tmp_path / name / "folder", image_size=size)
        convert(source=str(tmp_path / name / "folder"), to="meta", out=tmp_path / name / "back.pth")
        original, back = (torch.load(p, weights_only=True) for p in (golden / name, tmp_path / name / "back.pth"))
        original, back = (state.get("model", state) for state in (original, back))
        assert set(original) == set(back)
        assert all(torch.equal(original[key], back[key]) for key in original)


@pytest.mark.parametrize(
    ("file", "adapter"), [("med2d.pth", None), ("msa.pth", None), ("samed.pth", "samed_lora_r4.pth")]
)
def test_published_adapters_become_ours(golden: Path, tmp_path: Path, file, adapter):
    given = golden / adapter if adapter else None
    done = convert(source=str(golden / file), adapter=given, to="adapter", out=tmp_path / "adapter")
    assert done.largest_difference < 1e-6
    with pytest.raises(ConfigError, match="carries an adapter"):
        convert(source=str(tmp_path / "adapter"), to="meta", out=tmp_path / "model.pth")


@pytest.mark.parametrize("labels", [None, LABELS])
@pytest.mark.parametrize("name", MERGEABLE)
def test_merged_and_taken_out_again(base: Path, trained, tmp_path: Path, name, labels):
    adapter = trained(name, labels)
    expected = answers(samadapt.load_model(adapter))
    done = merge_files(source=str(adapter), out=tmp_path / "merged.safetensors")
    assert done.largest_difference < 1e-5
    merged = samadapt.load_model(tmp_path / "merged.safetensors")
    assert (merged.head is not None) == (labels is not None)
    if labels is not None:
        assert merged.head.label_set.names == labels.names
    for one, other in zip(expected, answers(merged)):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)
    out = unmerge(source=tmp_path / "merged.safetensors", out=tmp_path / "restored.pth")
    assert out.largest_difference < 1e-5
    restored, original = (samadapt.load_model(path) for path in (tmp_path / "restored.pth", base))
    assert restored.head is None
    largest = max(float((a - b).detach().abs().max()) for a, b in zip(restored.parameters(), original.parameters()))
    assert largest < 1e-6
    assert f"{largest:.1e}" in out.notes[1]
    again = samadapt.load_model(tmp_path / "restored-adapter")
    for one, other in zip(expected, answers(again)):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_a_published_file_is_merged_with_its_base(golden: Path, tmp_path: Path):
    expected = load_file(golden / "samed.safetensors")
    merge_files(source=str(golden / "samed_lora_r4.pth"), onto=str(golden / "samed.pth"), out=tmp_path / "merged.pth")
    model = samadapt.load_model(tmp_path / "merged.pth")
    with torch.no_grad():
        logits = model.head.logits(model, model.encode(expected["image"]), expected["image"])
    torch.testing.assert_close(logits, expected["lora.low_res_logits"], atol=1e-4, rtol=0)
    unmerge(source=tmp_path / "merged.pth", out=tmp_path / "base.pth")
    restored, original = (samadapt.load_model(p) for p in (tmp_path / "base.pth", golden / "samed.pth"))
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(restored.parameters(), original.parameters()))


def test_merging_on_sam2(tmp_path: Path):
    base = save_original(fresh("hiera-test", preprocessing="sam2", seed=5), tmp_path / "base.pt")
    model = samadapt.load_model(base)
    samadapt.adapt.inject(model, METHODS["lora"])
    with torch.no_grad():
        for _, parameter in trainable_parameters(model):
            parameter.add_(0.01)
    save_adapter(model, tmp_path / "adapter")
    assert merge_files(source=str(tmp_path / "adapter"), out=tmp_path / "merged.pt").largest_difference < 1e-5
    assert unmerge(source=tmp_path / "merged.pt", out=tmp_path / "again.pt").largest_difference < 1e-5
    assert samadapt.load_model(tmp_path / "again.pt").memory


def test_what_cannot_be_done(base: Path, trained, tmp_path: Path):
    with pytest.raises(ConfigError, match="no adapter"):
        merge_files(source=str(base), out=tmp_path / "merged.pth")
    with pytest.raises(ConfigError, match="no adapter"):
        convert(source=str(base), to="adapter", out=tmp_path / "adapter")
    with pytest.raises(ConfigError, match=r"\.safetensors"):
        convert(source=str(base), to="meta", out=tmp_path / "model.bin")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("x")
    with pytest.raises(ConfigError, match="not empty"):
        convert(source=str(base), to="transformers", out=tmp_path / "full")
    with pytest.raises(CheckpointError, match="merge leaves"):
        unmerge(source=base, out=tmp_path / "base-again.pth")
    save_adapter(build_adapted(METHODS["adapter"]), tmp_path / "folder")
    description = json.loads((tmp_path / "folder" / "adapter.json").read_text())
    description |= {"base_source": str(base), "base_hash": samadapt.load_model(base).base_hash}
    (tmp_path / "folder" / "adapter.json").write_text(json.dumps(description))
    with pytest.raises(ConfigError, match="cannot be folded"):
        merge_files(source=str(tmp_path / "folder"), out=tmp_path / "merged.pth")


def test_a_foreign_or_damaged_undo_folder(base: Path, trained, tmp_path: Path):
    merge_files(source=str(trained("lora")), out=tmp_path / "merged.pth")
    other = save_original(fresh("test", image_size=64, seed=9), tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match="answers differently"):
        unmerge(source=other, undo=tmp_path / "merged.pth.undo", out=tmp_path / "x.pth")
    (tmp_path / "merged.pth.undo" / "undo.json").write_text("{")
    with pytest.raises(CheckpointError, match="damaged"):
        unmerge(source=tmp_path / "merged.pth", out=tmp_path / "y.pth")


def test_an_encoder_with_a_lent_decoder_becomes_an_adapter_that_reloads(golden: Path, tmp_path: Path):
    encoder, lender = golden / "msa.pth", golden / "sam.pth"
    done = convert(source=str(lender), adapter=encoder, to="adapter", out=tmp_path / "adapter")
    assert done.largest_difference < 1e-6
    expected = answers(samadapt.load_model(lender, adapter=encoder))
    assert len(expected) == 7
    for given in ((tmp_path / "adapter",), (lender, None, tmp_path / "adapter"), (encoder, None, tmp_path / "adapter")):
        for one, other in zip(expected, answers(samadapt.load_model(*given))):
            torch.testing.assert_close(other, one, atol=1e-6, rtol=0)
    assert inspect_any(tmp_path / "adapter").loadable
    description = json.loads((tmp_path / "adapter" / "adapter.json").read_text())
    description["context"]["decoder_of"] = str(tmp_path / "moved.pth")
    (tmp_path / "adapter" / "adapter.json").write_text(json.dumps(description))
    assert inspect_any(tmp_path / "adapter").missing == (f"its base model {tmp_path / 'moved.pth'}",)
    with pytest.raises(CheckpointError, match=r"moved\.pth"):
        samadapt.load_model(tmp_path / "adapter")
    assert samadapt.load_model(lender, adapter=tmp_path / "adapter").encoder_only is False
