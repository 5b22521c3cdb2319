"""A closer look at what is asked about."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from samadapt import Predictor
from samadapt.core.prompts import Box, Points
from samadapt.infer.upscale import to_original
from samadapt.infer.zoom import (
    OUTSIDE_LOGIT,
    Answer,
    Ask,
    Viewer,
    answer,
    click_windows,
    close_window,
    judged,
    to_mask_frame,
    whole_window,
)
from samadapt.models import fresh
from samadapt.prompts import Window


@pytest.fixture
def model():
    model = fresh("test", seed=3).eval()
    assert model.zoom == 2.0
    return model


@pytest.fixture
def pixels() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (120, 200, 3)).astype(np.float32)


def whole_only(model):
    model.preprocessing = replace(model.preprocessing, zoom=0.0)
    return model


def test_a_box_is_answered_as_if_the_window_were_the_image(model, pixels):
    box = Box(60, 30, 79, 49)
    window = Window(20, 50, 60, 90)
    assert close_window(Ask(pixels, box=box), 2.0) == window
    close = Predictor(model).set_image(pixels).predict(box=box.xyxy)
    part = np.ascontiguousarray(pixels[window.slices])
    alone = Predictor(model).set_image(part).predict(box=[10, 10, 29, 29])  # the window of which is the whole part
    np.testing.assert_allclose(close.logits[(slice(None), *window.slices)], alone.logits, atol=1e-5)
    np.testing.assert_allclose(close.scores, alone.scores, atol=1e-5)
    outside = close.logits.copy()
    outside[(slice(None), *window.slices)] = OUTSIDE_LOGIT
    assert (outside == OUTSIDE_LOGIT).all()
    assert close.low_res_logits.shape == (3, 16, 16)


def test_a_click_is_looked_at_from_several_distances(pixels):
    ask = Ask(pixels, Points(np.array([[70, 40]], np.float32), np.array([1])))
    assert click_windows(ask) == [whole_window((120, 200)), Window(0, 20, 91, 121), Window(15, 45, 66, 96)]
    far = Ask(pixels, Points(np.array([[20, 40], [90, 60]], np.float32), np.array([1, 0])))
    assert click_windows(far) == [whole_window((120, 200))]


def test_a_click_is_answered_first_from_the_best_distance_then_around_the_answer(model, pixels):
    ask = Ask(pixels, Points(np.array([[70, 40]], np.float32), np.array([1])))
    with torch.no_grad():
        found = answer(Viewer(model), [ask], multimask=True)[0]
        whole_only(model)
        firsts = []
        for window in click_windows(ask):
            part = np.ascontiguousarray(pixels[window.slices])
            alone = answer(
                Viewer(model), [Ask(part, Points(window.shift(ask.points.xy), ask.points.labels))], multimask=True
            )
            firsts.append(judged(replace(alone[0], window=window), ask.hw))
    best = max(firsts, key=lambda one: float(one.iou.max()))
    assert found.window == close_window(replace(ask, mask=best.best(ask.hw)), 2.0)


def test_a_mask_that_the_border_of_the_window_cuts_convinces_less():
    logits = torch.full((3, 20, 20), -1.0)
    logits[0, 5:15, 5:15] = 1  # inside
    logits[1, 5:15, :15] = 1  # over half of the left side, which is the border of the image
    logits[2, 5:15, 5:] = 1  # over half of the right side
    found = judged(Answer(Window(10, 0, 30, 20), logits, logits, torch.full((3,), 0.8)), (60, 60))
    assert found.iou.tolist() == pytest.approx([0.8, 0.8, 0.3])


def test_where_a_correction_looks(pixels):
    mask = np.full((120, 200), -5.0, np.float32)
    mask[50:60, 100:110] = 5.0
    clicks = Points(np.array([[104, 55], [125, 55]], np.float32), np.array([1, 1]))
    window = close_window(Ask(pixels, clicks, mask=mask), 2.0)
    assert window.x0 <= 100 - 8
    assert window.x1 >= 126
    assert close_window(Ask(pixels, clicks, mask=-np.abs(mask)), 2.0) == whole_window((120, 200))
    assert close_window(Ask(pixels, box=Box(0, 0, 150, 100)), 2.0) == whole_window((120, 200))
    assert close_window(Ask(pixels, box=Box(60, 30, 79, 49)), 0.0) == whole_window((120, 200))


def test_prompts_of_all_kinds_are_answered_together_as_one_by_one(model, pixels):
    other = pixels[:90, :100].copy()
    click = Points(np.array([[70, 40]], np.float32), np.array([1]))
    two = Points(np.array([[70, 40], [30, 20]], np.float32), np.array([1, 0]))
    asks = [
        Ask(pixels, box=Box(60, 30, 79, 49)),
        Ask(other, click),
        Ask(pixels, two, Box(20, 10, 79, 49)),
        Ask(pixels, click),
        Ask(other, box=Box(3, 3, 4, 4)),
    ]
    with torch.no_grad():
        together = answer(Viewer(model), asks, multimask=True)
        for ask, found in zip(asks, together):
            alone = answer(Viewer(model), [ask], multimask=True)[0]
            assert found.window == alone.window
            torch.testing.assert_close(found.logits, alone.logits, atol=1e-4, rtol=0)


def test_an_answer_does_not_depend_on_earlier_questions(model, pixels):
    predictor = Predictor(model).set_image(pixels)
    first = predictor.predict(points=[[70, 40]])
    predictor.predict(box=[60, 30, 90, 50])
    again = predictor.predict(points=[[70, 40]])
    np.testing.assert_array_equal(first.logits, again.logits)
    corrected = predictor.predict(points=[[70, 40], [75, 44]], point_labels=[1, 0], mask=first.logits[0])
    low = predictor.predict(points=[[70, 40], [75, 44]], point_labels=[1, 0], mask=first.low_res_logits[0])
    assert corrected.masks.shape == low.masks.shape == (3, 120, 200)


@pytest.mark.parametrize("hw", [(64, 64), (50, 90), (200, 120)])
def test_the_mask_frame_is_the_inverse_of_the_original(model, hw):
    y, x = np.mgrid[: hw[0], : hw[1]] / max(hw)
    logits = torch.from_numpy((8 - 40 * np.hypot(y - 0.3, x - 0.3)).astype(np.float32))[None]
    frame = model.frame(hw)
    low = to_mask_frame(logits, frame, 64)
    back = to_original(low[None], frame)[0]
    agree = ((back > 0) == (logits > 0)).float().mean()
    assert low.shape == (1, 64, 64)
    assert agree > 0.97


def test_a_viewer_encodes_each_part_once(model, pixels):
    calls = []
    encode = model.encode
    model.encode = lambda x: calls.append(len(x)) or encode(x)
    viewer = Viewer(model, keep=2)
    parts = [(pixels, Window(0, 0, 40, 40)), (pixels, Window(0, 0, 40, 40)), (pixels, Window(5, 0, 40, 40))]
    with torch.no_grad():
        viewer.views(parts)
        viewer.views(parts[:1])
        assert calls == [2]
        viewer.views([(pixels, Window(1, 1, 30, 30))])
        viewer.views([(pixels, Window(5, 0, 40, 40))])
    assert calls == [2, 1, 1]
