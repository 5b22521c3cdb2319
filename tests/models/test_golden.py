"""Equality with facebookresearch/segment-anything, tensor by tensor."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file

from samadapt.models import load
from samadapt.models.convert import to_meta
from samadapt.models.decode import dense_position

PROMPTS = ("points", "boxes", "points_boxes", "points_masks", "boxes_masks", "none")
TOLERANCE = 1e-4


def prompts_of(name: str, reference: dict) -> dict:
    parts = name.split("_")
    given = {}
    if "points" in parts:
        given |= {"points": reference["points"][:, None], "point_labels": reference["point_labels"][:, None]}
    if "boxes" in parts:
        given["boxes"] = reference["boxes"][:, None]
    if "masks" in parts:
        given["masks"] = reference["mask_inputs"]
    return given


def test_every_reference_tensor(sam, reference):
    compared = {"image", "points", "point_labels", "boxes", "mask_inputs"}
    with torch.no_grad():
        embedding = sam.encode(sam.preprocess(reference["image"]))
        assert (embedding - reference["image_embeddings"]).abs().max() < TOLERANCE
        assert (dense_position(sam.sam, (16, 16)) - reference["dense_pe"]).abs().max() < TOLERANCE
        compared |= {"image_embeddings", "dense_pe"}
        for name in PROMPTS:
            for kind in ("multi", "single"):
                output = sam.decode(embedding, **prompts_of(name, reference), multimask=kind == "multi")
                for field, value in (("low_res_logits", output.low_res_logits), ("iou", output.iou)):
                    key = f"{name}.{kind}.{field}"
                    assert value[:, 0].shape == reference[key].shape, key
                    assert (value[:, 0] - reference[key]).abs().max() < TOLERANCE, key
                    compared.add(key)
    assert compared == set(reference)
    assert len(compared) == 5 + 2 + 6 * 2 * 2


def test_converting_back_gives_the_same_file(sam, golden: Path):
    original = torch.load(golden / "sam.pth", weights_only=True)
    back = to_meta(sam.sam.state_dict())
    assert set(back) == set(original)
    assert sum(torch.equal(back[key], original[key]) for key in original) == len(original) == 202


def test_image_encoder_and_decoder_of_samed(golden: Path):
    reference = load_file(golden / "samed.safetensors")
    model = load(golden / "samed.pth")
    assert model.preprocessing.name == "samed"
    assert model.mask_tokens == 9
    with torch.no_grad():
        embedding = model.encode(reference["image"])
        output = model.decode_tokens(embedding)
    assert (embedding - reference["image_embeddings"]).abs().max() < TOLERANCE
    assert (output.low_res_logits[:, 0] - reference["none.multi.low_res_logits"]).abs().max() < TOLERANCE
    assert (output.iou[:, 0] - reference["none.multi.iou"]).abs().max() < TOLERANCE
    assert output.iou.shape == (2, 1, 9)
