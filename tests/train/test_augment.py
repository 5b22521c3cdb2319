"""Augmentation: image and label move together, sides stay sides, and a draw is a pure function of its names."""

import numpy as np
import pytest
import torch

from samadapt.core.frames import Frame
from samadapt.core.rng import named_rng
from samadapt.train.augment import Draw, change_intensity, draw, gather, warp_image
from samadapt.train.config import AugmentConfig

SQUARE = Frame((64, 64), (64, 64), 64)
MOVES = [
    Draw(quarter_turns=1),
    Draw(quarter_turns=3, flip="vertical"),
    Draw(flip="horizontal"),
    Draw(rotate_deg=17.0),
    Draw(scale=1.2, shift_xy=(0.1, -0.05)),
    Draw(elastic=0.05, seed=3),
    Draw(rotate_deg=-9.0, scale=0.9, shift_xy=(0.03, 0.04), elastic=0.03, seed=5),
]


def _blobs():
    label = np.zeros((64, 64), np.uint8)
    label[10:30, 20:50] = 1
    label[40:55, 8:22] = 2
    return label


@pytest.mark.parametrize("move", MOVES, ids=str)
def test_image_and_label_move_together(move):
    label = _blobs()
    image = torch.from_numpy(np.stack([label == k for k in range(3)]).astype(np.float32))
    moved = warp_image(image, move)
    target = gather(move, SQUARE, 64)(label, outside=0)
    inside = gather(move, SQUARE, 64).inside
    agree = (moved.argmax(0).numpy() == target)[inside]
    assert agree.mean() > 0.985
    assert (target != label).mean() > 0.01


def test_quarter_turns_and_flips_are_exact():
    label = np.random.default_rng(0).integers(0, 255, (64, 64)).astype(np.uint8)
    turned = gather(Draw(quarter_turns=1), SQUARE, 64)(label, outside=0)
    assert any(np.array_equal(turned, np.rot90(label, k)) for k in (1, 3))
    assert np.array_equal(gather(Draw(flip="horizontal"), SQUARE, 64)(label, outside=0), label[:, ::-1])
    assert np.array_equal(gather(Draw(flip="vertical"), SQUARE, 64)(label, outside=0), label[::-1])


def test_labels_outside_the_image_get_the_outside_value():
    frame = Frame((40, 80), (32, 64), 64)
    target = gather(Draw(), frame, 64)(np.ones((40, 80), np.uint8), outside=9)
    assert (target[:32] == 1).all()
    assert (target[32:] == 9).all()


def test_reduced_labels_pick_the_centre_of_every_cell():
    label = np.arange(64, dtype=np.uint8)[None].repeat(64, 0)
    target = gather(Draw(), SQUARE, 16)(label, outside=0)
    assert target[0].tolist() == [4 * i + 2 for i in range(16)]


@pytest.mark.parametrize("policy", ["safe", "samed"])
def test_sides_are_never_exchanged_unless_allowed(policy):
    config = AugmentConfig(policy=policy)
    draws = [draw(config, named_rng("t", i), has_sides=True) for i in range(300)]
    assert len(draws) == 300
    assert all(d.quarter_turns == 0 and d.flip == "" and abs(d.rotate_deg) <= 20 for d in draws)
    assert any(d.rotate_deg for d in draws)


def test_samed_policy_turns_and_flips_where_it_may():
    for config, sides in (
        (AugmentConfig(policy="samed"), False),
        (AugmentConfig(policy="samed", allow_mirror=True), True),
    ):
        draws = [draw(config, named_rng("t", i), has_sides=sides) for i in range(400)]
        flipped = [d for d in draws if d.flip]
        assert 140 < len(flipped) < 260
        assert {d.quarter_turns for d in flipped} == {0, 1, 2, 3}
        assert 60 < sum(d.rotate_deg != 0 for d in draws) < 140


def test_safe_policy_mirrors_only_when_allowed():
    for allowed in (False, True):
        config = AugmentConfig(allow_mirror=allowed)
        draws = [draw(config, named_rng("t", i), has_sides=False) for i in range(100)]
        assert any(d.flip for d in draws) == allowed
        assert any(d.quarter_turns for d in draws) == allowed


def test_a_draw_depends_on_its_names_alone():
    config = AugmentConfig(elastic=0.02)
    assert draw(config, named_rng("a", 1), has_sides=True) == draw(config, named_rng("a", 1), has_sides=True)
    assert draw(config, named_rng("a", 1), has_sides=True) != draw(config, named_rng("a", 2), has_sides=True)
    assert draw(AugmentConfig(policy="none"), named_rng("a", 1), has_sides=False) == Draw()


def test_intensity_stays_in_range_and_repeats():
    display = np.linspace(0, 255, 32 * 32, dtype=np.float32).reshape(32, 32)
    change = Draw(gamma=1.2, contrast=1.1, brightness=5, noise_sd=8, blur_sd=0.6, seed=7)
    once, twice = change_intensity(display, change), change_intensity(display, change)
    assert np.array_equal(once, twice)
    assert once.dtype == np.float32
    assert 0 <= once.min() < once.max() <= 255
    assert np.abs(once - display).mean() > 1
    assert change_intensity(display, Draw()) is display
