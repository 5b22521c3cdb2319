"""LoRA files of SAMed and SAMed_s of other ranks and classes, on a base of no published size."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from samadapt import load_model
from samadapt.adapt import save_adapter
from samadapt.adapt.adaptation import adaptation_of
from samadapt.adapt.inspect import inspect_any
from samadapt.adapt.semantic import add_head
from samadapt.core.errors import CheckpointError
from samadapt.core.image import LabelSet
from samadapt.models import fresh
from samadapt.models.architecture import KNOWN
from samadapt.models.saving import original_state

NETWORK = replace(
    KNOWN["test"],
    image_size=96,
    hidden=20,
    depth=3,
    heads=5,
    window=4,
    global_blocks=(1,),
    channels=16,
    decoder_depth=1,
    iou_depth=2,
)
ATTENTIONS = {"sa": "self_attn", "cti": "cross_attn_token_to_image", "cit": "cross_attn_image_to_token"}


def drawn(shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
    return torch.randn(shape, generator=generator) * 0.2


def files(folder: Path, rank: int, classes: int, small: bool) -> tuple[Path, Path, Path]:
    """Base, LoRA file, and the base with the file's changes made by hand, all by the original names."""
    generator = torch.Generator().manual_seed(rank)
    trained = fresh(NETWORK, seed=5)
    add_head(trained, LabelSet.from_names({k: f"class {k}" for k in range(1, classes + 1)}), seed=rank)
    base, merged = original_state(fresh(NETWORK, seed=5)), original_state(trained)
    state = {key: value for key, value in merged.items() if key.startswith(("prompt_encoder.", "mask_decoder."))}
    state = {key: value for key, value in state.items() if not (small and ".transformer." in key)}

    def update(weight: str, down: str, up: str, rows: slice = slice(None)) -> None:
        out, width = merged[weight][rows].shape
        state[down], state[up] = drawn((rank, width), generator), drawn((out, rank), generator)
        merged[weight] = merged[weight].clone()
        merged[weight][rows] += state[up] @ state[down]

    for number in range(2 * NETWORK.depth):
        rows = slice(0, 20) if number % 2 == 0 else slice(40, 60)
        weight = f"image_encoder.blocks.{number // 2}.attn.qkv.weight"
        update(weight, f"w_a_{number:03d}", f"w_b_{number:03d}", rows)
    transformer = "mask_decoder.transformer."
    for part, letter in enumerate("qv" if small else ""):
        for mark, attention in ATTENTIONS.items():
            weight = f"{transformer}layers.0.{attention}.{letter}_proj.weight"
            update(weight, f"{mark}_a_{part:03d}", f"{mark}_b_{part:03d}")
        weight = f"{transformer}final_attn_token_to_image.{letter}_proj.weight"
        update(weight, f"fati_{letter}a", f"fati_{letter}b")
    paths = folder / "sam.pth", folder / "epoch_159.pth", folder / "samed.pth"
    for path, content in zip(paths, (base, state, merged)):
        torch.save(content, path)
    return paths


@pytest.mark.parametrize("small", [False, True], ids=["samed", "samed_s"])
@pytest.mark.parametrize(("rank", "classes"), [(1, 1), (3, 5), (8, 3)])
def test_a_file_equals_its_base_changed_by_hand(tmp_path: Path, rank: int, classes: int, small: bool):
    base, file, merged = files(tmp_path, rank, classes, small)
    ours, theirs = load_model(base, adapter=file), load_model(merged)
    pixels = drawn((1, 3, 96, 96), torch.Generator().manual_seed(1))
    with torch.no_grad():
        logits = ours.head.logits(ours, ours.encode(pixels), None)
        expected = theirs.decode_tokens(theirs.encode(pixels)).low_res_logits[:, 0]
    torch.testing.assert_close(logits, expected, atol=1e-5, rtol=0)
    assert logits.shape == (1, classes + 1, 24, 24)
    assert (ours.preprocessing.name, theirs.preprocessing.name) == ("samed", "samed")
    assert ours.preprocessing.size == 96
    config = adaptation_of(ours).config
    assert (config.rank, config.decoder) == (rank, small)
    save_adapter(ours, tmp_path / "adapter")
    again = load_model(tmp_path / "adapter")
    with torch.no_grad():
        assert torch.equal(again.head.logits(again, again.encode(pixels), None), logits)
    found = inspect_any(file)
    assert (found.adapter_size, found.classes, found.missing) == (rank, classes, ("its base model",))


@pytest.mark.parametrize(
    ("small", "key"),
    [
        (False, "w_b_003"),
        (False, "w_a_005"),
        (False, "prompt_encoder.no_mask_embed.weight"),
        (False, "mask_decoder.transformer.layers.0.norm1.bias"),
        (True, "cti_a_001"),
        (True, "fati_vb"),
        (True, "mask_decoder.iou_token.weight"),
    ],
)
def test_what_a_file_lacks_is_named_by_inspection_and_by_loading(tmp_path: Path, small: bool, key: str):
    base, file, _ = files(tmp_path, 2, 2, small)
    state = torch.load(file, weights_only=True)
    del state[key]
    torch.save(state, file)
    assert inspect_any(file).missing == ("its base model", f"1 tensor of the file itself ({key})")
    with pytest.raises(CheckpointError):
        load_model(base, adapter=file)
