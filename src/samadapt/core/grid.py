"""Where an array lies in the world."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import GridMismatch, InvalidGeometry


@dataclass(frozen=True, eq=False)
class Grid:
    """Geometry of an array.

    Attributes
    ----------
    shape : tuple of int
        (H, W) or (Z, Y, X).
    affine : ndarray of shape (4, 4), float64
        Maps a homogeneous array index in array order (z, y, x, 1) to LPS+ millimetres (x, y, z, 1).
        A 2-D array is the slice z = 0.
    """

    shape: tuple[int, ...]
    affine: NDArray[np.float64]

    def __post_init__(self) -> None:
        if len(self.shape) not in (2, 3) or min(self.shape) < 1:
            raise InvalidGeometry(
                f"a grid needs 2 or 3 axes of at least one element, not shape {self.shape}",
                remedy="Split a time series into its volumes first.",
            )
        affine = np.asarray(self.affine, dtype=np.float64)
        if affine.shape != (4, 4) or not np.isfinite(affine).all():
            raise InvalidGeometry("the affine must be a finite 4 x 4 matrix")
        if abs(np.linalg.det(affine[:3, :3])) < 1e-12:
            raise InvalidGeometry(
                "the spacing is zero or the axes coincide",
                remedy="Correct the spacing in the file's header (nibabel: img.header.set_zooms).",
            )
        object.__setattr__(self, "affine", affine)

    @classmethod
    def from_spacing(cls, shape: tuple[int, ...], spacing_mm: tuple[float, ...]) -> Grid:
        """Axis-aligned grid at the origin; `spacing_mm` in array order, one per axis."""
        if len(shape) not in (2, 3):
            raise InvalidGeometry(f"a grid needs 2 or 3 axes, not {len(shape)}")
        if len(spacing_mm) != len(shape):
            raise InvalidGeometry(f"{len(shape)} axes need as many spacings, not {len(spacing_mm)}")
        if not all(np.isfinite(s) and s > 0 for s in spacing_mm):
            raise InvalidGeometry(
                f"spacing must be positive, not {tuple(spacing_mm)}",
                remedy="Correct the spacing in the file's header.",
            )
        zyx = (1.0,) * (3 - len(spacing_mm)) + tuple(float(s) for s in spacing_mm)
        affine = np.zeros((4, 4))
        affine[2, 0], affine[1, 1], affine[0, 2], affine[3, 3] = *zyx, 1.0
        return cls(tuple(shape), affine)

    @property
    def spacing_mm(self) -> tuple[float, ...]:
        """Length of one step along each array axis, in array order."""
        steps = np.linalg.norm(self.affine[:3, :3], axis=0)
        return tuple(float(s) for s in steps[3 - len(self.shape) :])

    def slice(self, index: int) -> Grid:
        """Grid of the 2-D slice `index` along the first axis."""
        affine = self.affine.copy()
        affine[:3, 3] += affine[:3, 0] * index
        return Grid(self.shape[1:], affine)

    def matches(self, other: Grid, tolerance_mm: float = 1e-2) -> bool:
        """True if both grids have the same shape and their corners agree within `tolerance_mm`."""
        if self.shape != other.shape:
            return False
        corners = np.array([[z, y, x, 1.0] for z in (0, 1) for y in (0, 1) for x in (0, 1)])
        corners[:, :3] *= np.array((1,) * (3 - len(self.shape)) + self.shape)
        return bool(np.abs(corners @ (self.affine - other.affine).T).max() <= tolerance_mm)

    def _unlike(self, other: Grid) -> str:
        """The first thing in which the affines differ: spacing, directions or origin."""
        if not np.allclose(self.spacing_mm, other.spacing_mm, rtol=1e-3):
            return f"spacing {_rounded(self.spacing_mm)} and {_rounded(other.spacing_mm)} mm"
        directions = [grid.affine[:3, :3] / np.linalg.norm(grid.affine[:3, :3], axis=0) for grid in (self, other)]
        if not np.allclose(directions[0], directions[1], atol=1e-3):
            return "the directions of the axes (one of them may be flipped)"
        return f"origin {_rounded(self.affine[:3, 3])} and {_rounded(other.affine[:3, 3])} mm"

    def require_match(self, other: Grid, *, where: object = None) -> None:
        """Raise `GridMismatch` unless `matches`."""
        if self.shape != other.shape:
            raise GridMismatch(
                f"image shape {self.shape} and label shape {other.shape} differ",
                where=where,
                remedy="Resample the label to the image's grid, or pair the right files.",
            )
        if not self.matches(other):
            raise GridMismatch(
                f"same shape {self.shape}, but the affines differ: {self._unlike(other)}",
                where=where,
                remedy="The label is of another image or lost its header; copy the image's affine if they overlay.",
            )


def _rounded(values: Iterable[float]) -> str:
    return "(" + ", ".join(f"{value:.4g}" for value in values) + ")"
