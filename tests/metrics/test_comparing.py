"""Paired tests against scipy, Holm by hand, intervals against what they must cover."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from samadapt import metrics
from samadapt.core.rng import named_rng

NAN, INF = math.nan, math.inf


def figures(name, n=24, mean=0.8, spread=0.1):
    values = named_rng("test comparing", name).normal(mean, spread, n)
    return {f"case {k}": float(v) for k, v in enumerate(values)}


@pytest.mark.parametrize("n", [1, 2, 6, 24, 80])
def test_wilcoxon_equals_scipy(n):
    one, other = figures("one", n), figures("other", n, 0.83)
    found = metrics.paired_difference(one, other)
    pair = np.array(list(one.values())), np.array(list(other.values()))
    assert found.p == stats.wilcoxon(pair[1], pair[0]).pvalue
    assert found.mean == pytest.approx(pair[1].mean() - pair[0].mean())
    assert (found.n, found.higher + found.lower) == (n, n)
    back = metrics.paired_difference(other, one)
    assert (back.p, back.mean, back.higher) == pytest.approx((found.p, -found.mean, found.lower))


def test_wilcoxon_by_hand_and_with_ties():
    assert metrics.wilcoxon([1, 2, 3, 4, 5]) == 2 / 32
    assert metrics.wilcoxon([1, 2, 3, 4, -5]) == 20 / 32  # 10 of the 32 sign patterns have a sum of ranks up to 5
    assert metrics.wilcoxon([0, 0, 1, 2, 3, 4, 5]) == 2 / 32
    assert metrics.wilcoxon([0, 0, 0]) == 1
    assert math.isnan(metrics.wilcoxon([]))
    tied = [0.1, 0.1, 0.2, -0.1, 0.3, 0.3, 0.3, 0.2] * 3
    assert metrics.wilcoxon(tied) == stats.wilcoxon(tied).pvalue < 0.01


def test_only_cases_that_both_have_are_compared():
    one = {"a": 0.5, "b": 0.6, "c": NAN, "d": INF, "e": 0.7}
    other = {"e": 0.9, "d": 1.0, "c": 0.4, "a": 0.4, "z": 1.0}
    found = metrics.paired_difference(one, other)
    assert (found.n, found.higher, found.lower) == (2, 1, 1)
    assert found.mean == pytest.approx(0.05)
    none = metrics.paired_difference({"a": 1.0}, {"b": 1.0})
    assert none.n == 0
    assert all(math.isnan(v) for v in (none.mean, none.low, none.high, none.p, none.p_holm))


def test_interval_of_the_difference_is_narrower_than_of_its_sides():
    hard = figures("hard", 40, 0.6, 0.2)
    better = {
        case: value + 0.02 + shift for (case, value), shift in zip(hard.items(), figures("s", 40, 0, 0.01).values())
    }
    found = metrics.paired_difference(hard, better, seed=1)
    low, high = metrics.bootstrap_interval(hard.values(), seed=1)
    assert 0 < found.low < found.mean < found.high
    assert found.high - found.low < (high - low) / 5
    assert found == metrics.paired_difference(hard, better, seed=1)
    assert found.low != metrics.paired_difference(hard, better, seed=2).low


HOLM = [
    ([0.01, 0.04, 0.03], [0.03, 0.06, 0.06]),  # 3 x 0.01; 2 x 0.03; 1 x 0.04, raised to 0.06
    ([0.01, 0.02, 0.03, 0.04], [0.04, 0.06, 0.06, 0.06]),
    ([0.5, 0.6], [1.0, 1.0]),
    ([0.04, NAN, 0.01], [0.04, NAN, 0.02]),
    ([0.02, 0.02], [0.04, 0.04]),
    ([0.03], [0.03]),
    ([], []),
]


@pytest.mark.parametrize(("given", "expected"), HOLM)
def test_holm_by_hand(given, expected):
    assert metrics.holm(given) == pytest.approx(expected, nan_ok=True)


def test_holm_lies_between_no_correction_and_bonferroni():
    given = named_rng("test holm").random(30) ** 3
    found = np.array(metrics.holm(given))
    assert (found >= given).all()
    assert (found <= np.minimum(1, given * 30)).all()
    assert (np.diff(found[np.argsort(given)]) >= 0).all()


def test_all_pairs_are_one_family():
    methods = {name: figures(name, 20, mean, 0.04) for name, mean in (("a", 0.7), ("b", 0.71), ("c", 0.8))}
    found = metrics.compare_all(methods)
    assert list(found) == [("a", "b"), ("a", "c"), ("b", "c")]
    assert [one.p_holm for one in found.values()] == metrics.holm([one.p for one in found.values()])
    assert found["a", "c"].p_holm < 0.05 < found["a", "b"].p_holm
    assert found["a", "c"].mean == metrics.paired_difference(methods["a"], methods["c"]).mean
    assert metrics.compare_all({"a": methods["a"]}) == {}


def test_gap_between_internal_and_external_cases():
    inside, outside = figures("in", 30, 0.85, 0.05), figures("out", 22, 0.7, 0.1)
    found = metrics.gap_between(inside | {"x": NAN}, outside, seed=3)
    sides = np.array(list(inside.values())), np.array(list(outside.values()))
    assert (found.internal, found.external) == (sides[0].mean(), sides[1].mean())
    assert found.difference == found.external - found.internal
    assert found.p == stats.mannwhitneyu(*sides).pvalue < 0.001
    assert (found.n_internal, found.n_external) == (30, 22)
    width = 2 * 1.96 * math.sqrt(sides[0].var() / 30 + sides[1].var() / 22)
    assert found.high - found.low == pytest.approx(width, rel=0.12)
    assert found.low < found.difference < found.high < 0
    empty = metrics.gap_between(inside, {"y": NAN})
    assert (empty.internal, empty.n_external) == (found.internal, 0)
    assert math.isnan(empty.difference)
    assert math.isnan(empty.p)
