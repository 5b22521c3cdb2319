"""Two masks of one object, and what several conventions measure between them, each piece found once."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from samadapt.metrics.definitions import Boundary, Missing, Unit
from samadapt.metrics.surfaces import Surfaces, border_surfaces, element_surfaces

Mask = NDArray[np.bool_]
Values = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class MaskPair:
    """Reference and prediction of one label.

    Attributes
    ----------
    reference, prediction : ndarray of shape (H, W) or (Z, Y, X), bool
    spacing_mm : tuple of float, in array order
    slice_axis : int
        Across the slices.
    """

    reference: Mask
    prediction: Mask
    spacing_mm: tuple[float, ...]
    slice_axis: int
    _surfaces: dict[tuple[Boundary, Unit], Surfaces] = field(default_factory=dict, repr=False)

    @cached_property
    def reference_voxels(self) -> int:
        """Size of the reference."""
        return int(np.count_nonzero(self.reference))

    @cached_property
    def prediction_voxels(self) -> int:
        """Size of the prediction."""
        return int(np.count_nonzero(self.prediction))

    @cached_property
    def missing(self) -> Missing:
        """Which of the two is empty."""
        if not self.reference_voxels:
            return "reference" if self.prediction_voxels else "both"
        return "" if self.prediction_voxels else "prediction"

    @cached_property
    def both_voxels(self) -> int:
        """Size of the overlap."""
        return int(np.count_nonzero(self.reference & self.prediction))

    def overlap(self, smooth: float = 0.0) -> tuple[float, float]:
        """Dice and IoU with `smooth` added to numerator and denominator; NaN where both masks are empty."""
        both, total = self.both_voxels, self.reference_voxels + self.prediction_voxels
        if not total:
            return float("nan"), float("nan")
        return (2 * both + smooth) / (total + smooth), (both + smooth) / (total - both + smooth)

    def overlap_by_slice(self, smooth: float = 0.0) -> tuple[Values, Values]:
        """Dice and IoU of every slice whose reference is not empty, each an array of one float per slice."""
        both, reference, prediction = self._slice_voxels
        total = reference + prediction
        return (2 * both + smooth) / (total + smooth), (both + smooth) / (total - both + smooth)

    @property
    def reference_slices(self) -> int:
        """Slices whose reference is not empty."""
        return int(self._slice_voxels.shape[1])

    @cached_property
    def _slice_voxels(self) -> NDArray[np.int64]:
        """Overlap, reference and prediction (3, N) of the N slices whose reference is not empty."""
        others = tuple(axis for axis in range(self.reference.ndim) if axis != self.slice_axis)
        masks = self.reference & self.prediction, self.reference, self.prediction
        counts = np.stack([np.count_nonzero(mask, axis=others) for mask in masks])
        held: NDArray[np.int64] = counts[:, counts[1] > 0]
        return held

    @cached_property
    def between_reference_slices(self) -> MaskPair:
        """Both masks on the slices z_first <= z < z_last of the reference."""
        others = tuple(axis for axis in range(self.reference.ndim) if axis != self.slice_axis)
        inside = np.flatnonzero(self.reference.any(axis=others))
        whole = [slice(None)] * self.reference.ndim
        whole[self.slice_axis] = slice(inside[0], inside[-1])
        cut = tuple(whole)
        return MaskPair(self.reference[cut], self.prediction[cut], self.spacing_mm, self.slice_axis)

    def surfaces(self, boundary: Boundary, unit: Unit) -> Surfaces:
        """Distances between the two boundaries, in millimetres or, at spacing 1, in voxels."""
        if (boundary, unit) not in self._surfaces:
            spacing = (1.0,) * self.reference.ndim if unit == "voxel" else self.spacing_mm
            measure = element_surfaces if boundary == "surface elements" else border_surfaces
            self._surfaces[boundary, unit] = measure(self.reference, self.prediction, spacing)
        return self._surfaces[boundary, unit]
