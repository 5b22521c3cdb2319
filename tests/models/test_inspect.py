"""What inspection says of damaged files is what loading does with them."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from size_cases import published, save

from samadapt import load_model
from samadapt.adapt.inspect import inspect_any
from samadapt.core.errors import CheckpointError, SamadaptError
from samadapt.models import fresh
from samadapt.models.inspect import Inspection
from samadapt.models.saving import original_state


def checked(path: Path) -> Inspection:
    """What inspection says, after checking that loading does as it says."""
    found = inspect_any(path)
    assert found.loadable == (not found.problems)
    with nullcontext() if found.loadable else pytest.raises(SamadaptError):
        load_model(path)
    return found


def state_of(name: str) -> dict[str, torch.Tensor]:
    if name == "msa-encoder":
        return {key: value for key, value in published("msa-a").items() if key.startswith("image_encoder.")}
    return original_state(fresh(name)) if name == "hq-test" else published(name)


@pytest.mark.parametrize("name", ["sam-a", "msa-a", "msa-encoder", "med2d-a", "sam2-a", "hq-test"])
def test_files_without_a_tensor(tmp_path: Path, name: str):
    state = state_of(name)
    names = sorted(state)
    refused = 0
    for key in names[5 :: max(1, len(names) // 6)]:
        less = {other: tensor for other, tensor in state.items() if other != key}
        found = checked(save(name, less, tmp_path))
        assert found.loadable == ("Depth_Adapter" in key), key
        refused += not found.loadable
        said = [*found.missing, *found.problems]
        assert found.loadable or any(part in text for text in said for part in key.split(".")[-2:]), key
    assert refused >= 5


@pytest.mark.parametrize("name", ["sam-a", "msa-a", "med2d-a", "sam2-a"])
def test_tensors_of_another_shape_and_strange_ones(tmp_path: Path, name: str):
    state = state_of(name)
    assert checked(save(name, state, tmp_path)).loadable
    norm = next(key for key in state if key.endswith("blocks.1.norm1.weight"))
    found = checked(save(name, state | {norm: torch.ones(3)}, tmp_path))
    assert "1.layer_norm1.weight" in found.problems[0]
    found = checked(save(name, state | {"image_encoder.surplus": torch.ones(3)}, tmp_path))
    assert "image_encoder.surplus" in found.problems[0]


def test_missing_tensors_are_named(tmp_path: Path):
    state = published("med2d-a")
    for key in ("mask_decoder.iou_token.weight", "image_encoder.blocks.2.Adapter.spatial.2.weight"):
        del state[key]
    found = inspect_any(save("med2d-a", state, tmp_path))
    assert found.missing == (
        "1 tensor of mask_decoder (iou_token.weight)",
        "1 tensor of the adapters (sam.vision_encoder.layers.2.mlp.adapter.grow.weight)",
    )
    assert len(found.problems) == 2


def test_a_whole_file_of_medical_sam_adapter_is_not_completed_in_silence(tmp_path: Path):
    state = published("msa-a")
    del state["mask_decoder.mask_tokens.weight"]
    with pytest.raises(CheckpointError, match=r"mask_decoder\.mask_tokens\.weight"):
        load_model(save("msa-a", state, tmp_path))
