"""Adapters on disk: what they carry, what they refuse, how big they are."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from adapt_cases import LABELS, answers, build_adapted, build_tiny
from safetensors.torch import load_file, save_file

from samadapt.adapt import load_adapter, read_adapter_info, save_adapter
from samadapt.adapt.adaptation import adaptation_of
from samadapt.adapt.config import LoraConfig
from samadapt.adapt.load import find_adapter, load_model
from samadapt.core.errors import AdapterMismatch, CheckpointError, ConfigError
from samadapt.core.image import LabelSet
from samadapt.core.manifest import file_hash
from samadapt.models.architecture import KNOWN
from samadapt.models.loading import save_packaged
from samadapt.models.untrained import fresh

DAMAGES = ["truncated", "absent", "not-json", "no-key", "no-labels", "not-ours", "unknown-method"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return save_adapter(build_adapted(LoraConfig(), LABELS), tmp_path / "adapter", context={"window": [-125, 275]})


def edit(folder: Path, **changes: object) -> None:
    path = folder / "adapter.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def test_description(folder: Path):
    info = read_adapter_info(folder)
    model = build_tiny()
    assert info.label_set == LABELS
    assert (info.base_name, info.base_hash, info.image_size) == ("fresh-test", model.base_hash, 64)
    assert info.preprocessing == model.preprocessing.name
    assert info.method == LoraConfig().model_dump(mode="json")
    assert info.context == {"window": [-125, 275], "context": 1}
    assert info.versions.keys() == {"samadapt", "torch"}
    assert info.parameters == sum(t.numel() for t in load_file(folder / "adapter.safetensors").values())
    load_adapter(model, folder)
    assert model.adapter_hash == file_hash(folder / "adapter.safetensors")
    assert sorted(p.name for p in folder.iterdir()) == ["adapter.json", "adapter.safetensors"]


def test_another_base_is_refused_with_both_hashes(folder: Path):
    other = build_tiny(seed=1)
    with pytest.raises(AdapterMismatch) as error:
        load_adapter(other, folder)
    text = str(error.value)
    assert other.base_hash in text
    assert build_tiny().base_hash in text
    assert "load_model('fresh-test'" in text


def test_another_image_size_is_refused(folder: Path):
    model = build_tiny(96)
    model.base_hash = build_tiny().base_hash
    with pytest.raises(AdapterMismatch, match=r"trained at 64 px, but the model is set to 96 px.*image_size=64"):
        load_adapter(model, folder)


def test_newer_format_is_refused(folder: Path):
    edit(folder, version=2)
    with pytest.raises(CheckpointError, match=r"format 2 is newer than format 1.*Update samadapt"):
        load_adapter(build_tiny(), folder)


def test_tensors_of_another_rank_are_refused(folder: Path):
    edit(folder, method=LoraConfig(rank=8).model_dump(mode="json"))
    model = build_tiny()
    with pytest.raises(AdapterMismatch, match=r"states rank 8, but the tensors of adapter\.safetensors have rank 4"):
        load_adapter(model, folder)
    edit(folder, method=LoraConfig(rank=4).model_dump(mode="json"))
    load_adapter(model, folder)  # the refused folder left the model as it was


def test_missing_and_unexpected_tensors_are_named(folder: Path):
    state = load_file(folder / "adapter.safetensors")
    state["stranger"] = state.pop("sam.mask_decoder.iou_token.weight")
    save_file(state, folder / "adapter.safetensors")
    with pytest.raises(CheckpointError, match=r"missing sam.mask_decoder.iou_token.weight; unexpected stranger"):
        load_adapter(build_tiny(), folder)


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_folders(folder: Path, damage: str):
    weights, text = folder / "adapter.safetensors", folder / "adapter.json"
    tree = json.loads(text.read_text())
    if damage == "truncated":
        weights.write_bytes(weights.read_bytes()[:-10])
    elif damage == "absent":
        weights.unlink()
    elif damage == "not-json":
        text.write_text('{"format": ')
    elif damage == "no-key":
        text.write_text(json.dumps({k: v for k, v in tree.items() if k != "base_hash"}))
    elif damage == "no-labels":
        edit(folder, label_set={"labels": [{"name": "liver"}], "ignore": None})
    elif damage == "not-ours":
        text.write_text('{"peft_type": "LORA"}')
    else:
        edit(folder, method={"method": "loar"})
    with pytest.raises(CheckpointError) as error:
        load_adapter(build_tiny(), folder)
    assert str(folder) in str(error.value)


def test_no_adapter_at_all(tmp_path: Path):
    with pytest.raises(CheckpointError, match=r"adapter\.json is missing"):
        read_adapter_info(tmp_path)
    with pytest.raises(ConfigError, match="no adaptation"):
        save_adapter(build_tiny(), tmp_path)


def test_half_precision_on_disk(tmp_path: Path):
    model = build_adapted(LoraConfig(), LABELS)
    full, half = save_adapter(model, tmp_path / "full"), save_adapter(model, tmp_path / "half", half=True)
    sizes = [(f / "adapter.safetensors").stat().st_size for f in (full, half)]
    assert sizes[1] < 0.65 * sizes[0]
    again = build_tiny()
    load_adapter(again, half)
    assert {p.dtype for p in again.parameters()} == {torch.float32}
    with torch.no_grad():
        assert all(torch.allclose(a, b, atol=0.05) for a, b in zip(answers(model), answers(again)))


def test_a_small_adapter_stays_under_five_megabytes(tmp_path: Path):
    from samadapt.adapt import add_head, inject

    wide = replace(KNOWN["tiny"], hidden=192, depth=8, heads=6, mlp_dim=768, decoder_mlp_dim=512, global_blocks=(3, 7))
    model = fresh(wide)
    add_head(model, LabelSet.from_names({k: f"organ {k}" for k in range(1, 14)}))
    inject(model, LoraConfig(rank=4))
    save_adapter(model, tmp_path)
    assert sum(p.stat().st_size for p in tmp_path.iterdir()) < 5_000_000


def test_load_model_finds_the_adapter_of_a_run(tmp_path: Path, golden: Path):
    from samadapt.adapt import add_head, inject

    base = golden / "sam.pth"
    model = load_model(base, image_size=128)
    add_head(model, LABELS)
    inject(model, LoraConfig(rank=1))
    save_adapter(model, tmp_path / "run" / "adapter")
    assert find_adapter(tmp_path / "run") == tmp_path / "run" / "adapter"
    assert find_adapter(tmp_path) is None
    for found in (
        load_model(tmp_path / "run"),
        load_model(tmp_path / "run" / "adapter"),
        load_model(base, adapter=tmp_path / "run"),
    ):
        assert (found.image_size, found.head, found.training) == (128, model.head, False)
        with torch.no_grad():
            assert all(torch.equal(a, b) for a, b in zip(answers(model), answers(found)))
    with pytest.raises(CheckpointError, match="both the model and the adapter"):
        load_model(tmp_path / "run", adapter=tmp_path / "run")


def test_neighbouring_slices_are_remembered(tmp_path: Path):
    model = build_adapted(LoraConfig(rank=1), LABELS)
    save_adapter(model, tmp_path, context={"context": 3})
    again = build_tiny()
    load_adapter(again, tmp_path)
    assert again.head.context == 3


def test_load_model_finds_a_whole_new_model_of_a_run(tmp_path: Path):
    model = build_tiny()
    save_packaged(model, tmp_path / "run" / "model", "newcomer")
    for path in (tmp_path / "run", tmp_path / "run" / "model"):
        found = load_model(path)
        assert adaptation_of(found) is None
        pairs = list(zip(model.parameters(), found.parameters()))
        assert all(torch.allclose(a, b, atol=1e-3, rtol=1e-3) for a, b in pairs)
        assert len(pairs) == len(list(model.parameters()))


def test_load_model_whose_base_is_gone(folder: Path, golden: Path):
    with pytest.raises(
        CheckpointError, match=r"its base model fresh-test cannot be loaded.*Give the base model yourself"
    ):
        load_model(folder)
    with pytest.raises(CheckpointError, match=r"adapter\.json is missing"):
        load_model(golden / "sam.pth", adapter=folder / "nothing")


def test_configuration_needs_no_torch():
    code = "import sys, samadapt.adapt, samadapt.adapt.config, samadapt.adapt.load; print('torch' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
