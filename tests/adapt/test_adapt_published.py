"""Equality with the public implementations, and files that must be refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from adapt_cases import build_tiny
from safetensors.torch import load_file
from torch import nn
from torch.nn import functional as F

from samadapt.adapt import inject, load_samed, save_adapter
from samadapt.adapt.adaptation import adaptation_of
from samadapt.adapt.config import AdapterConfig
from samadapt.adapt.load import load_model
from samadapt.adapt.published import SYNAPSE
from samadapt.core.errors import AdapterMismatch, CheckpointError
from samadapt.models import load
from samadapt.models.build import assemble
from samadapt.models.convert import from_meta, infer_architecture
from samadapt.models.preprocess import get as get_preprocessing

TOLERANCE = {"atol": 1e-4, "rtol": 0}


def test_samed_before_and_after_lora(golden: Path):
    expected = load_file(golden / "samed.safetensors")
    model = load(golden / "samed.pth")
    with torch.no_grad():
        embedding = model.encode(expected["image"])
        torch.testing.assert_close(embedding, expected["image_embeddings"], **TOLERANCE)
        output = model.decode_tokens(embedding)
        torch.testing.assert_close(output.low_res_logits[:, 0], expected["none.multi.low_res_logits"], **TOLERANCE)
        torch.testing.assert_close(output.iou[:, 0], expected["none.multi.iou"], **TOLERANCE)
        adaptation = load_samed(model, golden / "samed_lora_r4.pth")
        logits = model.head.logits(model, model.encode(expected["image"]), expected["image"])
        torch.testing.assert_close(logits, expected["lora.low_res_logits"], **TOLERANCE)
        adaptation.merge()
        logits = model.head.logits(model, model.encode(expected["image"]), expected["image"])
        torch.testing.assert_close(logits, expected["lora.low_res_logits"], **TOLERANCE)
    assert adaptation.config.rank == 4
    assert tuple(model.head.label_set.names.values()) == SYNAPSE


def test_samed_by_load_model_and_saved_again(golden: Path, tmp_path: Path):
    expected = load_file(golden / "samed.safetensors")
    model = load_model(golden / "samed.pth", adapter=golden / "samed_lora_r4.pth")
    save_adapter(model, tmp_path)
    for again in (load_model(golden / "samed.pth", adapter=tmp_path), load_model(tmp_path)):
        with torch.no_grad():
            logits = again.head.logits(again, again.encode(expected["image"]), expected["image"])
        torch.testing.assert_close(logits, expected["lora.low_res_logits"], **TOLERANCE)


def test_samed_files_that_do_not_fit(golden: Path, tmp_path: Path):
    with pytest.raises(AdapterMismatch, match="position frequencies are not those of fresh-test"):
        load_samed(build_tiny(), golden / "samed_lora_r4.pth")
    with pytest.raises(CheckpointError, match="not a LoRA file of SAMed"):
        load_samed(build_tiny(), golden / "samed.pth")
    state = torch.load(golden / "samed_lora_r4.pth", weights_only=True)
    torch.save({k: v for k, v in state.items() if k not in ("w_a_007", "w_b_007")}, tmp_path / "seven.pth")
    with pytest.raises(AdapterMismatch, match=r"3\.5 blocks of width 96, but .*samed.pth has 4 of width 96"):
        load_samed(load(golden / "samed.pth"), tmp_path / "seven.pth")
    torch.save(state | {"w_b_007": torch.zeros(96, 5)}, tmp_path / "rank.pth")
    with pytest.raises(CheckpointError, match=r"lora_v.B has shape \(96, 5\).* needs \(96, 4\)"):
        load_samed(load(golden / "samed.pth"), tmp_path / "rank.pth")


def test_code_in_a_file_never_runs(tmp_path: Path):
    class Bomb:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "exploded",))

    torch.save({"w_a_000": Bomb()}, tmp_path / "bomb.pth", pickle_module=pickle)
    with pytest.raises(CheckpointError, match="not executed"):
        load_samed(build_tiny(), tmp_path / "bomb.pth")
    assert not (tmp_path / "exploded").exists()


def test_sammed2d_adapter_equals_the_published_one(golden: Path):
    expected = load_file(golden / "med2d.safetensors")
    model = load_model(golden / "med2d.pth")
    assert sum(".mlp.adapter." in name for name in adaptation_of(model).trainable()) == 4 * 6
    mean, std = (torch.tensor(v).view(3, 1, 1) for v in ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)))
    with torch.no_grad():
        embedding = model.encode((expected["image"] - mean) / std)
        torch.testing.assert_close(embedding, expected["image_embeddings"], **TOLERANCE)
        output = model.decode(embedding, expected["points"][:, None], expected["point_labels"][:, None], multimask=True)
    torch.testing.assert_close(output.low_res_logits[:, 0], expected["points.multi.low_res_logits"], **TOLERANCE)
    torch.testing.assert_close(output.iou[:, 0], expected["points.multi.iou"], **TOLERANCE)


def test_sammed2d_saved_again_and_its_base_without_adapters(golden: Path, tmp_path: Path):
    model = load_model(golden / "med2d.pth")
    save_adapter(model, tmp_path)
    again = load_model(tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters()))
    state = torch.load(golden / "med2d.pth", weights_only=True)
    del state["image_encoder.blocks.2.Adapter.channel.0.weight"]
    torch.save(state, tmp_path / "incomplete.pth")
    with pytest.raises(CheckpointError, match=r"missing sam\.vision_encoder\.layers\.2\.mlp\.adapter\.squeeze\.weight"):
        load_model(tmp_path / "incomplete.pth")


def test_medical_sam_adapter_equals_the_published_one(golden: Path):
    expected = load_file(golden / "msa.safetensors")
    state = torch.load(golden / "msa.pth", weights_only=True)
    state = {key.replace(".rel_h", ".rel_pos_h").replace(".rel_w", ".rel_pos_w"): v for key, v in state.items()}
    decoder = {k: v for k, v in load_state(golden / "sam.pth").items() if not k.startswith("vision_encoder.")}
    base = from_meta({k: v for k, v in state.items() if "_Adapter." not in k}) | decoder
    base["vision_encoder.pos_embed"] = resize_table(base["vision_encoder.pos_embed"], 16)
    shapes = {key: tuple(value.shape) for key, value in base.items()}
    model = assemble(infer_architecture(shapes), base, get_preprocessing("sam", 256), name="msa")
    inject(model, AdapterConfig())
    parts = {"D_fc1": "down", "D_fc2": "up"}
    assert copy_adapters(model, state, ".Space_Adapter.", "attn", parts) == 16
    assert copy_adapters(model, state, ".MLP_Adapter.", "mlp", parts) == 16
    for layer in model.sam.vision_encoder.layers:
        normalise_after_padding(layer)
    with torch.no_grad():
        embedding = model.encode(expected["pixel_values"])
    torch.testing.assert_close(embedding, expected["image_embeddings"], **TOLERANCE)


def resize_table(table: torch.Tensor, grid: int) -> torch.Tensor:
    """The published encoder keeps the table of 1024 pixels and resizes it in every forward pass."""
    resized = F.interpolate(table.permute(0, 3, 1, 2), (grid, grid), mode="bicubic", align_corners=False)
    return resized.permute(0, 2, 3, 1).contiguous()


def load_state(path: Path) -> dict[str, torch.Tensor]:
    return from_meta(torch.load(path, weights_only=True))


def normalise_after_padding(layer: nn.Module) -> None:
    """The published block applies its first norm inside the windows, so that padding becomes the norm's bias."""
    norm, layer.layer_norm1 = layer.layer_norm1, nn.Identity()
    layer.attn.register_forward_pre_hook(
        lambda module, args, kwargs: (args, {"hidden_states": norm(kwargs["hidden_states"])}), with_kwargs=True
    )


def copy_adapters(model, state, mark: str, host: str, parts: dict[str, str]) -> int:
    """Copy published adapter tensors into ours; returns how many."""
    own, copied = dict(model.named_parameters()), 0
    for key, value in state.items():
        if mark in key:
            block, (part, _, kind) = key.split(".")[2], key.split(mark)[1].rpartition(".")
            with torch.no_grad():
                own[f"sam.vision_encoder.layers.{block}.{host}.adapter.{parts[part]}.{kind}"].copy_(value)
            copied += 1
    return copied
