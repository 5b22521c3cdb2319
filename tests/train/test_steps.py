"""Steps: what learns, what does not, and that losses fall."""

import pytest
import torch

from samadapt import models
from samadapt.adapt.config import DecoderConfig, FullConfig
from samadapt.adapt.methods import inject
from samadapt.train.clicks import error_clicks
from samadapt.train.config import BoxTask, InteractiveTask
from samadapt.train.samples import OUTSIDE
from samadapt.train.steps import make_step


def _batch(box=True, size=64, resolution=64):
    masks = torch.zeros(2, 2, resolution, resolution, dtype=torch.uint8)
    cell = resolution // 8
    masks[:, 0, cell : 4 * cell, cell : 4 * cell] = 1
    masks[:, 1, 5 * cell : 7 * cell, 3 * cell : 7 * cell] = 1
    masks[:, :, :, -1] = OUTSIDE
    image = torch.nn.functional.interpolate((masks == 1).sum(1, keepdim=True).float(), size=(size, size))
    step = size / 8
    boxes = torch.tensor([[step, step, 4 * step - 1, 4 * step - 1], [3 * step, 5 * step, 7 * step - 1, 7 * step - 1]])
    return {
        "pixel_values": (image.repeat(1, 3, 1, 1) * 2 - 1).contiguous(),
        "masks": masks,
        "boxes": boxes.expand(2, 2, 4).contiguous(),
        "points": torch.tensor([[[2 * step, 2 * step]], [[5 * step, 6 * step]]]).expand(2, 2, 1, 2).contiguous(),
        "begin_with_box": torch.tensor([box, box]),
        "seed": torch.tensor([11, 12]),
        "batch_seed": torch.tensor([5, 5]),
    }


@pytest.mark.parametrize("box", [True, False])
@pytest.mark.parametrize("resolution", [16, 64])
def test_prompt_step_learns(box, resolution):
    model = models.fresh("test", seed=0)
    inject(model, FullConfig(train_prompt_encoder=True))
    step = make_step(model, InteractiveTask(rounds=2)).train()
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=3e-3)
    losses = []
    for _ in range(25):
        told = step(_batch(box, resolution=resolution))
        optimizer.zero_grad()
        told["loss"].backward()
        optimizer.step()
        losses.append(told["loss"].item())
    assert losses[-1] < 0.6 * losses[0]
    assert {"loss", "focal", "dice", "iou", "last_dice"} == set(told)


def test_silent_rounds_lead_to_the_corrections_that_teach(monkeypatch):
    model = models.fresh("test", seed=0)
    inject(model, FullConfig(train_prompt_encoder=True))
    step = make_step(model, InteractiveTask(rounds=1, silent_rounds=3)).train()
    seen = []
    original = type(model).decode_tokens

    def watched(self, embedding, points, *rest, **options):
        output = original(self, embedding, points, *rest, **options)
        seen.append((0 if points is None else points.shape[2], output.low_res_logits.requires_grad))
        return output

    monkeypatch.setattr(type(model), "decode_tokens", watched)
    lengths = set()
    for seed in range(12):
        seen.clear()
        step(_batch() | {"batch_seed": torch.tensor([seed, seed])})["loss"].backward()
        assert [clicks for clicks, _ in seen] == list(range(len(seen)))
        assert [learns for _, learns in seen] == [True] + [False] * (len(seen) - 2) + [True]
        lengths.add(len(seen))
    assert lengths == {2, 3, 4, 5}


def test_only_the_best_candidate_learns():
    model = models.fresh("test", seed=0)
    inject(model, FullConfig(train_prompt_encoder=True))
    step = make_step(model, InteractiveTask(rounds=0, iou_weight=0.0, single_mask=False))
    batch = {name: t[:1, :1] if name in ("masks", "boxes", "points") else t[:1] for name, t in _batch(False).items()}
    step(batch)["loss"].backward()
    grads = [mlp.proj_out.weight.grad for mlp in model.sam.mask_decoder.output_hypernetworks_mlps]
    moved = [g is not None and bool(g.abs().max() > 0) for g in grads]
    assert len(moved) == 4
    assert sum(moved) == 1
    assert not moved[0]


def test_a_loss_does_not_depend_on_how_the_batch_is_divided():
    model = models.fresh("test", seed=0)
    step = make_step(model, InteractiveTask(rounds=2)).eval()
    batch = _batch()
    batch["masks"][1, 0] = batch["masks"][1, 0].T.clone()
    with torch.no_grad():
        whole = step(batch)["loss"]
        parts = [step({name: t[i : i + 1] for name, t in batch.items()})["loss"] for i in range(2)]
    assert torch.allclose(whole, torch.stack(parts).mean(), atol=1e-5)


def test_box_step_learns_and_a_frozen_encoder_has_no_graph():
    model = models.fresh("test", seed=0)
    inject(model, DecoderConfig())
    step = make_step(model, BoxTask())
    assert not step.encoder_learns
    batch = {name: t[:, :1] if name in ("masks", "boxes", "points") else t for name, t in _batch().items()}
    assert not step.encode(batch["pixel_values"]).requires_grad
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=3e-3)
    losses = []
    for _ in range(20):
        loss = step(batch)["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]


def test_clicks_lie_in_the_error_and_know_its_kind():
    truth = torch.zeros(3, 2, 16, 16, dtype=torch.bool)
    truth[:, 0, 2:8, 2:8] = True
    prediction = torch.zeros_like(truth)
    prediction[1, 0] = truth[1, 0]
    prediction[1, 0, 12:14, 12:14] = True
    valid = torch.ones_like(truth)
    valid[0, 0, :, :4] = False
    checked = 0
    for seed in range(20):
        xy, labels = error_clicks(prediction, truth, valid, torch.tensor([seed, seed + 1, seed + 2]), 64)
        assert labels[:, 1].tolist() == [-1, -1, -1]
        assert labels[:, 0].tolist() == [1, 0, 1]
        pixel = ((xy + 0.5) / 4 - 0.5).round().long()
        for image in range(3):
            x, y = pixel[image, 0].tolist()
            assert (truth != prediction)[image, 0, y, x]
            assert valid[image, 0, y, x]
            checked += 1
    assert checked == 60


def test_half_of_the_clicks_are_central():
    truth = torch.zeros(1, 64, 33, 33, dtype=torch.bool)
    truth[:, :, 4:29, 4:29] = True
    xy, _ = error_clicks(~truth & truth, truth, truth | True, torch.tensor([3]), 33)
    central = ((xy[0] - 16).abs().amax(1) <= 6).float().mean().item()
    assert 0.4 < central < 0.8


def test_bf16_changes_a_loss_little():
    model = models.fresh("test", seed=0)
    batch = _batch()
    with torch.no_grad():
        exact = make_step(model, InteractiveTask(rounds=0)).eval()(batch)["loss"]
        fast = make_step(model, InteractiveTask(rounds=0), bf16=True).eval()(batch)["loss"]
    assert fast.dtype == torch.float32
    assert torch.allclose(exact, fast, rtol=2e-2)
