"""Equality with the public implementations, and files that must be refused."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
import torch
from adapt_cases import build_tiny
from safetensors.torch import load_file

from samadapt.adapt import load_samed, save_adapter
from samadapt.adapt.adaptation import adaptation_of
from samadapt.adapt.load import load_model
from samadapt.adapt.published import SYNAPSE
from samadapt.core.errors import AdapterMismatch, CheckpointError
from samadapt.models import load

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


def test_samed_s_updates_the_decoders_attention_too(golden: Path, tmp_path: Path):
    """Against a base whose weights were changed by hand, tensor by tensor, in the original names."""
    base = torch.load(golden / "samed.pth", weights_only=True)
    generator = torch.Generator().manual_seed(0)
    file = {k: v for k, v in base.items() if k.startswith(("prompt_encoder.", "mask_decoder.")) and "transf" not in k}
    expected = dict(base)

    def update(weight: str, names: tuple[str, str], rows: slice = slice(None)) -> None:
        out, width = expected[weight][rows].shape
        a, b = (torch.randn(shape, generator=generator) * 0.1 for shape in ((3, width), (out, 3)))
        file.update(zip(names, (a, b)))
        expected[weight] = expected[weight].clone()
        expected[weight][rows] += b @ a

    for block in range(4):
        for part, rows in enumerate((slice(0, 96), slice(192, 288))):
            names = (f"w_a_{2 * block + part:03d}", f"w_b_{2 * block + part:03d}")
            update(f"image_encoder.blocks.{block}.attn.qkv.weight", names, rows)
    attentions = {"sa": "self_attn", "cti": "cross_attn_token_to_image", "cit": "cross_attn_image_to_token"}
    for layer in range(2):
        for mark, attention in attentions.items():
            for part, letter in enumerate("qv"):
                names = (f"{mark}_a_{2 * layer + part:03d}", f"{mark}_b_{2 * layer + part:03d}")
                update(f"mask_decoder.transformer.layers.{layer}.{attention}.{letter}_proj.weight", names)
    for letter in "qv":
        weight = f"mask_decoder.transformer.final_attn_token_to_image.{letter}_proj.weight"
        update(weight, (f"fati_{letter}a", f"fati_{letter}b"))
    torch.save(file, tmp_path / "samed_s.pth")
    torch.save(expected, tmp_path / "samed_merged.pth")
    model = load_model(golden / "samed.pth", adapter=tmp_path / "samed_s.pth")
    merged = load_model(tmp_path / "samed_merged.pth")
    pixels = load_file(golden / "samed.safetensors")["image"]
    with torch.no_grad():
        ours, theirs = (one.decode_tokens(one.encode(pixels)).low_res_logits for one in (model, merged))
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    assert (adaptation_of(model).config.rank, adaptation_of(model).config.decoder) == (3, True)
    save_adapter(model, tmp_path / "adapter")
    again = load_model(tmp_path / "adapter")
    with torch.no_grad():
        assert torch.equal(again.decode_tokens(again.encode(pixels)).low_res_logits, ours)
    del file["fati_va"]
    torch.save(file, tmp_path / "incomplete.pth")
    with pytest.raises(CheckpointError, match=r"final_attn_token_to_image\.v_proj\.lora\.A"):
        load_model(golden / "samed.pth", adapter=tmp_path / "incomplete.pth")


@pytest.mark.parametrize("inner", [1, 7, 24, 40])
def test_sammed2d_gates_of_any_width(golden: Path, tmp_path: Path, inner: int):
    state = torch.load(golden / "med2d.pth", weights_only=True)
    state = dict(state.get("model", state))
    for key in [key for key in state if ".Adapter.channel." in key]:
        shape = (inner, 96) if ".channel.0." in key else (96, inner)
        state[key] = torch.randn(shape, generator=torch.Generator().manual_seed(inner))
    torch.save(state, tmp_path / "sam-med2d.pth")
    model = load_model(tmp_path / "sam-med2d.pth")
    gate = model.sam.vision_encoder.layers[0].mlp.adapter.squeeze.weight
    assert torch.equal(gate, state["image_encoder.blocks.0.Adapter.channel.0.weight"])
    save_adapter(model, tmp_path / "adapter")
    again = load_model(tmp_path / "adapter")
    pixels = torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(again.encode(pixels), model.encode(pixels))
