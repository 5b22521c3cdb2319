"""Area of the surface that passes through a 2 x 2 x 2 neighbourhood, for each of its 256 patterns.

The patterns are triangulated here rather than looked up. The corners of the smaller side of a pattern (at most four)
fall into parts joined along cube edges; each part is cut off by a polygon through the midpoints of the edges that
leave it, and the polygon is triangulated so that its area at unit spacing is largest. This gives the areas of
DeepMind's surface-distance package for every spacing; in two dimensions the polygon is a line.

References
----------
.. [1] Nikolov et al. 2021, J Med Internet Res 23(7):e26151.
.. [2] Lorensen and Cline 1987, Comput Graph 21(4):163.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

Corner = tuple[int, ...]
Triangle = tuple[int, int, int]


@lru_cache(maxsize=32)
def element_areas(spacing_mm: tuple[float, ...]) -> NDArray[np.float64]:
    """Area (3-D, mm²) or length (2-D, mm) of the boundary inside a neighbourhood, by its pattern.

    Parameters
    ----------
    spacing_mm : tuple of 2 or 3 float, in array order

    Returns
    -------
    ndarray of shape (16,) or (256,), float64
        Bit k of the index is corner k in raster order, see `corner_weights`.
    """
    ndim = len(spacing_mm)
    lengths = np.array(spacing_mm, dtype=np.float64)
    scale = lengths if ndim == 2 else np.prod(lengths) / lengths
    areas = np.zeros(2 ** (2**ndim))
    for code, vectors in _element_vectors(ndim).items():
        areas[code] = np.linalg.norm(vectors * scale, axis=1).sum()
    areas.setflags(write=False)
    return areas


def neighbour_codes(padded: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Pattern of every neighbourhood of a mask that is padded by one background voxel on each side.

    Parameters
    ----------
    padded : ndarray of shape (H, W) or (Z, Y, X), bool

    Returns
    -------
    ndarray one shorter along each axis, uint8
        0 is all background; all ones is all object; the rest holds a piece of surface.
    """
    bits = padded.view(np.uint8)
    for axis in range(padded.ndim):
        count = 2 ** (padded.ndim - 1 - axis)
        low = tuple(slice(None, -1) if a == axis else slice(None) for a in range(padded.ndim))
        high = tuple(slice(1, None) if a == axis else slice(None) for a in range(padded.ndim))
        shifted = bits[high] << np.uint8(count)
        shifted |= bits[low]
        bits = shifted
    return bits


def corner_weights(ndim: int) -> dict[Corner, int]:
    """Bit of each corner of a neighbourhood in the codes of `neighbour_codes`."""
    return {c: 1 << sum(v << (ndim - 1 - axis) for axis, v in enumerate(c)) for c in product((0, 1), repeat=ndim)}


@lru_cache(maxsize=2)
def _element_vectors(ndim: int) -> dict[int, NDArray[np.float64]]:
    """Normals (3-D, length = area) or segments (2-D) of every pattern at unit spacing."""
    weights = corner_weights(ndim)
    everything = (1 << len(weights)) - 1
    vectors: dict[int, NDArray[np.float64]] = {}
    for code in range(1, everything):
        inside = frozenset(c for c, w in weights.items() if code & w)
        if 2 * len(inside) <= len(weights):
            rows = [row for part in _parts(inside) for row in _cap(part, ndim)]
            vectors[code] = vectors[everything - code] = np.array(rows)
    return vectors


def _parts(corners: frozenset[Corner]) -> list[frozenset[Corner]]:
    """Groups of corners that are joined along edges of the cube."""
    left, parts = set(corners), []
    while left:
        part = [left.pop()]
        for corner in part:
            near = {other for other in left if _adjacent(corner, other)}
            left -= near
            part.extend(near)
        parts.append(frozenset(part))
    return parts


def _cap(part: frozenset[Corner], ndim: int) -> NDArray[np.float64]:
    """Vectors of the surface that cuts one part off."""
    ring = _ring(part, ndim)
    if ndim == 2:
        return np.array([ring[1] - ring[0]])
    return max((_normals(ring, t) for t in _triangulations(tuple(range(len(ring))))), key=_total)


def _ring(part: frozenset[Corner], ndim: int) -> list[NDArray[np.float64]]:
    """Midpoints of the cut edges, in order around the part; neighbours lie on one face of the cube."""
    corners = [tuple(c) for c in product((0, 1), repeat=ndim)]
    cut = sorted((a, b) for a in part for b in corners if b not in part and _adjacent(a, b))
    ring = [cut.pop(0)]
    while cut:
        following = next(edge for edge in cut if ndim == 2 or _on_one_face(ring[-1], edge))
        cut.remove(following)
        ring.append(following)
    return [(np.array(a) + np.array(b)) / 2 for a, b in ring]


def _triangulations(polygon: tuple[int, ...]) -> Iterator[list[Triangle]]:
    if len(polygon) < 3:
        yield []
        return
    first, last = polygon[0], polygon[-1]
    for k in range(1, len(polygon) - 1):
        for left, right in product(_triangulations(polygon[: k + 1]), _triangulations(polygon[k:])):
            yield [*left, (first, polygon[k], last), *right]


def _normals(points: list[NDArray[np.float64]], triangles: list[Triangle]) -> NDArray[np.float64]:
    return np.array([np.cross(points[j] - points[i], points[k] - points[i]) / 2 for i, j, k in triangles])


def _total(normals: NDArray[np.float64]) -> float:
    return round(float(np.linalg.norm(normals, axis=1).sum()), 9)


def _adjacent(a: Corner, b: Corner) -> bool:
    return sum(i != j for i, j in zip(a, b)) == 1


def _on_one_face(first: tuple[Corner, Corner], second: tuple[Corner, Corner]) -> bool:
    return any(all(a == b for a, b in pairwise(values)) for values in zip(*first, *second))
