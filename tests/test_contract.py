"""The public contract: the names, and what they give, as the README promises them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import samadapt
from samadapt.models import fresh
from samadapt.models.loading import save_packaged


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    save_packaged(fresh("test"), folder, "small")
    return folder / "small.safetensors"


def test_every_public_name_is_there() -> None:
    for name in samadapt.__all__:
        assert getattr(samadapt, name) is not None
    assert len(samadapt.__all__) == 11


def test_the_packaged_model_needs_no_download() -> None:
    model = samadapt.load_model("tiny")
    weights = Path(samadapt.__file__).parent / "models" / "weights" / "tiny.safetensors"
    assert weights.stat().st_size < 15e6
    assert model.image_size == 128
    assert samadapt.load_model("tiny", image_size=256).image_size == 256


def test_five_lines(checkpoint: Path, tmp_path: Path) -> None:
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 255, (50, 70, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "image.png")
    image = samadapt.open(tmp_path / "image.png")
    model = samadapt.load_model(checkpoint)
    predictor = samadapt.Predictor(model).set_image(image)
    first = predictor.predict(box=(10, 10, 40, 30))
    again = predictor.predict(points=[(20, 20)], point_labels=[1], mask=first.low_res_logits[0], multimask=True)
    assert first.mask.shape == (50, 70)
    assert again.masks.shape == (3, 50, 70)
    assert (np.diff(again.scores) <= 0).all()
    assert ((again.logits > 0) == again.masks).all()


def test_model_frame_api_is_batched_and_differentiable(checkpoint: Path) -> None:
    model = samadapt.load_model(checkpoint)
    pixel_values = model.preprocess([np.full((40, 60, 3), 90, np.uint8), np.full((64, 64), 30, np.uint8)])
    assert pixel_values.shape == (2, 3, model.image_size, model.image_size)
    embedding = model.encode(pixel_values)
    points = torch.rand(2, 3, 4, 2) * model.image_size
    output = model.decode(embedding, points=points, point_labels=torch.ones(2, 3, 4, dtype=torch.long))
    assert output.low_res_logits.shape == (2, 3, 3, model.mask_size, model.mask_size)
    assert output.iou.shape == (2, 3, 3)
    masks = output.low_res_logits[:, :, 0].detach()
    refined = model.decode(embedding, boxes=torch.tensor([[[4.0, 4, 30, 30]] * 3] * 2), masks=masks, multimask=False)
    assert refined.low_res_logits.shape[2] == 1
    refined.low_res_logits.sum().backward()
    gradients = [p.grad for p in model.sam.vision_encoder.parameters() if p.requires_grad]
    assert any(g is not None and g.abs().sum() > 0 for g in gradients)
    assert model.decode(embedding).low_res_logits.shape[:2] == (2, 1)


def test_score_is_keyed_by_label() -> None:
    reference = np.zeros((4, 8, 8), np.uint8)
    reference[1:3, 2:6, 2:6] = 2
    found = samadapt.metrics.score(reference, reference, spacing_mm=(3, 1, 1), labels=[2], convention="strict")
    assert {"label", "dice", "iou", "hd95", "assd", "nsd"} <= set(found[2])
    assert (found[2]["dice"], found[2]["hd95"], found[2]["nsd"]) == (1.0, 0.0, 1.0)
