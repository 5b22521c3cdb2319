"""SAM-Med2D's protocol of interactive training."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from samadapt import models
from samadapt.adapt import inject
from samadapt.adapt.config import SamMed2dConfig
from samadapt.core.rng import named_rng
from samadapt.train import train
from samadapt.train.clicks import error_points
from samadapt.train.config import InteractiveTask
from samadapt.train.loop import Loop
from samadapt.train.losses import med2d_loss
from samadapt.train.nine_steps import POINTS, NineStep, best_candidate
from samadapt.train.samples import ObjectSamples
from samadapt.train.steps import make_step


def batch_of(box: bool = True) -> dict[str, torch.Tensor]:
    masks = torch.zeros(2, 2, 64, 64, dtype=torch.uint8)
    masks[:, 0, 10:30, 12:40] = 1
    masks[:, 1, 40:50, 5:60] = 1
    return {
        "pixel_values": torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0)),
        "masks": masks,
        "boxes": torch.tensor([[12.0, 10, 39, 29], [5, 40, 59, 49]]).expand(2, 2, 4),
        "points": torch.tensor([[[20.0, 20]], [[30, 45]]]).expand(2, 2, 1, 2),
        "begin_with_box": torch.tensor([box, box]),
        "seed": torch.tensor([3, 4]),
        "batch_seed": torch.tensor([9, 9]),
    }


@pytest.fixture
def model():
    model = models.fresh("test", seed=2)
    inject(model, SamMed2dConfig())
    return model


def test_the_protocol_is_a_setting_of_the_interactive_task(model):
    assert isinstance(make_step(model, InteractiveTask(protocol="sammed2d", rounds=8)), NineStep)
    with pytest.raises(ValueError, match="belongs to protocol=sammed2d"):
        InteractiveTask(frozen_embedding=True)


def test_all_rounds_are_one_update_that_reaches_the_adapters(model):
    step = make_step(model, InteractiveTask(protocol="sammed2d", rounds=8)).train()
    assert step.updates == 1
    told = step(batch_of())
    told["loss"].backward()
    assert {"loss", "focal", "dice", "iou", "last_dice"} <= set(told)
    silent = [n for n, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert all("point_embed" in n or "not_a_point" in n or "no_mask" in n for n in silent), silent


def test_with_a_frozen_embedding_later_rounds_teach_the_decoder_alone(model):
    step = make_step(model, InteractiveTask(protocol="sammed2d", rounds=8, frozen_embedding=True)).train()
    assert step.updates == 9
    batch = batch_of()
    learnt = []
    for update in range(step.updates):
        step(batch, update)["loss"].backward()
        parts = {n.split(".")[1] for n, p in model.named_parameters() if p.grad is not None and p.grad.any()}
        learnt.append(parts)
        model.zero_grad(set_to_none=True)
    assert learnt[0] == {"vision_encoder", "prompt_encoder", "mask_decoder"}
    assert learnt[1:] == [{"mask_decoder"}] * 8


def test_the_first_round_is_the_published_loss_of_the_candidate_that_is_thought_best(model):
    step = make_step(model, InteractiveTask(protocol="sammed2d", rounds=1, frozen_embedding=True)).eval()
    batch = batch_of()
    output = model.decode(model.encode(batch["pixel_values"]), boxes=batch["boxes"], multimask=True)
    low, iou = best_candidate(output)
    logits = torch.nn.functional.interpolate(low.flatten(0, 1)[:, None], (64, 64), mode="bilinear", align_corners=False)
    wanted = med2d_loss(logits, batch["masks"].flatten(0, 1)[:, None].float(), iou.flatten()[:, None])
    assert torch.allclose(step(batch)["loss"], wanted.total, atol=1e-6)
    assert torch.equal(batch["answer"], low.detach())


def test_two_rounds_have_no_points_and_the_others_a_published_number(model):
    rounds = 8
    step = NineStep(model, InteractiveTask(protocol="sammed2d", rounds=rounds, frozen_embedding=True))
    seen = []
    for seed in range(25):
        batch = batch_of() | {"batch_seed": torch.tensor([seed, seed]), "answer": torch.randn(2, 2, 16, 16)}
        counts = [None if (xy := step._points(batch, i)[0]) is None else xy.shape[2] for i in range(rounds)]
        assert counts.count(None) == 2
        assert counts[-1] is None
        assert counts[0] is not None
        seen += [n for n in counts if n is not None]
    assert set(seen) == set(POINTS)


def test_error_points_lie_where_masks_differ():
    truth = torch.zeros(1, 3, 16, 16, dtype=torch.bool)
    found = truth.clone()
    truth[0, 0, 2:5, 2:5] = True
    found[0, 1, 8:10, 8:12] = True
    xy, labels = error_points(found, truth, torch.tensor([5]), 64, 40)
    assert (xy.shape, labels.shape) == ((1, 3, 40, 2), (1, 3, 40))
    place = ((xy + 0.5) / 4 - 0.5).round().long()
    assert truth[0, 0, place[0, 0, :, 1], place[0, 0, :, 0]].all()
    assert found[0, 1, place[0, 1, :, 1], place[0, 1, :, 0]].all()
    assert (labels[0, 0] == 1).all()
    assert (labels[0, 1] == 0).all()
    assert (labels[0, 2] == -1).all()
    assert len({tuple(p.tolist()) for p in place[0, 0]}) > 5


def test_prompts_of_the_style(monkeypatch):
    mask = np.zeros((64, 64), bool)
    mask[10:30, 12:40] = True
    mask[50:52, 50:52] = True  # a smaller part, which the published box leaves out
    samples = ObjectSamples(None, None, 1, 20, style="sammed2d")
    boxes = np.stack([samples._box(mask, named_rng("style", i)).numpy() for i in range(40)])
    sizes = boxes[:, 2:] - boxes[:, :2]
    assert (sizes == [27, 19]).all()  # shifted as a whole
    assert boxes[:, 0].min() >= 12 - 5
    assert boxes[:, 0].max() <= 12 + 4
    points = np.stack([samples._points(mask, 1, named_rng("style", i)).numpy()[0] for i in range(40)])
    assert mask[points[:, 1].astype(int), points[:, 0].astype(int)].all()
    assert len(np.unique(points, axis=0)) > 30


def test_a_run_resumes_bit_for_bit(fields, tmp_path):
    task = {"task": "interactive", "protocol": "sammed2d", "rounds": 3, "objects": 2, "frozen_embedding": True}
    common = fields | {"task": task, "method": {"method": "sammed2d-adapter"}, "steps": 4, "precision": "fp32"}
    train(**common | {"out": tmp_path / "whole"})
    half = copy.deepcopy(common) | {"out": tmp_path / "half", "save_every": 2}

    def stop(self, *_):
        original(self, *_)
        if self.progress.step == 2:
            raise KeyboardInterrupt

    original = Loop._save_if_due
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Loop, "_save_if_due", stop)
        with pytest.raises(KeyboardInterrupt):
            train(**half)
    train(**half | {"resume": True})
    first, second = (load_file(tmp_path / name / "last" / "adapter.safetensors") for name in ("whole", "half"))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
