"""Means over cases with their uncertainty."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from samadapt.core.rng import named_rng

RESAMPLES = 2000


def bootstrap_interval(values: Sequence[float], seed: int, level: float = 0.95) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean.

    Parameters
    ----------
    values : sequence of float
        One figure a case; values that are not finite are left out.
    seed : int
        The interval depends on it and the values alone.
    level : float
        Coverage, e.g. 0.95.

    Returns
    -------
    low, high : float
        NaN where nothing is left; the value itself twice for a single case.

    References
    ----------
    .. [1] Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapter 13.
    """
    finite = _finite(values)
    if not len(finite):
        return float("nan"), float("nan")
    draws = named_rng("bootstrap", seed, len(finite)).integers(0, len(finite), (RESAMPLES, len(finite)))
    low, high = np.quantile(finite[draws].mean(axis=1), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _finite(values: Sequence[float]) -> NDArray[np.float64]:
    array = np.asarray(values, dtype=np.float64)
    return array[np.isfinite(array)]
