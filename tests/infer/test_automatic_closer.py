"""A grid of clicks answered from close by."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

import samadapt
from samadapt import Predictor
from samadapt.core.errors import ConfigError
from samadapt.models import fresh

ALL = {"pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "box_nms_thresh": 1.0, "closer": True}


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).uniform(0, 255, (90, 120, 3)).astype(np.uint8)


@pytest.fixture
def model():
    model = fresh("test", seed=3).eval()
    assert model.zoom
    return model


def test_every_mask_is_an_answer_to_its_click(model, image):
    found = samadapt.automatic_masks(model, image, points_per_side=2, **ALL)
    assert {mask.point_xy for mask in found} <= {(30, 22.5), (90, 22.5), (30, 67.5), (90, 67.5)}
    assert len(found) >= 2  # of an untrained network many have the same box
    predictor = Predictor(model).set_image(image)
    for mask in found:
        answers = predictor.predict(points=[mask.point_xy]).masks
        assert any(np.array_equal(mask.mask, one) for one in answers)
        rows, columns = np.nonzero(mask.mask)
        assert mask.xyxy == (columns.min(), rows.min(), columns.max(), rows.max())


def test_thresholds_and_duplicates_leave_fewer(model, image):
    everything = samadapt.automatic_masks(model, image, points_per_side=4, **ALL)
    middle = float(np.median([mask.predicted_iou for mask in everything]))
    better = samadapt.automatic_masks(model, image, points_per_side=4, **ALL | {"pred_iou_thresh": max(middle, 1e-6)})
    assert 0 < len(better) < len(everything)
    assert min(mask.predicted_iou for mask in better) > middle
    firm = samadapt.automatic_masks(model, image, points_per_side=4, **ALL | {"stability_score_thresh": 0.9})
    assert all(mask.stability >= 0.9 for mask in firm)
    unlike = samadapt.automatic_masks(model, image, points_per_side=4, **ALL | {"box_nms_thresh": 0.3})
    assert len(unlike) < len(everything)


def test_a_model_of_whole_images_is_refused(model, image):
    model.preprocessing = replace(model.preprocessing, zoom=0.0)
    with pytest.raises(ConfigError, match="crop_n_layers"):
        samadapt.automatic_masks(model, image, points_per_side=2, **ALL)
