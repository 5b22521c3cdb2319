"""Two methods on the same cases, many methods on the same cases, one method on two sets of cases."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from samadapt.core.rng import named_rng
from samadapt.metrics.stats import RESAMPLES, bootstrap_interval

Values = Mapping[str, float]
"""One figure by case."""
K = TypeVar("K")


@dataclass(frozen=True)
class Difference:
    """Second method minus first, over the cases that both have.

    Attributes
    ----------
    mean, low, high : float
        Mean of the differences with its percentile bootstrap interval; NaN where no case is shared.
    n : int
        Cases in it: those with a finite figure under both methods.
    higher, lower : int
        Cases in which the second method has the higher (lower) figure.
    p : float
        Two-sided p of Wilcoxon's signed-rank test; NaN without a case.
    p_holm : float
        The same, corrected by Holm for all tests made together; NaN where nothing was corrected.
    """

    mean: float
    low: float
    high: float
    n: int
    higher: int
    lower: int
    p: float
    p_holm: float = math.nan


@dataclass(frozen=True)
class Gap:
    """One method on two sets of cases: external minus internal.

    Attributes
    ----------
    internal, external : float
        Mean over the cases of each set.
    difference, low, high : float
        External minus internal, with the percentile bootstrap interval in which each set is resampled by itself.
    n_internal, n_external : int
        Cases with a finite figure.
    p : float
        Two-sided p of the Mann-Whitney U test; NaN where a set is empty.
    """

    internal: float
    external: float
    difference: float
    low: float
    high: float
    n_internal: int
    n_external: int
    p: float


def paired_difference(first: Values, second: Values, seed: object = 0, level: float = 0.95) -> Difference:
    """How much a second method differs from a first one, case by case.

    Parameters
    ----------
    first, second : mapping of case to float
        NaN and infinite figures are left out, and so are cases that only one of them has.
    seed : object
        Seeds the bootstrap by name.
    level : float
        Of the interval, between 0 and 1.

    Raises
    ------
    ConfigError
        If `level` is not between 0 and 1.

    References
    ----------
    .. [1] Demšar 2006, Statistical comparisons of classifiers over multiple data sets, JMLR 7:1.
    """
    found = differences(first, second)
    low, high = bootstrap_interval(found, seed, level)
    mean = float(found.mean()) if len(found) else math.nan
    return Difference(mean, low, high, len(found), int((found > 0).sum()), int((found < 0).sum()), wilcoxon(found))


def differences(first: Values, second: Values) -> NDArray[np.float64]:
    """Second minus first of every case that has a finite figure in both, in the order of `first`."""
    pairs = [(first[case], second[case]) for case in first if case in second]
    return np.array([b - a for a, b in pairs if math.isfinite(a) and math.isfinite(b)], dtype=np.float64)


def wilcoxon(values: Sequence[float] | NDArray[np.float64]) -> float:
    """Two-sided p of Wilcoxon's signed-rank test that differences are symmetric about zero.

    Parameters
    ----------
    values : sequence of float
        Differences; zeros are dropped, as Wilcoxon did.

    Returns
    -------
    float
        Exact for few values without ties; 1 where all are zero, NaN where there is none.

    References
    ----------
    .. [1] Wilcoxon 1945, Biometrics Bulletin 1:80.
    """
    from scipy import stats

    given = np.asarray(values, dtype=np.float64)
    moved = given[given != 0]
    if not len(moved):
        return 1.0 if len(given) else math.nan
    return float(stats.wilcoxon(moved).pvalue)


def holm(p_values: Sequence[float]) -> list[float]:
    """P values corrected for being many, so that the chance of any false finding stays at the level.

    Parameters
    ----------
    p_values : sequence of float
        Of one family of tests. NaN is no test: it is not counted and stays NaN.

    Returns
    -------
    list of float
        In the given order, at most 1.

    References
    ----------
    .. [1] Holm 1979, Scand J Statist 6:65.
    """
    tested = sorted((p, place) for place, p in enumerate(p_values) if not math.isnan(p))
    corrected, largest = [math.nan] * len(p_values), 0.0
    for rank, (p, place) in enumerate(tested):
        largest = max(largest, min(1.0, p * (len(tested) - rank)))
        corrected[place] = largest
    return corrected


def compare_all(methods: Mapping[str, Values], seed: object = 0) -> dict[tuple[str, str], Difference]:
    """Every pair of methods, case by case, with Holm's correction over all pairs.

    Parameters
    ----------
    methods : mapping of name to figures by case

    Returns
    -------
    dict of (first, second) to Difference
        In the order of `methods`.
    """
    pairs = {(a, b): paired_difference(methods[a], methods[b], seed) for a, b in combinations(methods, 2)}
    return with_holm(pairs)


def with_holm(found: Mapping[K, Difference]) -> dict[K, Difference]:
    """The same differences, their p values corrected as one family."""
    corrected = holm([one.p for one in found.values()])
    return {key: replace(one, p_holm=p) for (key, one), p in zip(found.items(), corrected)}


def gap_between(internal: Values, external: Values, seed: object = 0, level: float = 0.95) -> Gap:
    """How much worse or better a method is on an external set than on the one it was made for.

    Parameters
    ----------
    internal, external : mapping of case to float
        Independent cases; figures that are not finite are left out.
    seed : object
        Seeds the bootstrap by name.
    level : float
        Of the interval.

    References
    ----------
    .. [1] Mann and Whitney 1947, Ann Math Statist 18:50.
    """
    inside, outside = (np.array([v for v in values.values() if math.isfinite(v)]) for values in (internal, external))
    if not (len(inside) and len(outside)):
        means = [float(values.mean()) if len(values) else math.nan for values in (inside, outside)]
        return Gap(means[0], means[1], math.nan, math.nan, math.nan, len(inside), len(outside), math.nan)
    from scipy import stats

    low, high = _gap_interval(inside, outside, seed, level)
    p = float(stats.mannwhitneyu(inside, outside).pvalue)
    one, other = float(inside.mean()), float(outside.mean())
    return Gap(one, other, other - one, low, high, len(inside), len(outside), p)


def _gap_interval(
    inside: NDArray[np.float64], outside: NDArray[np.float64], seed: object, level: float
) -> tuple[float, float]:
    rng = named_rng("bootstrap gap", seed)
    means = [
        values[rng.integers(0, len(values), (RESAMPLES, len(values)))].mean(axis=1) for values in (inside, outside)
    ]
    low, high = np.quantile(means[1] - means[0], [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)
