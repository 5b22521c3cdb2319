"""Losses against the published implementations' own numbers, and what makes them usable."""

import pytest
import torch
from safetensors.torch import load_file

from samadapt.train.losses import IGNORE, box_loss, iou_per_mask, med2d_loss, semantic_loss


def test_semantic_loss_equals_samed(golden):
    reference = load_file(golden / "samed.safetensors")
    loss = semantic_loss(reference["lora.low_res_logits"], reference["low_res_label"])
    assert loss.parts["ce"] == pytest.approx(reference["loss_ce"].item(), abs=1e-5)
    assert loss.parts["dice"] == pytest.approx(reference["loss_dice"].item(), abs=1e-5)
    assert loss.total.item() == pytest.approx(reference["loss"].item(), abs=1e-5)


def test_med2d_loss_equals_sammed2d(golden):
    reference = load_file(golden / "med2d.safetensors")
    loss = med2d_loss(reference["train.masks"], reference["label"], reference["train.iou"])
    assert loss.total.item() == pytest.approx(reference["train.loss"].item(), abs=1e-5)


def _batch(seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(4, 3, 16, 16, generator=generator)
    return logits, torch.randint(0, 3, (4, 16, 16), generator=generator)


def test_per_sample_loss_is_the_mean_of_its_samples_and_batch_dice_is_not():
    logits, labels = _batch()
    labels[0] = 0
    parts = [semantic_loss(logits[i : i + 2], labels[i : i + 2], per_sample=True).total for i in (0, 2)]
    whole = semantic_loss(logits, labels, per_sample=True).total
    assert torch.allclose(torch.stack(parts).mean(), whole, atol=1e-6)
    batch = [semantic_loss(logits[i : i + 2], labels[i : i + 2]).total for i in (0, 2)]
    assert not torch.allclose(torch.stack(batch).mean(), semantic_loss(logits, labels).total, atol=1e-5)


@pytest.mark.parametrize("per_sample", [False, True])
def test_ignored_pixels_change_neither_value_nor_gradient(per_sample):
    logits, labels = _batch(1)
    labels[:, :4] = IGNORE
    logits.requires_grad_(True)
    loss = semantic_loss(logits, labels, per_sample=per_sample).total
    loss.backward()
    assert logits.grad[:, :, :4].abs().max() == 0
    assert logits.grad[:, :, 4:].abs().min() > 0
    other = logits.detach().clone()
    other[:, :, :4] += 5
    assert torch.equal(semantic_loss(other, labels, per_sample=per_sample).total, loss.detach())
    cropped = semantic_loss(logits[:, :, 4:], labels[:, 4:], per_sample=per_sample).total
    assert torch.allclose(cropped, loss, atol=1e-6)


def test_semantic_loss_falls_to_zero_for_a_perfect_answer():
    _, labels = _batch(2)
    logits = torch.nn.functional.one_hot(labels, 3).permute(0, 3, 1, 2) * 60.0
    assert semantic_loss(logits, labels).total.item() < 1e-4


def test_box_loss_is_dice_plus_cross_entropy_and_skips_invalid_pixels():
    target = torch.zeros(2, 1, 8, 8)
    target[:, :, 2:6, 2:6] = 1
    good, bad = box_loss((target - 0.5) * 40, target), box_loss((0.5 - target) * 40, target)
    assert good.total.item() < 1e-4
    assert bad.parts["dice"] == pytest.approx(1, abs=1e-4)
    assert bad.parts["bce"] == pytest.approx(20, abs=1e-3)
    valid = torch.ones_like(target, dtype=torch.bool)
    valid[:, :, :2] = False
    logits = (target - 0.5) * 3
    noisy = torch.where(valid, logits, 7.0)
    assert torch.allclose(box_loss(noisy, target, valid).total, box_loss(logits, target, valid).total)


def test_iou_of_masks():
    target = torch.zeros(3, 4, 4)
    target[0, :2], target[1, :2] = 1, 1
    logits = torch.full((3, 4, 4), -1.0)
    logits[0, :1] = 1
    logits[1, :2] = 1
    assert iou_per_mask(logits, target, torch.ones(())).tolist() == [0.5, 1.0, 1.0]
