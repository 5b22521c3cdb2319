"""Solid shapes as implicit functions on deformed patient coordinates, and the canvas they are painted on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.data.synthetic.fields import single, spline_basis

Field = NDArray[np.float32]
Window = tuple[slice, slice, slice]
Triple = tuple[float, float, float]
"""(z, y, x), here always in millimetres: z to the head, y to the back, x to the patient's left."""


@dataclass(frozen=True, eq=False)
class Solid:
    """`level` in `window` of the volume; inside where it is below 1."""

    window: Window
    level: Field


class Space:
    """Coordinates of every voxel in the atlas: millimetres of an average patient about the middle of the trunk.

    Parameters
    ----------
    rng : numpy.random.Generator
        Draws the smooth deformation.
    shape, spacing_mm : of the volume, (z, y, x)
    centre_mm : Triple
        Where the middle of the trunk lies from the middle of the volume.
    scale : Triple
        Size of this patient over that of the average patient.
    bend_mm : float
        Standard deviation of the smooth deformation.
    """

    def __init__(
        self,
        rng: np.random.Generator,
        shape: tuple[int, int, int],
        spacing_mm: Triple,
        centre_mm: Triple,
        scale: Triple,
        bend_mm: float,
    ) -> None:
        self.shape = shape
        self._step = np.array(spacing_mm) / np.array(scale)
        self._start = (-(np.array(shape) - 1) / 2 * np.array(spacing_mm) - np.array(centre_mm)) / np.array(scale)
        lines = [self._start[a] + self._step[a] * np.arange(shape[a]) for a in range(3)]
        grids = np.meshgrid(*(line.astype(np.float32) for line in lines), indexing="ij", sparse=True)
        shifts = [bend_mm * smooth_volume(rng, shape, 5) + 0.3 * bend_mm * smooth_volume(rng, shape, 11) for _ in "zyx"]
        self.axes: tuple[Field, Field, Field] = tuple(g + s for g, s in zip(grids, shifts))
        self._reach = max(float(np.abs(s).max()) for s in shifts)

    def around(self, low: NDArray[np.floating], high: NDArray[np.floating]) -> Window:
        """Window of the voxels that can lie between two atlas corners; empty slices where there is none."""
        first = np.floor((low - self._reach - self._start) / self._step).astype(int)
        last = np.ceil((high + self._reach - self._start) / self._step).astype(int) + 1
        z, y, x = (
            slice(int(np.clip(a, 0, n)), int(np.clip(b, 0, n))) for a, b, n in zip(first, last, self.shape, strict=True)
        )
        return z, y, x

    def at(self, window: Window) -> tuple[Field, Field, Field]:
        """Atlas coordinates z, y, x in the window."""
        z, y, x = (axis[window] for axis in self.axes)
        return z, y, x


def smooth_volume(rng: np.random.Generator, shape: tuple[int, int, int], cells: int) -> Field:
    """Smooth noise of unit variance with `cells` values along each axis."""
    small = rng.standard_normal((cells, cells, cells), dtype=np.float32)
    z, y, x = (spline_basis(n, cells) for n in shape)
    plane = np.tensordot(small, x, (2, 1))
    stack = np.tensordot(plane, y, (1, 1)).transpose(0, 2, 1)
    volume: Field = np.tensordot(z, stack, (1, 0)).astype(np.float32)
    return volume


def rotation(angles: Triple) -> NDArray[np.float64]:
    """Rotation matrix (zyx) for angles in degrees about z, y and x."""
    az, ay, ax = np.deg2rad(angles)
    about_z = np.array([[1, 0, 0], [0, np.cos(az), -np.sin(az)], [0, np.sin(az), np.cos(az)]])
    about_y = np.array([[np.cos(ay), 0, -np.sin(ay)], [0, 1, 0], [np.sin(ay), 0, np.cos(ay)]])
    about_x = np.array([[np.cos(ax), -np.sin(ax), 0], [np.sin(ax), np.cos(ax), 0], [0, 0, 1]])
    turned: NDArray[np.float64] = about_z @ about_y @ about_x
    return turned


