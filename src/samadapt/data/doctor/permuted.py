"""Labels that would fit the other cases much better under other names.

Every label of a case is compared with the median of that label over all cases: size, place relative to the centre
of all labels, intensity. If another assignment of names to regions (the best one, by linear sum assignment) fits
much better, the values were probably exchanged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samadapt.data.doctor.facts import CaseFacts

MIN_CASES = 6
_CAP = 6.0
_MIN_GAIN = 1.0
_MAX_REST = 0.5
_FLOORS = np.array([0.15, 0.06, 0.06, 0.06, 0.25])  # log size, x, y, z in shares of the extent, intensity


@dataclass(frozen=True)
class Exchange:
    """A better assignment of names.

    Attributes
    ----------
    case : str
    mapping : dict of int to int
        Value in the file to the value that fits, exchanged ones only.
    as_is, best : float
        Mean misfit of the exchanged labels, in robust standard deviations a feature, before and after.
    """

    case: str
    mapping: dict[int, int]
    as_is: float
    best: float


def exchanges(cases: Sequence[CaseFacts]) -> list[Exchange]:
    """Cases whose labels fit much better under a permutation; needs `MIN_CASES` cases a label."""
    described = {case.name: _describe(case) for case in cases if len(case.regions) >= 2}
    values = sorted({value for features in described.values() for value in features})
    stacks = {v: np.array([f[v] for f in described.values() if v in f]) for v in values}
    known = {v: _typical(stack) for v, stack in stacks.items() if len(stack) >= MIN_CASES}
    found = (_exchange(name, features, known) for name, features in described.items())
    return [one for one in found if one is not None]


def _describe(case: CaseFacts) -> dict[int, NDArray[np.float64]]:
    """{value: (5,) log size, centre x, y, z relative to all labels' centre in shares of the image, intensity}."""
    centres = np.array([region.centre_mm for region in case.regions.values()])
    middle = centres.mean(axis=0)
    extent = float(np.linalg.norm(np.multiply(case.shape, case.spacing_mm)))
    return {
        value: np.concatenate([[np.log(region.size)], (region.centre_mm - middle) / extent * 2, [region.intensity]])
        for value, region in case.regions.items()
    }


def _typical(stack: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Median and robust spread of each feature."""
    median = np.median(stack, axis=0)
    spread = 1.4826 * np.median(np.abs(stack - median), axis=0)
    return median, np.maximum(spread, _FLOORS)


def _exchange(
    name: str,
    features: dict[int, NDArray[np.float64]],
    known: dict[int, tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> Exchange | None:
    from scipy.optimize import linear_sum_assignment

    present = [value for value in features if value in known]
    if len(present) < 2:
        return None
    cost = np.array([[_misfit(features[v], known[other]) for other in present] for v in present])
    _, columns = linear_sum_assignment(cost)
    moved = [(row, int(column)) for row, column in enumerate(columns) if row != column]
    if not moved:
        return None
    as_is = float(np.mean([cost[row, row] for row, _ in moved]))
    best = float(np.mean([cost[row, column] for row, column in moved]))
    if as_is - best < _MIN_GAIN or best > _MAX_REST * as_is:
        return None
    return Exchange(name, {present[row]: present[column] for row, column in moved}, as_is, best)


def _misfit(features: NDArray[np.float64], typical: tuple[NDArray[np.float64], NDArray[np.float64]]) -> float:
    """Mean distance over the three kinds of feature, capped, in robust standard deviations."""
    distance = np.minimum(np.abs(features - typical[0]) / typical[1], _CAP)
    place = float(np.sqrt((distance[1:4] ** 2).mean()))
    return float((distance[0] + 2 * place + distance[4]) / 4)
