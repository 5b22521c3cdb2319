"""The catalog's facts, and what inspection says of a file."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from samadapt.core.errors import CheckpointError
from samadapt.models import catalog, fresh, preprocess
from samadapt.models.architecture import KNOWN
from samadapt.models.build import empty_sam
from samadapt.models.edgetam.architecture import KNOWN as KNOWN_EDGETAM
from samadapt.models.edgetam.build import empty_edgetam
from samadapt.models.inspect import inspect
from samadapt.models.sam2.architecture import KNOWN as KNOWN_SAM2
from samadapt.models.sam2.build import empty_sam2
from samadapt.models.sam3.architecture import KNOWN as KNOWN_SAM3
from samadapt.models.sam3.build import empty_sam3


def count(module) -> int:
    """Trainable numbers; the Fourier frequencies are a constant."""
    return sum(p.numel() for name, p in module.named_parameters() if "positional_embedding" not in name)


def test_parameter_counts_are_those_of_the_networks():
    counted = 0
    for entry in catalog.entries():
        if entry.parameters is None:
            continue
        model = build(entry)
        assert count(model) == entry.parameters
        assert count(model.vision_encoder) == entry.encoder_parameters
        assert count(model.mask_decoder) == entry.decoder_parameters
        counted += 1
    assert counted == 5 + 3 + 8 + 1 + 1
    vit_b = catalog.get("sam-vit-b")
    assert (vit_b.encoder_parameters, vit_b.decoder_parameters) == (89_670_912, 4_058_340)


def build(entry):
    """The entry's network without memory for its weights."""
    if entry.family == "edgetam":
        return empty_edgetam(KNOWN_EDGETAM[entry.architecture])
    if entry.family == "sam3":
        assert KNOWN_SAM3[entry.architecture].image_size == entry.image_size
        return empty_sam3(KNOWN_SAM3[entry.architecture])
    if entry.family != "sam2":
        assert KNOWN[entry.architecture].image_size == entry.image_size
        return empty_sam(KNOWN[entry.architecture])
    network = KNOWN_SAM2[entry.architecture]
    new = "2.1" in entry.name
    return empty_sam2(replace(network, occlusion=new, pointer_positions=new))


def test_entries_are_complete_and_unique():
    entries = catalog.entries()
    assert len(set(catalog.names())) == len(entries) >= 9
    for entry in entries:
        assert entry.licence
        assert entry.citation
        assert entry.where_from
        assert (entry.preprocessing == "") == (entry.status in ("listed", "untrained"))
        if entry.preprocessing:
            assert preprocess.get(entry.preprocessing).size == entry.image_size
    assert catalog.get("facebook/sam-vit-base").name == "sam-vit-b"
    with pytest.raises(CheckpointError, match="'medsam'"):
        catalog.get("medsan")


def test_the_catalog_does_not_import_torch():
    code = (
        "import sys; import samadapt.models.catalog; assert 'torch' not in sys.modules and 'numpy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("file", "family", "tokens", "classes", "adapters", "preprocessing", "loadable"),
    [
        ("sam.pth", "sam", 4, 0, ("", 0), "sam", True),
        ("samed.pth", "sam", 9, 8, ("", 0), "samed", True),
        ("med2d.pth", "sam-med2d", 4, 0, ("sammed2d-adapter", 24), "sammed2d", True),
        ("samed_lora_r4.pth", "samed-lora", 0, 8, ("lora", 4), "", False),
        ("msa.pth", "medical-sam-adapter", 4, 0, ("adapter", 24), "msa", True),
        ("sam2.pt", "sam2", 4, 0, ("", 0), "sam2", True),
    ],
)
def test_inspection(golden: Path, file, family, tokens, classes, adapters, preprocessing, loadable):
    found = inspect(golden / file)
    assert (found.family, found.mask_tokens, found.classes) == (family, tokens, classes)
    assert (found.adapters, found.adapter_size) == adapters
    assert (found.preprocessing, found.loadable) == (preprocessing, loadable)
    assert found.parameters > 0
    assert found.licence
    assert bool(found.problems) != loadable
    if tokens:
        sizes = ("hiera-16x7", 1024) if family == "sam2" else ("vit-96x4", 256)
        assert (found.size_name, found.image_size) == sizes


def test_inspection_says_what_is_missing_and_assumed(golden: Path, tmp_path: Path):
    assert inspect(golden / "samed_lora_r4.pth").missing == ("its base model",)
    encoder = inspect(golden / "msa.pth").missing
    assert [part.split()[3] for part in encoder][1:] == ["prompt_encoder", "mask_decoder"]
    assert inspect(golden / "sam2.pt").assumed == ("image size", "heads", "windows", "global blocks")
    state = torch.load(golden / "sam.pth", weights_only=True)
    del state["mask_decoder.iou_token.weight"]
    torch.save(state, tmp_path / "less.pth")
    found = inspect(tmp_path / "less.pth")
    assert (found.missing, found.loadable) == (("1 tensor of mask_decoder (iou_token.weight)",), False)


def test_inspection_of_an_adapter_folder(tmp_path: Path):
    from samadapt.adapt import add_head, inject, save_adapter
    from samadapt.adapt.config import LoraConfig
    from samadapt.adapt.inspect import inspect_any
    from samadapt.core.image import LabelSet

    model = fresh("test")
    add_head(model, LabelSet.from_names({1: "liver", 2: "spleen"}))
    inject(model, LoraConfig(rank=3))
    save_adapter(model, tmp_path / "run" / "adapter")
    found = inspect_any(tmp_path / "run")
    assert (found.family, found.adapters, found.adapter_size) == ("samadapt-adapter", "lora", 3)
    assert (found.classes, found.image_size) == (2, 64)
    assert found.missing == ("its base model fresh-test",)
    assert not found.loadable
