"""Does the label fit the image better when one of them is mirrored?

The step of intensity across the label's boundary, with its sign, averages to something large where the boundary
lies on a real edge and to nothing where it does not. It is measured as it is and with the label mirrored.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MIN_STEPS = 40
_MIN_STEP = 0.25
_RATIO_WHOLE = 2.0
_RATIO_PARTS = 1.5
_RATIO_CHANCE = 1.3
_REACH = 1
_SAMPLE = 1_000_000


@dataclass(frozen=True)
class Contrast:
    """Mean absolute step across the boundary, in standard deviations of the image.

    Attributes
    ----------
    whole : float
        Steps averaged over a label's whole boundary.
    parts : float
        Averaged by direction of the boundary, then over directions.
    steps : int
        Pixel pairs measured.
    """

    whole: float
    parts: float
    steps: int


@dataclass(frozen=True)
class MirrorScores:
    """Contrast of the label as it is and mirrored.

    Attributes
    ----------
    as_is : Contrast
    mirrored : dict of str to Contrast
        By name of the flip: "left-right", "front-back", "head-feet", "up-down" (of pictures), "half turn".
    by_chance : float
        Largest contrast that the label, mirrored the best way, has at arbitrary other places.
    """

    as_is: Contrast
    mirrored: dict[str, Contrast]
    by_chance: float = 0.0

    @property
    def suspect(self) -> str:
        """The mirroring that fits clearly better, or ""."""
        better = {
            name: c.whole
            for name, c in self.mirrored.items()
            if _clearly_better(c, self.as_is) and c.whole > _RATIO_CHANCE * self.by_chance
        }
        return max(better, key=lambda name: better[name]) if better else ""


def mirror_scores(
    grey: NDArray[np.float32],
    labels: NDArray[Any],
    ignore: int | None,
    window: tuple[float, float] | None = None,
    axis_names: tuple[str, ...] = ("up-down", "left-right"),
) -> MirrorScores | None:
    """Scores of one case; None if the image is constant or the label has hardly any boundary.

    Parameters
    ----------
    grey : ndarray of shape (H, W) or (Z, Y, X), float32
    labels : ndarray of the same shape, unsigned integer
    ignore : int or None
        Value whose boundaries do not count.
    window : (float, float) or None
        Intensities outside are clipped, so that air does not outweigh the tissues.
    axis_names : tuple of str
        What a flip of each array axis is called.
    """
    scaled = _scaled(grey, window)
    if scaled is None or not labels.any():
        return None
    edges = find_edges(labels, ignore)
    as_is = contrast(scaled, edges)
    if as_is.steps < _MIN_STEPS:
        return None
    axes: dict[str, tuple[int, ...]] = {name: (axis,) for axis, name in enumerate(axis_names)}
    axes["half turn"] = (grey.ndim - 2, grey.ndim - 1)
    scores = MirrorScores(as_is, {name: contrast(scaled, edges, flipped) for name, flipped in axes.items()})
    if scores.suspect:
        scores = replace(scores, by_chance=_by_chance(scaled, edges, axes[scores.suspect]))
    return scores


def _scaled(grey: NDArray[np.float32], window: tuple[float, float] | None) -> NDArray[np.float32] | None:
    """Intensities in robust standard deviations; None for a constant image."""
    sample = grey.reshape(-1)[:: max(1, grey.size // _SAMPLE)]
    if window is not None:
        sample = np.clip(sample, *window)
    low, high = np.percentile(sample, (1, 99))
    spread = float(np.clip(sample, low, high).std())
    if spread == 0:
        return None
    clipped = grey if window is None else np.clip(grey, *window)
    scaled: NDArray[np.float32] = np.clip((clipped - np.float32(np.median(sample))) / np.float32(spread), -8, 8)
    return scaled


def _by_chance(scaled: NDArray[np.float32], edges: list[Edges], axes: tuple[int, ...]) -> float:
    """Largest contrast of the mirrored label at other places: shifted by quarters of the image in its plane."""
    height, width = scaled.shape[-2:]
    shifts = [(y * height // 4, x * width // 4) for y in range(4) for x in range(4) if (y, x) != (0, 0)]
    return max(contrast(scaled, edges, axes, shift).whole for shift in shifts)


@dataclass(frozen=True)
class Edges:
    """Boundaries of a label map along one axis.

    Attributes
    ----------
    inner, outer : tuple of ndarray of shape (N,)
        Indices one pixel before and one pixel behind each boundary.
    first, second : ndarray of shape (N,)
        Label on either side; 0 where a side does not count.
    """

    inner: tuple[NDArray[np.intp], ...]
    outer: tuple[NDArray[np.intp], ...]
    first: NDArray[Any]
    second: NDArray[Any]


def find_edges(labels: NDArray[Any], ignore: int | None) -> list[Edges]:
    """Boundaries along every axis."""
    found = []
    for axis in range(labels.ndim):
        if labels.shape[axis] < 2 + 2 * _REACH:
            continue
        moved = np.moveaxis(labels, axis, 0)
        first, second = moved[_REACH : -1 - _REACH], moved[1 + _REACH : len(moved) - _REACH]
        edge = np.nonzero(first != second)
        sides = [np.where(side[edge] == ignore, 0, side[edge]) for side in (first, second)]
        inner, outer = ((edge[0] + shift, *edge[1:]) for shift in (0, 1 + 2 * _REACH))
        found.append(Edges(_restored(inner, axis), _restored(outer, axis), sides[0], sides[1]))
    return found


def _restored(index: tuple[NDArray[np.intp], ...], axis: int) -> tuple[NDArray[np.intp], ...]:
    """Indices whose first axis was moved there from `axis`, back in order."""
    return (*index[1 : axis + 1], index[0], *index[axis + 1 :])


def contrast(
    scaled: NDArray[np.float32],
    edges: list[Edges],
    flipped: tuple[int, ...] = (),
    shift: tuple[int, int] = (0, 0),
) -> Contrast:
    """Steps of `scaled` across boundaries that are first mirrored along axes, then shifted in the plane (y, x)."""
    size = 1 + max((int(max(e.first.max(), e.second.max())) for e in edges if len(e.first)), default=0)
    sums, counts = np.zeros((2 * len(edges), size)), np.zeros((2 * len(edges), size))
    for row, one in enumerate(edges):
        inner, outer = (_placed(index, scaled.shape, flipped, shift) for index in (one.inner, one.outer))
        step = (scaled[inner] - scaled[outer]).astype(np.float64)
        for offset, side, sign in ((0, one.first, 1.0), (1, one.second, -1.0)):
            sums[2 * row + offset] = np.bincount(side, weights=sign * step, minlength=size)
            counts[2 * row + offset] = np.bincount(side, minlength=size)
    sums[:, 0] = counts[:, 0] = 0
    total = int(counts.sum())
    if total == 0:
        return Contrast(0.0, 0.0, 0)
    return Contrast(float(np.abs(sums.sum(axis=0)).sum() / total), float(np.abs(sums).sum() / total), total)


def _placed(
    index: tuple[NDArray[np.intp], ...], shape: tuple[int, ...], flipped: tuple[int, ...], shift: tuple[int, int]
) -> tuple[NDArray[np.intp], ...]:
    moved = [n - 1 - i if axis in flipped else i for axis, (i, n) in enumerate(zip(index, shape))]
    if shift != (0, 0):
        moved[-2:] = [(i + s) % n for i, s, n in zip(moved[-2:], shift, shape[-2:])]
    return tuple(moved)


def _clearly_better(one: Contrast, other: Contrast) -> bool:
    return (
        one.steps >= _MIN_STEPS
        and one.whole > _MIN_STEP
        and one.whole > _RATIO_WHOLE * other.whole
        and one.parts > _RATIO_PARTS * other.parts
    )
