"""Clicks, boxes and masks in original pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as PilImage
from safetensors.torch import load_file

from samadapt.core.errors import DataError, PromptError, ShapeMismatch
from samadapt.core.grid import Grid
from samadapt.core.image import Image, Volume
from samadapt.infer.predictor import Predictor
from samadapt.models import SamPromptable, fresh, load, preprocess
from samadapt.models.decode import DecoderOutput


class Painter(SamPromptable):
    """Draws exactly the box it is given, and remembers its prompts: shows the geometry and nothing else."""

    def encode(self, pixel_values):
        self.encoded = getattr(self, "encoded", 0) + 1
        return torch.zeros(len(pixel_values), 1, 4, 4)

    def decode(self, embedding, points=None, point_labels=None, boxes=None, masks=None, multimask=True):
        self.seen = {"points": points, "labels": point_labels, "boxes": boxes, "masks": masks}
        side, count = self.mask_size, 3 if multimask else 1
        if boxes is None:
            centre = points.mean(dim=2)
            boxes = torch.cat([centre - 8, centre + 8], dim=-1)
        step = self.image_size / side
        y, x = torch.meshgrid(*2 * [(torch.arange(side) + 0.5) * step - 0.5], indexing="ij")
        low, high = boxes[..., :2, None, None], boxes[..., 2:, None, None]
        inside = (x >= low[..., 0, :, :]) & (x <= high[..., 0, :, :])
        inside &= (y >= low[..., 1, :, :]) & (y <= high[..., 1, :, :])
        logits = torch.where(inside, 10.0, -10.0)[:, :, None].repeat(1, 1, count, 1, 1)
        logits += torch.arange(count).reshape(-1, 1, 1)
        iou = torch.tensor([0.2, 0.9, 0.5])[:count].expand(*boxes.shape[:2], -1)
        return DecoderOutput(logits, iou)


def painter(plan: str, size: int = 256) -> Painter:
    base = fresh("test", image_size=size)
    return Painter(base.sam, base.architecture, preprocess.get(plan, size), name="painter")


@pytest.fixture
def small() -> SamPromptable:
    return fresh("test", seed=3)


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (48, 80, 3)).astype(np.uint8)


@pytest.mark.parametrize("plan", preprocess.names())
@pytest.mark.parametrize("hw", [(256, 256), (120, 300), (300, 120), (90, 200), (512, 400)])
def test_a_drawn_box_comes_back_where_it_was_given(plan, hw):
    h, w = hw
    box = [w // 4, h // 4, 3 * w // 4, 2 * h // 3]
    answer = Predictor(painter(plan)).set_image(np.zeros(hw, dtype=np.uint8)).predict(box=box)
    assert answer.masks.shape == answer.logits.shape == (3, h, w)
    rows, columns = np.flatnonzero(answer.mask.any(1)), np.flatnonzero(answer.mask.any(0))
    tolerance = 4 * max(max(hw) / 256, 1)
    drawn = np.array([columns[0], rows[0], columns[-1], rows[-1]])
    assert np.abs(drawn - box).max() <= tolerance, (drawn, box)


@pytest.mark.parametrize(
    ("plan", "xy"), [("sam", [192.0, 64.0]), ("medsam", [192.0, 128.0]), ("samed", [192.0, 128.0])]
)
def test_points_reach_the_model_in_its_pixels(plan, xy):
    model = painter(plan)
    predictor = Predictor(model).set_image(np.zeros((100, 200), dtype=np.uint8))
    answer = predictor.predict(points=[[150, 50]])
    assert model.seen["points"].tolist() == [[[xy]]]
    assert model.seen["labels"].tolist() == [[[1]]]
    assert answer.mask[50, 150]
    assert not answer.mask[50, 50]


def test_the_image_is_encoded_once(image):
    model = painter("sam")
    predictor = Predictor(model).set_image(image)
    for x in range(5):
        predictor.predict(points=[[x, 3]])
    assert model.encoded == 1


def test_candidates_are_in_order_of_their_scores(image):
    answer = Predictor(painter("sam")).set_image(image).predict(box=[10, 10, 30, 30])
    np.testing.assert_allclose(answer.scores, [0.9, 0.5, 0.2])
    assert [float(one.max()) for one in answer.low_res_logits] == [11.0, 12.0, 10.0]
    assert answer.score == pytest.approx(0.9)
    single = Predictor(painter("sam")).set_image(image).predict(box=[10, 10, 30, 30], multimask=False)
    assert single.masks.shape == (1, 48, 80)


def test_equal_to_the_original_code(golden: Path):
    reference = load_file(golden / "sam.safetensors")
    predictor = Predictor(load(golden / "sam.pth"))
    compared = 0
    for i in range(2):
        predictor.set_image(reference["image"][i].permute(1, 2, 0).numpy())
        assert torch.allclose(predictor.embedding[0], reference["image_embeddings"][i], atol=1e-4)
        points, labels = reference["points"][i].numpy(), reference["point_labels"][i].numpy()
        box, mask = reference["boxes"][i].numpy(), reference["mask_inputs"][i, 0].numpy()
        given = {
            "points": {"points": points, "point_labels": labels},
            "boxes": {"box": box},
            "points_boxes": {"points": points, "point_labels": labels, "box": box},
            "boxes_masks": {"box": box, "mask": mask},
        }
        for name, prompts in given.items():
            for kind in ("multi", "single"):
                answer = predictor.predict(**prompts, multimask=kind == "multi")
                iou, logits = (reference[f"{name}.{kind}.{field}"][i] for field in ("iou", "low_res_logits"))
                order = iou.argsort(descending=True)
                np.testing.assert_allclose(answer.scores, iou[order], atol=1e-4)
                np.testing.assert_allclose(answer.low_res_logits, logits[order], atol=1e-4)
                assert np.array_equal(answer.masks, answer.logits > 0)
                compared += 1
    assert compared == 16


def test_an_earlier_answer_is_a_prompt(small, image):
    predictor = Predictor(small).set_image(image)
    first = predictor.predict(points=[[20, 20]])
    second = predictor.predict(points=[[20, 20]], mask=first.low_res_logits[0])
    only = predictor.predict(mask=first.low_res_logits[0])
    assert np.abs(first.logits - second.logits).max() > 1e-4
    assert only.masks.shape == (3, 48, 80)


def test_many_boxes_are_the_same_as_one_by_one(small, image):
    predictor = Predictor(small).set_image(image)
    boxes = [[i % 20, i % 10, 30 + i % 40, 20 + i % 20] for i in range(70)]
    together = predictor.predict_boxes(boxes)
    assert len(together) == 70
    for box, answer in list(zip(boxes, together))[::23]:
        np.testing.assert_allclose(answer.logits, predictor.predict(box=box).logits, atol=1e-4)
    assert predictor.predict_boxes(np.zeros((0, 4))) == []


def test_modes_and_gradients_are_left_alone(small, image):
    small.train()
    small.sam.mask_decoder.eval()
    before = [module.training for module in small.modules()]
    Predictor(small).set_image(image).predict(points=[[3, 3]])
    assert [module.training for module in small.modules()] == before
    assert 0 < sum(before) < len(before)
    assert torch.is_grad_enabled()
    assert all(p.grad is None for p in small.parameters())


def test_what_an_image_may_be(small, image, tmp_path):
    PilImage.fromarray(image).save(tmp_path / "image.png")
    grid = Grid.from_spacing((48, 80), (1.0, 1.0))
    volume = Volume(np.stack([image, image]), Grid.from_spacing((2, 48, 80), (1.0, 1.0, 1.0)))
    expected = Predictor(small).set_image(image).predict(points=[[3, 3]]).logits
    same = [image.astype(np.float32), Image(image, grid), volume.slice(1), tmp_path / "image.png"]
    for other in [*same, str(tmp_path / "image.png")]:
        np.testing.assert_allclose(
            Predictor(small).set_image(other).predict(points=[[3, 3]]).logits, expected, atol=1e-5
        )
    with pytest.raises(ShapeMismatch, match="slice"):
        Predictor(small).set_image(volume)
    with pytest.raises(DataError, match=r"0\.\.255"):
        Predictor(small).set_image(image.astype(np.int32) - 1000)
    with pytest.raises(ShapeMismatch, match="list"):
        Predictor(small).set_image([[1, 2]])


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        ({}, "no prompt"),
        ({"points": [[80, 10]]}, "outside"),
        ({"points": [[-1, 10]]}, "outside"),
        ({"points": [[1, 2], [3, 4]], "point_labels": [1]}, "labels"),
        ({"points": [[1, 2]], "point_labels": [2]}, "labels"),
        ({"points": [1, 2, 3]}, "shape"),
        ({"points": []}, "shape"),
        ({"points": [[float("nan"), 2]]}, "finite"),
        ({"points": "middle"}, "numbers"),
        ({"point_labels": [1]}, "without points"),
        ({"box": [30, 10, 20, 20]}, "reversed"),
        ({"box": [10, 10, 200, 20]}, "leaves"),
        ({"box": [10, 10, 20]}, "four"),
        ({"box": [10, 10, 20, float("inf")]}, "finite"),
        ({"mask": np.zeros((47, 80))}, "16, 16"),
    ],
)
def test_prompts_that_cannot_be_used(small, image, prompt, says):
    predictor = Predictor(small).set_image(image)
    with pytest.raises(PromptError, match=says):
        predictor.predict(**prompt)


def test_an_image_comes_first(small):
    predictor = Predictor(small)
    for ask in (lambda: predictor.predict(points=[[1, 1]]), lambda: predictor.predict_boxes([[1, 1, 2, 2]])):
        with pytest.raises(PromptError, match="set_image"):
            ask()
    with pytest.raises(PromptError, match="set_image"):
        _ = predictor.frame


def test_boxes_that_cannot_be_used(small, image):
    predictor = Predictor(small).set_image(image)
    with pytest.raises(PromptError, match=r"\(P, 4\)"):
        predictor.predict_boxes([1, 2, 3, 4])
    with pytest.raises(PromptError, match="reversed"):
        predictor.predict_boxes([[1, 2, 3, 4], [5, 5, 4, 4]])


def test_a_prompt_free_model_takes_no_prompts(small):
    small.head = torch.nn.Identity()
    with pytest.raises(PromptError, match="prompt-free"):
        Predictor(small)
