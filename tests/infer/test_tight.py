"""Masks and the boxes they were asked for."""

from __future__ import annotations

import pytest
import torch

from samadapt.infer.tight import box_iou, fitted, sides


def rectangle(x0: float, y0: float, x1: float, y1: float, size: int = 40) -> torch.Tensor:
    """Logits that cross 0 at the given sides."""
    line = torch.arange(size, dtype=torch.float32)
    x, y = torch.minimum(line - x0, x1 - line), torch.minimum(line - y0, y1 - line)
    return torch.minimum(x[None], y[:, None])


def test_sides_lie_where_the_logits_cross_zero():
    logits = torch.stack([rectangle(10.25, 12.5, 20.75, 30), rectangle(-5, -5, 60, 17.5), torch.full((40, 40), -1.0)])
    assert sides(logits).tolist() == [[10.25, 12.5, 20.75, 30], [-0.5, -0.5, 39.5, 17.5], [0, 0, 0, 0]]


def test_masks_are_stretched_halfway_to_the_box():
    box = torch.tensor([[10.0, 10.0, 30.0, 20.0]])
    logits, _ = fitted(torch.stack([rectangle(12, 10, 29, 22)])[None], torch.ones(1, 1), box)
    assert sides(logits)[0, 0].tolist() == pytest.approx([11, 10, 29.5, 21], abs=0.15)


def test_a_mask_that_fills_its_box_stays_and_keeps_its_score():
    box = torch.tensor([[10.0, 10.0, 30.0, 20.0]])
    given = rectangle(10, 10, 30, 20)[None, None]
    logits, iou = fitted(given, torch.full((1, 1), 0.7), box)
    torch.testing.assert_close(logits, given, atol=1e-4, rtol=0)
    assert iou.item() == pytest.approx(0.7, abs=1e-6)


def test_a_mask_elsewhere_is_left_alone_and_loses_its_score():
    box = torch.tensor([[10.0, 10.0, 30.0, 20.0]])
    given = torch.stack([rectangle(10, 10, 18, 20), torch.full((40, 40), -3.0)])[None]
    logits, iou = fitted(given, torch.full((1, 2), 0.5), box)
    torch.testing.assert_close(logits, given, atol=1e-4, rtol=0)
    assert iou[0].tolist() == pytest.approx([0.5 * 0.4, 0.0], abs=1e-6)


def test_every_mask_has_a_box_of_its_own():
    given = torch.stack([rectangle(12, 12, 28, 20), rectangle(12, 12, 28, 20)])[:, None]
    boxes = torch.tensor([[12.0, 12.0, 28.0, 20.0], [10.0, 10.0, 30.0, 22.0]])
    logits, iou = fitted(given, torch.ones(2, 1), boxes)
    torch.testing.assert_close(logits[0], given[0], atol=1e-4, rtol=0)
    assert sides(logits)[1, 0].tolist() == pytest.approx([11, 11, 29, 21], abs=0.25)
    assert iou[:, 0].tolist() == pytest.approx([1, 16 * 8 / (20 * 12)])


def test_iou_of_boxes():
    first, second = torch.tensor([0.0, 0.0, 4.0, 4.0]), torch.tensor([[2.0, 0.0, 6.0, 4.0], [5.0, 5.0, 6.0, 6.0]])
    assert box_iou(first, second).tolist() == pytest.approx([1 / 3, 0])
