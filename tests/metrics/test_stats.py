"""Means, what they leave out, and their intervals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from samadapt import metrics
from samadapt.core.errors import ConfigError
from samadapt.core.rng import named_rng

NAN, INF = math.nan, math.inf


def row(case, label, dice, hd95=1.0):
    return {"case": case, "label": label, "dice": dice, "hd95": hd95}


ROWS = [
    row("a", 0, 1.0), row("a", 1, 0.8, 2.0), row("a", 2, 0.4, INF),
    row("b", 0, 0.9), row("b", 1, 0.6, 4.0), row("b", 2, NAN, NAN),
]  # fmt: skip


def test_interval_is_seeded_by_name_and_brackets_the_mean():
    values = named_rng("test stats").normal(0.8, 0.1, 40)
    low, high = metrics.bootstrap_interval(values, seed=3)
    assert low < values.mean() < high
    assert (low, high) == metrics.bootstrap_interval(values, seed=3)
    assert (low, high) != metrics.bootstrap_interval(values, seed=4)
    inner = metrics.bootstrap_interval(values, seed=3, level=0.5)
    assert low < inner[0] < inner[1] < high


def test_interval_has_the_width_of_the_standard_error():
    values = named_rng("test width").normal(0, 1, 400)
    low, high = metrics.bootstrap_interval(values, seed=0)
    assert high - low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.08)


def test_interval_of_one_none_and_undefined_values():
    assert metrics.bootstrap_interval([0.5], 0) == (0.5, 0.5)
    assert metrics.bootstrap_interval([0.5, NAN, INF], 0) == (0.5, 0.5)
    assert all(math.isnan(v) for v in metrics.bootstrap_interval([NAN], 0))
    with pytest.raises(ConfigError, match="95"):
        metrics.bootstrap_interval([1.0, 2.0], 0, level=95)


def test_mean_counts_what_it_leaves_out():
    mean = metrics.mean_of([0.2, 0.4, NAN, INF, INF])
    assert (mean.value, mean.n, mean.undefined, mean.infinite) == (pytest.approx(0.3), 2, 1, 2)
    assert math.isnan(metrics.mean_of([NAN]).value)


def test_class_means():
    means = metrics.class_means(ROWS, "dice")
    assert {label: mean.value for label, mean in means.items()} == pytest.approx({0: 0.95, 1: 0.7, 2: 0.4})
    assert [mean.n for mean in means.values()] == [2, 2, 1]
    assert means[2].undefined == 1
    assert metrics.class_means(ROWS, "hd95")[2].infinite == 1


def test_case_and_dataset_means_with_and_without_background():
    assert metrics.case_means(ROWS, "dice") == pytest.approx({"a": 0.6, "b": 0.6})
    assert metrics.case_means(ROWS, "dice", background=True) == pytest.approx({"a": 2.2 / 3, "b": 0.75})
    without, whole = metrics.dataset_mean(ROWS, "dice"), metrics.dataset_mean(ROWS, "dice", background=True)
    assert (without.value, without.n, without.undefined) == (pytest.approx(0.6), 2, 1)
    assert whole.value == pytest.approx(np.mean([2.2 / 3, 0.75]))
    assert metrics.dataset_mean(ROWS, "hd95").value == pytest.approx(3)


def test_objects_of_one_label_count_as_one_case():
    rows = [row("a", 1, 0.0), row("a", 1, 1.0), row("b", 1, 1.0)]
    assert metrics.class_means(rows, "dice")[1].value == pytest.approx(0.75)
    assert metrics.class_means(rows, "dice")[1].n == 2
