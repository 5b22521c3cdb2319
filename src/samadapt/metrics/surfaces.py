"""Distances between two boundaries, computed once and read by every boundary metric."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samadapt.metrics.elements import element_areas, neighbour_codes
from samadapt.metrics.nearest import Distances, distances, margins


@dataclass(frozen=True, eq=False)
class Surfaces:
    """How far each piece of one boundary is from the other boundary.

    Attributes
    ----------
    to_prediction, to_reference : ndarray of shape (N,) and (M,), float64
        Distance of each piece of the reference (prediction) boundary to the nearest piece of the other one, in the
        unit of the spacing; infinite where the other is empty.
    reference_weights, prediction_weights : ndarray of the same shapes, float64
        Areas in mm² (lengths in mm in 2-D) of surface elements; 1 for border voxels.
    """

    to_prediction: Distances
    to_reference: Distances
    reference_weights: Distances
    prediction_weights: Distances

    @property
    def hausdorff(self) -> float:
        """Largest distance; NaN where both are empty."""
        if not len(self.to_prediction) + len(self.to_reference):
            return float("nan")
        return float(max(self.to_prediction.max(initial=0), self.to_reference.max(initial=0)))

    def larger_percentile(self, percent: float) -> float:
        """Larger of the two directed, unweighted percentiles; NaN where one is empty."""
        if not (len(self.to_prediction) and len(self.to_reference)):
            return float("nan")
        return float(max(np.percentile(self.to_prediction, percent), np.percentile(self.to_reference, percent)))

    def pooled_percentile(self, percent: float) -> float:
        """Percentile of both directions together, unweighted; NaN where one is empty."""
        if not (len(self.to_prediction) and len(self.to_reference)):
            return float("nan")
        return float(np.percentile(np.concatenate([self.to_prediction, self.to_reference]), percent))

    def larger_weighted_percentile(self, percent: float) -> float:
        """Larger of the two directed percentiles by area, without interpolation; infinite where one is empty."""
        sides = ((self.to_prediction, self.reference_weights), (self.to_reference, self.prediction_weights))
        return max(_weighted_percentile(d, w, percent) for d, w in sides)

    @property
    def mean(self) -> float:
        """Weighted mean over both boundaries together; NaN where both are empty."""
        weight = self.reference_weights.sum() + self.prediction_weights.sum()
        total = self.to_prediction @ self.reference_weights + self.to_reference @ self.prediction_weights
        return float(total / weight) if weight else float("nan")

    def within(self, tolerance: float) -> float:
        """Part of both boundaries that lies within `tolerance` of the other (NSD); NaN where both are empty."""
        weight = self.reference_weights.sum() + self.prediction_weights.sum()
        near = self.reference_weights[self.to_prediction <= tolerance].sum()
        near += self.prediction_weights[self.to_reference <= tolerance].sum()
        return float(near / weight) if weight else float("nan")


def border_surfaces(
    reference: NDArray[np.bool_], prediction: NDArray[np.bool_], spacing: tuple[float, ...]
) -> Surfaces:
    """Distances between border voxels: object voxels of which a face neighbour is background or outside the array.

    Parameters
    ----------
    reference, prediction : ndarray of shape (H, W) or (Z, Y, X), bool
    spacing : tuple of float, in array order

    Returns
    -------
    Surfaces
        With unit weights.
    """
    a, b = (_border(mask) for mask in _padded(reference, prediction, spacing))
    to_b, to_a = distances(a, b, spacing), distances(b, a, spacing)
    return Surfaces(to_b, to_a, np.ones(len(to_b)), np.ones(len(to_a)))


def element_surfaces(
    reference: NDArray[np.bool_], prediction: NDArray[np.bool_], spacing_mm: tuple[float, ...]
) -> Surfaces:
    """Distances between marching-cubes surface elements, weighted by area.

    Parameters
    ----------
    reference, prediction : ndarray of shape (H, W) or (Z, Y, X), bool
    spacing_mm : tuple of float, in array order

    Returns
    -------
    Surfaces

    References
    ----------
    .. [1] Nikolov et al. 2021, J Med Internet Res 23(7):e26151.
    """
    codes_a, codes_b = (neighbour_codes(mask) for mask in _padded(reference, prediction, spacing_mm))
    full = 2 ** (2**reference.ndim) - 1
    a, b = ((codes != 0) & (codes != full) for codes in (codes_a, codes_b))
    to_b, to_a = distances(a, b, spacing_mm), distances(b, a, spacing_mm)
    areas = element_areas(spacing_mm)
    return Surfaces(to_b, to_a, areas[codes_a[a]], areas[codes_b[b]])


def _padded(
    reference: NDArray[np.bool_], prediction: NDArray[np.bool_], spacing: tuple[float, ...]
) -> list[NDArray[np.bool_]]:
    width = [(margin + 1, margin + 1) for margin in margins(spacing)]
    return [np.pad(mask, width) for mask in (reference, prediction)]


def _border(padded: NDArray[np.bool_]) -> NDArray[np.bool_]:
    core = tuple(slice(1, -1) for _ in range(padded.ndim))
    inner = padded[core].copy()
    for axis in range(padded.ndim):
        for part in (slice(None, -2), slice(2, None)):
            inner &= padded[(*core[:axis], part, *core[axis + 1 :])]
    inner ^= padded[core]
    return inner


def _weighted_percentile(distances: Distances, weights: Distances, percent: float) -> float:
    if not len(distances):
        return float("inf")
    order = np.argsort(distances)
    share = np.cumsum(weights[order]) / weights.sum()
    index = min(int(np.searchsorted(share, percent / 100)), len(distances) - 1)
    return float(distances[order][index])
