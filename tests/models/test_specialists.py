"""The networks alone: sizes, counts, names of tensors, what a box does, what does not fit."""

from __future__ import annotations

import pytest
import torch

from samadapt.core.errors import CheckpointError, ConfigError, PromptError
from samadapt.models import catalog, preprocess
from samadapt.models.specialists import FAMILY, NAMES, Plan, assemble, untrained

PLAIN = preprocess.get("tiny")
SMALL = {
    "unet": Plan("unet", 3, image_size=32, width=4, depth=2),
    "unet-box": Plan("unet", 1, 4, image_size=32, width=4, depth=2),
    "deeplabv3plus": Plan("deeplabv3plus", 3, image_size=32, backbone="resnet18"),
    "deeplabv3plus-box": Plan("deeplabv3plus", 1, 4, image_size=32, backbone="resnet18"),
}


def count(plan: Plan) -> int:
    return sum(p.numel() for p in untrained(plan, PLAIN).parameters())


def test_the_published_sizes():
    assert count(Plan("unet", 3)) == 1_084_731
    # segmentation_models_pytorch's DeepLabV3Plus(resnet50), 3 channels in and 1 out
    assert count(Plan("deeplabv3plus", 1)) == 26_677_585


def test_the_catalog_lists_them_without_weights():
    entries = [entry for entry in catalog.entries() if entry.family == FAMILY]
    assert tuple(entry.name for entry in entries) == NAMES
    assert {entry.status for entry in entries} == {"untrained"}


@pytest.mark.parametrize("name", SMALL)
def test_logits_are_as_large_as_any_input_that_fits(name):
    plan = SMALL[name]
    sizes = 0
    for size in (32, 48):
        model = untrained(plan.at(size), PLAIN)
        pixels = torch.randn(2, 3, size, size)
        boxes = torch.tensor([[[2.0, 3, 20, 21], [0, 0, 31, 31], [5, 5, 5, 5]]]).expand(2, 3, 4)
        given = {"boxes": boxes} if plan.takes_box else {}
        with torch.no_grad():
            logits, certainty = model.decode(model.encode(pixels), **given)
        assert logits.shape == (2, 3 if given else 1, plan.outputs, size, size)
        assert certainty.shape == logits.shape[:3]
        assert ((certainty >= 0) & (certainty <= 1)).all()
        sizes += 1
    assert sizes == 2


def test_weights_depend_on_seed_and_plan_alone():
    torch.manual_seed(5)
    first = untrained(SMALL["unet"], PLAIN, seed=1)
    state = torch.get_rng_state()
    second = untrained(SMALL["unet"], PLAIN, seed=1)
    assert torch.equal(state, torch.get_rng_state())
    assert first.base_hash == second.base_hash != untrained(SMALL["unet"], PLAIN, seed=2).base_hash


def test_the_box_is_painted_with_its_inclusive_maximum():
    model = untrained(SMALL["unet-box"], PLAIN)
    painted = model._painted(torch.tensor([[[3.0, 5, 6, 9], [2.6, 2.6, 2.6, 2.6]]]))
    assert painted.shape == (2, 1, 32, 32)
    assert painted[0].sum() == 4 * 5
    assert painted[0, 0, 5:10, 3:7].all()
    assert painted[1].nonzero().tolist() == [[0, 3, 3]]


def test_every_box_has_its_own_answer():
    """Two images with three boxes each, in one pass and one by one."""
    model = untrained(SMALL["unet-box"], PLAIN)
    pixels = torch.randn(2, 3, 32, 32)
    boxes = torch.rand(2, 3, 4).sort(-1).values[..., [0, 1, 2, 3]] * 31
    with torch.no_grad():
        together = model.decode(model.encode(pixels), boxes=boxes).low_res_logits
        alone = [
            model.decode(pixels[b : b + 1], boxes=boxes[b : b + 1, p : p + 1]).low_res_logits
            for b in range(2)
            for p in range(3)
        ]
    assert torch.allclose(together.flatten(0, 1), torch.cat(alone).flatten(0, 1), atol=1e-5)
    assert not torch.allclose(together[0, 0], together[0, 1], atol=1e-3)


def test_the_last_stage_is_dilated():
    network = untrained(SMALL["deeplabv3plus"], PLAIN).sam
    low, high = network.backbone(torch.randn(1, 3, 64, 64))
    assert (low.shape[-1], high.shape[-1]) == (16, 4)


@pytest.mark.parametrize("prompts", ["points", "none", "mask"])
def test_other_prompts_are_refused(prompts):
    model = untrained(SMALL["unet-box"], PLAIN)
    given = {
        "points": {"points": torch.zeros(1, 1, 1, 2), "point_labels": torch.ones(1, 1, 1)},
        "none": {},
        "mask": {"boxes": torch.zeros(1, 1, 4), "masks": torch.zeros(1, 1, 32, 32)},
    }[prompts]
    with pytest.raises(PromptError, match="a box"):
        model.decode(torch.zeros(1, 3, 32, 32), **given)


@pytest.mark.parametrize(
    "plan",
    [
        Plan("unet", 2, image_size=100),
        Plan("resunet", 2),
        Plan("deeplabv3plus", 2, backbone="resnet101"),
        Plan("unet", 2, image_size=8),
    ],
    ids=["size", "network", "backbone", "too small"],
)
def test_a_plan_that_does_not_fit_is_an_error(plan):
    with pytest.raises(ConfigError):
        untrained(plan, PLAIN)


def test_weights_of_another_plan_are_refused():
    state = untrained(SMALL["unet"], PLAIN).sam.state_dict()
    with pytest.raises(CheckpointError, match="do not fit"):
        assemble(SMALL["unet-box"], state, PLAIN)