def ellipsoid(space: Space, centre: Triple, radii: Triple, angles: Triple = (0, 0, 0)) -> Solid:
    """Ellipsoid with `radii` along axes turned by `angles` degrees."""
    turned, middle = rotation(angles), np.array(centre)
    extent = np.sqrt((turned**2 * np.array(radii) ** 2).sum(1))
    window = space.around(middle - extent, middle + extent)
    z, y, x = (axis - np.float32(c) for axis, c in zip(space.at(window), centre))
    level = np.zeros(z.shape, dtype=np.float32)
    for column, radius in zip(turned.T.astype(np.float32), radii):
        level += ((column[0] * z + column[1] * y + column[2] * x) / np.float32(radius)) ** 2
    return Solid(window, level)


def tube(space: Space, points: NDArray[np.floating], radii: NDArray[np.floating], flat: float = 1.0) -> Solid:
    """Union of capsules along `points` (n, 3) zyx with `radii` (n,); `flat` below 1 thins it from front to back."""
    top = float(radii.max())
    window = space.around(points.min(0) - top, points.max(0) + top)
    z, y, x = space.at(window)
    level = np.full(z.shape, 9.0, dtype=np.float32)
    for start, end, first, last in zip(points[:-1], points[1:], radii[:-1], radii[1:]):
        np.minimum(level, _capsule((z, y, x), start, end, first, last, flat), out=level)
    return Solid(window, level)


def _capsule(zyx: tuple[Field, Field, Field], start: Any, end: Any, first: float, last: float, flat: float) -> Field:
    step = (np.asarray(end) - np.asarray(start)).astype(np.float32)
    p = [axis - np.float32(s) for axis, s in zip(zyx, start)]
    along = (p[0] * step[0] + p[1] * step[1] + p[2] * step[2]) / np.float32(max(float((step**2).sum()), 1e-6))
    along = np.clip(along, np.float32(0), np.float32(1))
    squared = (p[0] - along * step[0]) ** 2 + (p[2] - along * step[2]) ** 2
    squared += ((p[1] - along * step[1]) / np.float32(flat)) ** 2
    level: Field = np.sqrt(squared) / (np.float32(first) + along * np.float32(last - first))
    return level


def merged(space: Space, solids: list[Solid], sharpness: float = 6.0) -> Solid:
    """Smooth union, as of the lobes of one organ."""
    window: Window = tuple(  # type: ignore[assignment]
        slice(min(s.window[a].start for s in solids), max(s.window[a].stop for s in solids)) for a in range(3)
    )
    total = np.zeros([w.stop - w.start for w in window], dtype=np.float32)
    for solid in solids:
        part = tuple(slice(s.start - w.start, s.stop - w.start) for s, w in zip(solid.window, window))
        total[part] += np.exp(np.float32(-sharpness) * np.minimum(solid.level, np.float32(8)))
    return Solid(window, single(-np.log(np.maximum(total, np.float32(1e-30))) / sharpness))


class Canvas:
    """Tissue numbers and labels of a volume under construction; the last painted is in front."""

    def __init__(self, shape: tuple[int, int, int], names: Iterable[str]) -> None:
        self.names = tuple(names)
        self.tissue: NDArray[np.uint8] = np.zeros(shape, dtype=np.uint8)
        self.labels: NDArray[np.uint8] = np.zeros(shape, dtype=np.uint8)

    def paint(
        self,
        solid: Solid | NDArray[np.bool_],
        tissue: str,
        label: int | None = 0,
        *,
        over: Iterable[str] | None = None,
        below: float = 1.0,
    ) -> None:
        """Paint where the solid's level is below `below`, only on the tissues `over` if given.

        A `label` of None leaves the labels as they are: content or texture of what was painted before.
        """
        window: Any = solid.window if isinstance(solid, Solid) else np.s_[:, :, :]
        mask = solid.level < np.float32(below) if isinstance(solid, Solid) else solid
        if over is not None:
            mask = mask & self._is(over)[self.tissue[window]]
        self.tissue[window][mask] = self.names.index(tissue)
        if label is not None:
            self.labels[window][mask] = label

    def _is(self, names: Iterable[str]) -> NDArray[np.bool_]:
        wanted = set(names)
        return np.array([name in wanted for name in self.names])

    def where(self, *names: str) -> NDArray[np.bool_]:
        """Voxels of these tissues."""
        found: NDArray[np.bool_] = self._is(names)[self.tissue]
        return found
