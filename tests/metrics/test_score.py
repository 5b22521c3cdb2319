"""Scores: empty masks in every convention, brute force, bad input."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from samadapt import metrics
from samadapt.core.errors import ConfigError, InvalidGeometry, LabelError, ShapeMismatch
from samadapt.metrics.elements import element_areas

NAN, INF = float("nan"), float("inf")

EMPTY_CASES = [
    # convention, missing, dice, hd95, nsd
    ("strict", "both", NAN, NAN, NAN),
    ("strict", "reference", 0, INF, 0),
    ("strict", "prediction", 0, INF, 0),
    ("transunet", "both", 0, 0, 0),
    ("transunet", "reference", 1, 0, 1),
    ("transunet", "prediction", 0, 0, 0),
    ("flare22", "both", 1, NAN, 1),
    ("flare22", "reference", 0, INF, 0),
    ("flare22", "prediction", 0, INF, 0),
    ("monai", "both", NAN, NAN, NAN),
    ("monai", "reference", NAN, NAN, 0),
    ("monai", "prediction", 0, NAN, 0),
    ("nnunet", "both", NAN, NAN, NAN),
    ("nnunet", "reference", 0, NAN, 0),
    ("nnunet", "prediction", 0, NAN, 0),
]


def _pair(missing: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    reference, prediction = np.zeros((2, 6, 7, 8), dtype=np.uint8)
    if missing not in ("both", "reference"):
        reference[2:5, 2:5, 2:5] = 1
    if missing not in ("both", "prediction"):
        prediction[2:5, 2:5, 3:6] = 1
    assert (missing in ("both", "reference")) == (not reference.any())
    assert (missing in ("both", "prediction")) == (not prediction.any())
    return reference, prediction


@pytest.mark.parametrize(("convention", "missing", "dice", "hd95", "nsd"), EMPTY_CASES)
def test_empty_masks(convention: str, missing: str, dice: float, hd95: float, nsd: float) -> None:
    found = metrics.score(*_pair(missing), spacing_mm=(3, 1, 1), labels=[1], convention=convention)[1]
    assert found["missing"] == missing
    for value, expected in ((found["dice"], dice), (found["hd95"], hd95), (found["nsd"], nsd)):
        assert value == expected or (math.isnan(value) and math.isnan(expected))


def test_shift_by_one_voxel_in_millimetres() -> None:
    found = metrics.score(*_pair(""), spacing_mm=(3, 1, 0.5))[1]
    assert found["dice"] == pytest.approx(2 * 18 / 54)
    assert found["iou"] == pytest.approx(18 / 36)
    assert found["hd"] == found["hd95"] == 0.5
    assert found["nsd"] == 1.0
    assert metrics.score(*_pair(""), spacing_mm=(3, 1, 0.5), convention="transunet")[1]["hd"] == 1.0


@pytest.mark.parametrize("shape", [(9, 11), (7, 8, 9)])
def test_distances_equal_brute_force(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(4)
    spacing = (1.7, 0.9, 1.3)[: len(shape)]
    for _ in range(5):
        reference, prediction = (rng.random((2, *shape)) < 0.4).astype(np.uint8)
        found = metrics.score(reference, prediction, spacing)[1]
        a, b = (_border_mm(mask.astype(bool), spacing) for mask in (reference, prediction))
        gaps = np.linalg.norm(a[:, None] - b[None], axis=2)
        to_b, to_a = gaps.min(axis=1), gaps.min(axis=0)
        assert found["hd"] == pytest.approx(max(to_b.max(), to_a.max()))
        assert found["hd95"] == pytest.approx(max(np.percentile(to_b, 95), np.percentile(to_a, 95)))
        assert found["assd"] == pytest.approx(np.concatenate([to_b, to_a]).mean())


def _border_mm(mask: NDArray[np.bool_], spacing: tuple[float, ...]) -> NDArray[np.float64]:
    padded = np.pad(mask, 1)
    points = []
    for index in np.argwhere(mask):
        neighbours = [
            tuple(index + 1 + step * np.eye(mask.ndim, dtype=int)[a]) for a in range(mask.ndim) for step in (-1, 1)
        ]
        if not all(padded[n] for n in neighbours):
            points.append(index * spacing)
    return np.array(points)


def test_surface_of_a_box_approaches_its_area() -> None:
    areas = element_areas((1.0, 1.0, 1.0))
    assert areas[0] == areas[255] == 0
    assert areas[0b00001111] == pytest.approx(1.0)  # a flat face of one voxel
    assert len(areas) == 256
    assert len(element_areas((1.0, 1.0))) == 16


def test_labels_are_scored_apart_and_in_order() -> None:
    reference, prediction = np.zeros((2, 20, 20), dtype=np.int64)
    reference[2:8, 2:8], reference[12:18, 12:18] = 3, 900
    prediction[2:8, 2:8], prediction[12:18, 12:16] = 3, 900
    found = metrics.score(reference, prediction, (1, 1), labels=[900, 3, 7])
    assert list(found) == [900, 3, 7]
    assert found[3]["dice"] == 1.0
    assert found[900]["dice"] == pytest.approx(0.8)
    assert found[7]["missing"] == "both"


def test_flare22_leaves_the_upper_slice_of_the_aorta_out() -> None:
    reference, prediction = np.zeros((2, 6, 9, 9), dtype=np.uint8)
    reference[1:5, 3:6, 3:6] = 5
    prediction[1:4, 3:6, 3:6] = 5
    assert metrics.score(reference, prediction, (5, 1, 1), convention="flare22")[5]["dice"] == 1.0
    assert metrics.score(reference, prediction, (5, 1, 1))[5]["dice"] < 1.0


@pytest.mark.parametrize(
    ("reference", "prediction", "spacing", "error", "message"),
    [
        (np.zeros((4, 4)), np.zeros((4, 5)), (1, 1), ShapeMismatch, "different shapes"),
        (np.zeros((4, 4)), np.zeros((4, 4)), (1, 1, 1), InvalidGeometry, "as many spacings"),
        (np.zeros((4, 4)), np.zeros((4, 4)), (1, -1), InvalidGeometry, "positive"),
        (np.zeros(4), np.zeros(4), (1,), InvalidGeometry, "2 or 3 axes"),
        (np.full((4, 4), 0.5), np.zeros((4, 4)), (1, 1), LabelError, "whole numbers"),
        (np.full((4, 4), np.nan), np.zeros((4, 4)), (1, 1), LabelError, "reference"),
    ],
)
def test_bad_input(
    reference: NDArray[np.float64],
    prediction: NDArray[np.float64],
    spacing: tuple[float, ...],
    error: type[Exception],
    message: str,
) -> None:
    with pytest.raises(error, match=message):
        metrics.score(reference, prediction, spacing)


def test_unknown_convention_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="'transunet'"):
        metrics.score(np.zeros((4, 4)), np.zeros((4, 4)), (1, 1), convention="transunnet")


def test_interval_covers_the_mean_and_ignores_what_is_not_finite() -> None:
    values = np.random.default_rng(0).normal(0.8, 0.1, 50)
    low, high = metrics.bootstrap_interval([*values, NAN, INF], seed=1)
    assert low < values.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * 0.1 / math.sqrt(50), rel=0.35)
    assert metrics.bootstrap_interval(list(values), 1) == (low, high)
    assert metrics.bootstrap_interval([0.4], 1) == (0.4, 0.4)
    assert all(math.isnan(v) for v in metrics.bootstrap_interval([NAN], 1))
