"""Outlines as implicit functions on deformed coordinates, evaluated only in the window they can reach."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from samadapt.data.synthetic.fields import Field, single, smooth

_BINS = 256
Point = tuple[float, float]
"""(y, x) in pixels."""


@dataclass(frozen=True, eq=False)
class Patch:
    """A shape: `level` (h, w) in the window (`rows`, `columns`) of the frame; inside where it is below 1."""

    rows: slice
    columns: slice
    level: Field

    @property
    def inside(self) -> NDArray[np.bool_]:
        """(h, w) bool in the window."""
        return self.level < 1.0

    @property
    def window(self) -> tuple[slice, slice]:
        """Where the window lies in the frame."""
        return self.rows, self.columns


@dataclass(frozen=True, eq=False)
class Space:
    """Pixel coordinates y and x (size, size) after a smooth random displacement of at most `reach` pixels."""

    y: Field
    x: Field
    reach: float

    @property
    def size(self) -> int:
        """Side of the frame in pixels."""
        return int(self.y.shape[0])

    @classmethod
    def warped(cls, rng: np.random.Generator, size: int, strength: float | None = None, cells: int = 0) -> Space:
        """Coordinates displaced by smooth noise of `strength` times the frame (standard deviation)."""
        amount = float(rng.uniform(0.0, 0.03) if strength is None else strength) * size
        detail = cells or int(rng.integers(3, 9))
        line = np.arange(size, dtype=np.float32)
        dy, dx = (np.float32(amount) * smooth(rng, size, detail) for _ in range(2))
        reach = float(max(np.abs(dy).max(), np.abs(dx).max()))
        return cls(line[:, None] + dy, line[None, :] + dx, reach)

    def around(self, centre: Point, radius: float) -> tuple[slice, slice]:
        """Window that holds every pixel within `radius` of `centre`, at least one pixel."""
        return tuple(_span(c, radius + self.reach + 1.0, self.size) for c in centre)  # type: ignore[return-value]


def _span(centre: float, radius: float, size: int) -> slice:
    low = int(min(max(centre - radius, 0), size - 1))
    return slice(low, max(low + 1, int(min(max(centre + radius + 2, 0), size))))


def _local(space: Space, centre: Point, angle: float, radius: float) -> tuple[slice, slice, Field, Field]:
    rows, columns = space.around(centre, radius)
    dy, dx = space.y[rows, columns] - np.float32(centre[0]), space.x[rows, columns] - np.float32(centre[1])
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return rows, columns, c * dx + s * dy, c * dy - s * dx


def superellipse(space: Space, centre: Point, radii: Point, angle: float = 0.0, power: float = 2.0) -> Patch:
    """Ellipse (power 2), diamond (1) to rectangle (large); `radii` along `angle` and across it."""
    rows, columns, u, v = _local(space, centre, angle, float(np.hypot(*radii)) if power > 2 else max(radii))
    u, v = single(np.abs(u) / max(radii[0], 0.5)), single(np.abs(v) / max(radii[1], 0.5))
    if power == 2.0:
        return Patch(rows, columns, u * u + v * v)
    level = np.maximum(u, v) if power > 12 else u ** np.float32(power) + v ** np.float32(power)
    return Patch(rows, columns, np.asarray(level, dtype=np.float32))


def star(
    space: Space,
    rng: np.random.Generator,
    centre: Point,
    radius: float,
    *,
    aspect: float = 1.0,
    angle: float = 0.0,
    rough: float = 0.15,
    waves: int = 7,
) -> Patch:
    """Star-shaped outline whose radius is a random Fourier series of `waves` terms and relative strength `rough`."""
    strength = (rng.standard_normal((2, waves)) * rough / np.arange(1, waves + 1) ** 0.9).ravel() * 0.7
    outline = np.maximum(np.exp(strength.astype(np.float32) @ _harmonics(waves)), np.float32(0.15))
    along, across = radius * np.sqrt(aspect), radius / np.sqrt(aspect)
    rows, columns, u, v = _local(space, centre, angle, float(max(along, across) * outline.max()))
    u, v = u / np.float32(max(along, 0.5)), v / np.float32(max(across, 0.5))
    index = ((np.arctan2(v, u) + np.float32(np.pi)) * np.float32((_BINS - 1) / (2 * np.pi))).astype(np.int16)
    return Patch(rows, columns, np.sqrt(u * u + v * v) / outline[index])


@cache
def _harmonics(waves: int) -> Field:
    phase = np.arange(1, waves + 1)[:, None] * np.linspace(-np.pi, np.pi, _BINS)
    return np.concatenate([np.cos(phase), np.sin(phase)]).astype(np.float32)


def scaled(patch: Patch, factor: float) -> Patch:
    """The same outline, `factor` times as large about its centre (within the window it was evaluated in)."""
    return Patch(patch.rows, patch.columns, patch.level * np.float32(1.0 / factor))


def convex(space: Space, rng: np.random.Generator, centre: Point, radius: float, sides: int) -> Patch:
    """Convex polygon of `sides` sides about a circle of `radius`."""
    rows, columns, u, v = _local(space, centre, rng.uniform(0, 2 * np.pi), 2.2 * radius)
    turn = (np.arange(sides) + rng.uniform(-0.25, 0.25, sides)) * 2 * np.pi / sides
    level = np.zeros_like(u)
    for angle, reach in zip(turn, rng.uniform(0.7, 1.2, sides) * radius):
        np.maximum(
            level, (np.float32(np.cos(angle)) * u + np.float32(np.sin(angle)) * v) / np.float32(reach), out=level
        )
    return Patch(rows, columns, level)


def ribbon(space: Space, points: NDArray[np.floating], radii: NDArray[np.floating]) -> Patch:
    """Union of capsules along `points` (n, 2) yx with half widths `radii` (n,): tubes, roads, curved bodies."""
    middle = (float(points[:, 0].mean()), float(points[:, 1].mean()))
    extent = float(np.abs(points - np.array(middle)).max() + radii.max())
    rows, columns = space.around(middle, extent)
    level = np.full((rows.stop - rows.start, columns.stop - columns.start), 9.0, dtype=np.float32)
    for start, end, first, last in zip(points[:-1], points[1:], radii[:-1], radii[1:]):
        reach = float(np.abs(end - start).max() / 2 + 1.5 * max(first, last))
        r, c = space.around(((start[0] + end[0]) / 2, (start[1] + end[1]) / 2), reach)
        r = slice(max(r.start, rows.start), min(r.stop, rows.stop))
        c = slice(max(c.start, columns.start), min(c.stop, columns.stop))
        if r.start < r.stop and c.start < c.stop:
            part = level[r.start - rows.start : r.stop - rows.start, c.start - columns.start : c.stop - columns.start]
            np.minimum(part, _capsule(space.y[r, c], space.x[r, c], start, end, first, last), out=part)
    return Patch(rows, columns, level)


def _capsule(
    y: Field, x: Field, start: NDArray[np.floating], end: NDArray[np.floating], first: float, last: float
) -> Field:
    dy, dx = np.float32(end[0] - start[0]), np.float32(end[1] - start[1])
    py, px = y - np.float32(start[0]), x - np.float32(start[1])
    along = (py * dy + px * dx) / np.float32(max(float(dy * dy + dx * dx), 1e-6))
    along = np.minimum(np.maximum(along, np.float32(0)), np.float32(1))
    width = np.float32(max(first, 0.5)) + along * np.float32(max(last, 0.5) - max(first, 0.5))
    return np.asarray(np.hypot(py - along * dy, px - along * dx) / width, dtype=np.float32)


def walk(
    rng: np.random.Generator, start: Point, heading: float, length: float, steps: int, bend: float = 0.35
) -> NDArray[np.float64]:
    """Points (steps + 1, 2) yx of a path that turns smoothly; `bend` in radians a step (standard deviation)."""
    turn = np.convolve(rng.standard_normal(steps + 2), [0.5, 0.7, 0.5], "valid") * bend
    course = heading + np.cumsum(turn)
    step = length / steps * np.stack([np.sin(course), np.cos(course)], 1)
    return np.concatenate([[start], np.array(start) + np.cumsum(step, 0)])


def tree(
    rng: np.random.Generator, start: Point, heading: float, length: float, width: float, depth: int
) -> list[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Branches (points, half widths) of a vessel tree; each bifurcation follows roughly Murray's law."""
    steps = max(3, int(length / max(3.0 * width, 7.0)))
    points = walk(rng, start, heading, length, min(steps, 9), 0.18)
    branches = [(points, np.linspace(width, width * 0.82, len(points)))]
    if depth > 0:
        end = (float(points[-1, 0]), float(points[-1, 1]))
        final = float(np.arctan2(points[-1, 0] - points[-2, 0], points[-1, 1] - points[-2, 1]))
        for side in (-1.0, 1.0):
            turn = side * rng.uniform(0.15, 0.8)
            shrink = rng.uniform(0.6, 0.85)
            branches += tree(rng, end, final + turn, length * rng.uniform(0.6, 0.95), width * shrink, depth - 1)
    return branches
