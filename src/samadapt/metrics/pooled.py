"""Figures that are counted over a whole set of images: each image gives counts, counts add up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import add
from typing import Any, Protocol, Self

from numpy.typing import NDArray

from samadapt.core.errors import ConfigError
from samadapt.metrics.checks import checked_labels, checked_pair
from samadapt.metrics.confusion import Confusion
from samadapt.metrics.named import convention, conventions
from samadapt.metrics.targets import TargetCounts

Figures = dict[int | str, dict[str, float]]
ALL = "all"
"""Key of the figures that are of no single label."""


class Counts(Protocol):
    """What one or more images contribute to the figures of a pooled convention."""

    @classmethod
    def of(cls, reference: NDArray[Any], prediction: NDArray[Any], labels: Sequence[int], ignore: int | None) -> Self:
        """Counts of one case."""

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Counts as `as_json` wrote them."""

    def __add__(self, other: Self) -> Self: ...

    def figures(self) -> Figures:
        """Figures of each label, and under "all" those of the whole."""

    def as_json(self) -> dict[str, Any]:
        """Plain numbers."""


_COUNTERS: dict[str, type[Counts]] = {"irstd": TargetCounts, "remote-sensing": Confusion}


def pooled_conventions() -> tuple[str, ...]:
    """Names of the conventions that count over a whole set."""
    return tuple(name for name in conventions() if convention(name).pooled)


def count(
    reference: NDArray[Any],
    prediction: NDArray[Any],
    labels: Sequence[int],
    convention: str,
    ignore: int | None = None,
) -> Counts:
    """What one case contributes to a convention whose figures are counted over a whole set.

    Parameters
    ----------
    reference, prediction : ndarray of shape (H, W) or (Z, Y, X), bool or integer
        Label maps; 0 is background, a mask is label 1. The slices of a volume are images.
    labels : sequence of int
        All labels of the set, the same for every case.
    convention : {"irstd", "remote-sensing"}
    ignore : int, optional
        Value of reference pixels that are left out.

    Returns
    -------
    TargetCounts or Confusion
        Add those of all cases (`merge`), then ask for ``figures()``: by label, and under "all" those of the whole.

    Raises
    ------
    ShapeMismatch, InvalidGeometry, LabelError, NonFiniteValues
        As `score`; LabelError also if an array holds a label that is not in `labels`.
    ConfigError
        If the figures of the convention are not counted over a set.
    """
    truth, answer = checked_pair(reference, prediction)
    return counter(convention).of(truth, answer, checked_labels(labels), ignore)


def counter(name: str) -> type[Counts]:
    """Class whose objects count for a convention.

    Raises
    ------
    ConfigError
        If there is no such convention, or its figures are averaged over cases.
    """
    if convention(name).name in _COUNTERS:
        return _COUNTERS[name]
    raise ConfigError(
        f"the figures of the convention {name!r} are averaged over cases, not counted over a set",
        remedy=f"Use metrics.score, or one of {', '.join(_COUNTERS)}.",
    )


def merge(counts: Sequence[Counts]) -> Counts:
    """Sum of the counts of one or more cases.

    Raises
    ------
    ConfigError
        If there are none, or they were made with other labels.
    """
    if not counts:
        raise ConfigError("no counts to merge", remedy="Count at least one case.")
    return reduce(add, counts)
