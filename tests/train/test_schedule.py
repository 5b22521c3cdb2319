"""Length of a run and its learning rate."""

import pytest
import torch

from samadapt.models.preprocess import Preprocessing
from samadapt.models.specialists import Plan, untrained
from samadapt.train.build import build_optimizer
from samadapt.train.config import ScheduleConfig, TrainConfig
from samadapt.train.schedule import Length, rate_factor


def test_poly_is_what_samed_computes():
    """hitachinsk/SAMed: 250 warm-up iterations, then base (1 - (i - 250) / max_iterations) ** 0.9."""
    config = ScheduleConfig(shape="poly", warmup=250, horizon=1.25)
    stop, horizon = 14880, 18600
    for i in (0, 100, 249, 250, 5000, 14879):
        wanted = (i + 1) / 250 if i < 250 else (1 - (i - 250) / horizon) ** 0.9
        assert rate_factor(config, i, i / stop, 1 / stop) == pytest.approx(wanted, rel=1e-9)


def test_shapes_begin_high_and_end_low():
    for shape, end in (("poly", 0.05), ("cosine", 0.01), ("constant", 1.0)):
        config = ScheduleConfig(shape=shape, warmup=0)
        assert rate_factor(config, 0, 0.0, 0.001) == 1.0
        assert rate_factor(config, 999, 0.999, 0.001) <= end
    assert rate_factor(ScheduleConfig(shape="constant", warmup=0), 999, 0.999, 0.001) == 1.0


def test_steps_are_those_of_pytorch():
    """One pass is three steps of the optimiser; the rate falls after every second pass."""
    config = ScheduleConfig(shape="step", warmup=0, gamma=0.94, every_epochs=2)
    optimizer = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=1.0)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.94)
    seen = []
    for step in range(21):
        seen.append(rate_factor(config, step, step / 21, 1 / 21, step / 3))
        assert seen[-1] == pytest.approx(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step % 3 == 2:
            scheduler.step()
    assert len(set(seen)) == 4


def test_a_short_run_warms_up_for_a_twentieth():
    config = ScheduleConfig()
    assert rate_factor(config, 1, 0.02, 0.01) == pytest.approx(0.4)
    assert rate_factor(config, 6, 0.06, 0.01) > 0.97
    assert rate_factor(config, 3, 0.02, 0.0) == pytest.approx(0.4)
    assert rate_factor(config, 124, 0.001, 1e-5) == pytest.approx(0.5)


def test_length_is_the_earliest_limit():
    assert Length.of(None, 2.0, None, 5.5) == Length(11, None)
    assert Length.of(7, 2.0, 1.0, 5.5) == Length(7, 60.0)
    both = Length(100, 60.0)
    assert both.progress(10, 30.0) == 0.5
    assert both.is_over(100, 1.0)
    assert both.is_over(1, 60.0)
    assert not both.is_over(99, 59.0)


@pytest.mark.parametrize("rule", ["adamw", "adam"])
def test_weight_decay_is_that_of_the_rule(rule):
    """Where nothing pulls, AdamW shrinks weights by lr x decay, and Adam's first step moves all by the whole rate."""
    model = untrained(Plan("unet", 2, width=4, depth=1, image_size=32), Preprocessing("specialist", 32))
    fields = {"model": "unet", "data": "store", "out": "run", "steps": 1}
    settings = {"rule": rule, "lr": 0.01, "weight_decay": 0.1}
    optimizer = build_optimizer(TrainConfig(**fields, optimizer=settings), model)
    weight = model.sam.classifier.weight
    before = weight.detach().clone()
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    expected = before * (1 - 0.001) if rule == "adamw" else before - 0.01 * before.sign()
    assert torch.allclose(weight, expected, atol=1e-5)
