"""The refiner after the mask decoder."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from samadapt.adapt import inject
from samadapt.adapt.config import DecoderConfig
from samadapt.adapt.semantic import add_head
from samadapt.core.image import LabelSet
from samadapt.models import fresh, load
from samadapt.models.architecture import KNOWN
from samadapt.models.decode_many import can_decode_many
from samadapt.models.loading import save_packaged
from samadapt.models.refine import Prompts, own_iou

REFINED = replace(KNOWN["test"], patch_size=8, fine=6, refine=4)


@pytest.fixture
def model():
    return fresh(REFINED, image_size=64, preprocessing="tiny", seed=4, name="refined").eval()


@pytest.fixture
def pixels():
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def prompts() -> dict[str, torch.Tensor]:
    boxes = torch.tensor([[4.0, 5, 30, 40], [10, 10, 50, 60], [2, 2, 9, 9]]).expand(2, 3, 4)
    points = torch.tensor([[12.0, 13], [30, 33], [5, 4]])[None, :, None].expand(2, 3, 1, 2)
    labels = torch.tensor([1, 0, 1])[None, :, None].expand(2, 3, 1)
    masks = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))
    return {"boxes": boxes, "points": points, "point_labels": labels, "masks": masks}


def awake(model):
    """The same model with something in the layers that begin with zeros."""
    generator = torch.Generator().manual_seed(3)
    for last in (model.sam.mask_decoder.refine.last_mask, model.sam.mask_decoder.refine.last_iou):
        last.weight.data = torch.randn(last.weight.shape, generator=generator)
    return model


def test_it_begins_by_changing_nothing(model, pixels):
    plain = fresh(replace(REFINED, refine=0), image_size=64, preprocessing="tiny", seed=4).eval()
    refined, before = (m.decode(m.encode(pixels), **prompts()) for m in (model, plain))
    assert torch.equal(refined.low_res_logits, before.low_res_logits)
    assert torch.equal(refined.iou, before.iou)
    after = awake(model).decode(model.encode(pixels), **prompts())
    assert not torch.allclose(after.low_res_logits, before.low_res_logits, atol=0.1)
    assert not torch.allclose(after.iou, before.iou, atol=0.1)


def test_images_and_prompts_do_not_mix(model, pixels):
    together = awake(model).decode(model.encode(pixels), **prompts())
    for image in range(2):
        one = {name: value[image : image + 1, 1:2] for name, value in prompts().items()}
        alone = model.decode(model.encode(pixels[image : image + 1]), **one)
        torch.testing.assert_close(
            alone.low_res_logits, together.low_res_logits[image : image + 1, 1:2], atol=1e-4, rtol=0
        )
        torch.testing.assert_close(alone.iou, together.iou[image : image + 1, 1:2], atol=1e-4, rtol=0)


@pytest.mark.parametrize("given", [(), ("boxes",), ("points", "point_labels"), ("masks",)])
def test_every_kind_of_prompt_may_be_absent(model, pixels, given):
    some = {name: value for name, value in prompts().items() if name in given}
    output = awake(model).decode(model.encode(pixels), **some)
    assert output.low_res_logits.shape == (2, 3 if given else 1, 3, 32, 32)
    assert torch.isfinite(output.low_res_logits).all()


def test_prompts_are_drawn_where_they_are():
    boxes = torch.tensor([[16.0, 8, 47, 23]])
    points = torch.tensor([[[20.0, 40], [50, 12], [0, 0]]])
    labels = torch.tensor([[1, 0, -1]])
    maps = Prompts(64, points, labels, boxes).maps(1, (32, 32), torch.device("cpu"))[0]
    ys, xs = torch.nonzero(maps[0] > 0, as_tuple=True)
    assert (xs.min(), ys.min(), xs.max(), ys.max()) == (8, 4, 23, 11)  # exactly the box's pixels, at half the size
    area = torch.pi / 4 * 16 * 8
    assert abs((maps[1] > 0).sum() - area) < 6
    assert ((maps[1] > 0) <= (maps[0] > 0)).all()
    for kind, (x, y) in ((2, (20, 40)), (3, (50, 12))):
        place = int(maps[kind].argmax())
        assert abs(place % 32 - x / 2) <= 1
        assert abs(place // 32 - y / 2) <= 1
        assert maps[kind].max() > 0.9
        assert maps[kind, 0, 0] < 0.01  # padding is no click
    assert not maps[4:].any()
    marked = Prompts(64, masks=torch.full((1, 32, 32), -8.0)).maps(1, (32, 32), torch.device("cpu"))[0]
    assert (marked[4] < -0.95).all()
    assert (marked[5] == 1).all()
    assert not marked[:4].any()


def test_a_mask_that_is_sure_expects_a_high_iou():
    sure = torch.full((8, 8), -20.0)
    sure[2:6, 2:6] = 20
    unsure = torch.where(sure > 0, 0.5, -0.5)
    found = own_iou(torch.stack([sure, unsure, torch.full((8, 8), -20.0)]))
    assert found[0] == pytest.approx(1, abs=1e-4)
    inside, outside = 16 * torch.sigmoid(torch.tensor(0.5)), 48 * torch.sigmoid(torch.tensor(-0.5))
    assert found[1] == pytest.approx(float(inside / (16 + outside)), abs=1e-5)
    assert found[2] < 1e-3


def test_it_learns_with_the_mask_decoder_and_gradients_reach_all_of_it(model, pixels):
    inject(model, DecoderConfig())
    output = awake(model).decode(model.encode(pixels), **prompts())
    (output.low_res_logits.square().mean() + output.iou.square().mean()).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.sam.mask_decoder.refine.parameters())


def test_a_prompt_free_head_goes_without_it(model, pixels):
    head = add_head(awake(model), LabelSet.from_names({1: "a", 2: "b", 3: "c", 4: "d", 5: "e"}), seed=1)
    assert model.architecture.refine == 0
    assert not any("refine" in name for name in model.state_dict())
    assert head.logits(model, model.encode(pixels), pixels).shape == (2, 6, 32, 32)


def test_a_file_says_that_it_has_a_refiner(model, pixels, tmp_path):
    awake(model).half().float()
    again = load(str(save_packaged(model, tmp_path, "refined")))
    assert again.architecture == replace(REFINED, image_size=64, ambiguous_windows=again.architecture.ambiguous_windows)
    assert not again.report.missing
    assert not again.report.unexpected
    answers = [m.decode(m.encode(pixels), **prompts()).low_res_logits for m in (model, again)]
    assert torch.equal(*answers)


def test_masks_by_the_thousand_are_decoded_the_plain_way(model):
    assert not can_decode_many(model)


def test_large_masks_are_redrawn_on_the_grid_it_has_learned_on():
    model = awake(fresh(REFINED, image_size=256, preprocessing="tiny", seed=4).eval())
    image = torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(2))
    masks = torch.randn(1, 1, 128, 128, generator=torch.Generator().manual_seed(3))
    sides: list[int] = []
    refiner = model.sam.mask_decoder.refine
    refiner.enter.register_forward_hook(lambda _, given, __: sides.append(given[0].shape[-1]))
    with torch.no_grad():
        fine = model.decode(model.encode(image), masks=masks).low_res_logits
        refiner.last_mask.weight.zero_()
        plain = model.decode(model.encode(image), masks=masks).low_res_logits
    assert sides == [64, 64]
    change = fine - plain
    assert change.abs().max() > 0.1
    halved = torch.nn.functional.avg_pool2d(change[0], 2)
    smooth = torch.nn.functional.interpolate(halved, (128, 128), mode="bilinear")
    assert (change - smooth).abs().mean() < 0.3 * change.abs().mean()
