"""Means of scores that say what they left out, and their bootstrap intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from samadapt.core.errors import ConfigError
from samadapt.core.rng import named_rng

Row = Mapping[str, Any]
RESAMPLES = 2000


@dataclass(frozen=True)
class Mean:
    """Mean of the values that are defined.

    Attributes
    ----------
    value, low, high : float
        Mean and percentile bootstrap interval; NaN where nothing was defined.
    n : int
        Values in the mean.
    undefined : int
        Values left out because they are NaN.
    infinite : int
        Values left out because they are infinite: distances to an object that was missed or invented.
    """

    value: float
    low: float
    high: float
    n: int
    undefined: int = 0
    infinite: int = 0


def bootstrap_interval(values: Iterable[float], seed: object, level: float = 0.95) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean.

    Parameters
    ----------
    values : iterable of float
        One per independent unit (case or patient). NaN and infinite values are left out; `mean_of` counts them.
    seed : object
        Seeds the resampling by name.
    level : float
        Between 0 and 1.

    Returns
    -------
    low, high : float
        NaN where no value is finite; the value itself where there is only one.

    Raises
    ------
    ConfigError
        If `level` is not between 0 and 1.

    References
    ----------
    .. [1] Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.
    """
    if not 0 < level < 1:
        raise ConfigError(f"the level of an interval lies between 0 and 1, not {level}")
    finite = np.array([v for v in values if math.isfinite(v)], dtype=np.float64)
    if len(finite) < 2:
        only = float(finite[0]) if len(finite) else float("nan")
        return only, only
    picks = named_rng("bootstrap", seed).integers(0, len(finite), (RESAMPLES, len(finite)))
    low, high = np.quantile(finite[picks].mean(axis=1), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def mean_of(values: Iterable[float], seed: object = 0, level: float = 0.95) -> Mean:
    """Mean with its interval; see `bootstrap_interval`."""
    numbers = [float(v) for v in values]
    finite = [v for v in numbers if math.isfinite(v)]
    low, high = bootstrap_interval(finite, seed, level)
    value = float(np.mean(finite)) if finite else float("nan")
    infinite = sum(math.isinf(v) for v in numbers)
    return Mean(value, low, high, len(finite), len(numbers) - len(finite) - infinite, infinite)


def class_means(rows: Sequence[Row], figure: str, seed: object = 0) -> dict[int, Mean]:
    """Mean over cases of one figure, for each label.

    Parameters
    ----------
    rows : sequence of mapping
        With keys case, label and `figure`. Several objects of one label in a case are averaged first.
    figure : str
    seed : object

    Returns
    -------
    dict of int to Mean
        By ascending label.
    """
    labels = sorted({int(row["label"]) for row in rows})
    return {label: _over_cases([row for row in rows if int(row["label"]) == label], figure, seed) for label in labels}


def case_means(rows: Sequence[Row], figure: str, *, background: bool = False) -> dict[str, float]:
    """Mean over labels of one figure, for each case; values that are not finite are left out.

    Parameters
    ----------
    rows : sequence of mapping
        With keys case, label and `figure`.
    figure : str
    background : bool
        Count label 0.

    Returns
    -------
    dict of str to float
        NaN for a case in which nothing was finite.
    """
    values: dict[str, list[float]] = {}
    for row in rows:
        if background or int(row["label"]) != 0:
            values.setdefault(str(row["case"]), []).append(float(row[figure]))
    return {case: finite_mean(numbers) for case, numbers in values.items()}


def dataset_mean(rows: Sequence[Row], figure: str, *, background: bool = False, seed: object = 0) -> Mean:
    """Mean over cases of the mean over labels, with the interval over cases."""
    kept = [row for row in rows if background or int(row["label"]) != 0]
    mean = mean_of(case_means(kept, figure, background=background).values(), seed)
    return _with_counts(mean, kept, figure)


def _over_cases(rows: Sequence[Row], figure: str, seed: object) -> Mean:
    mean = mean_of(case_means(rows, figure, background=True).values(), seed)
    return _with_counts(mean, rows, figure)


def _with_counts(mean: Mean, rows: Sequence[Row], figure: str) -> Mean:
    """The same mean, counting the rows that it left out."""
    return Mean(
        mean.value, mean.low, mean.high, mean.n, _count(rows, figure, math.isnan), _count(rows, figure, math.isinf)
    )


def _count(rows: Sequence[Row], figure: str, test: Callable[[float], bool]) -> int:
    return sum(test(float(row[figure])) for row in rows)


def finite_mean(values: Iterable[float]) -> float:
    """Mean of the values that are neither NaN nor infinite; NaN if there is none."""
    finite = [v for v in values if math.isfinite(v)]
    return float(np.mean(finite)) if finite else float("nan")
