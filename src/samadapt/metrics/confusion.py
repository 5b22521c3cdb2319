"""The confusion matrix of land-cover classification, and what is read from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import ConfigError, LabelError


@dataclass(frozen=True, eq=False)
class Confusion:
    """Pixels by reference class and predicted class.

    Attributes
    ----------
    labels : tuple of int
        The classes, background (0) first.
    counts : ndarray of shape (K, K), int64
        Rows are reference classes, columns predicted ones, both in the order of `labels`.
    """

    labels: tuple[int, ...]
    counts: NDArray[np.int64]

    @classmethod
    def of(
        cls, reference: NDArray[Any], prediction: NDArray[Any], labels: Sequence[int], ignore: int | None = None
    ) -> Confusion:
        """Count two label maps of one shape; pixels whose reference is `ignore` are left out."""
        kept = np.ones(reference.shape, dtype=bool) if ignore is None else reference != ignore
        classes = (0, *sorted(set(labels)))
        rows, columns = (_places(values[kept], classes) for values in (reference, prediction))
        flat = np.bincount(rows * len(classes) + columns, minlength=len(classes) ** 2)
        return cls(classes, flat.reshape(len(classes), len(classes)).astype(np.int64))

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Confusion:
        """As `as_json` wrote it."""
        return cls(tuple(data["labels"]), np.array(data["counts"], dtype=np.int64))

    def as_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {"labels": list(self.labels), "counts": self.counts.tolist()}

    def __add__(self, other: Confusion) -> Confusion:
        if self.labels != other.labels:
            raise ConfigError(f"confusion matrices of other labels: {self.labels} and {other.labels}")
        return Confusion(self.labels, self.counts + other.counts)

    def figures(self) -> dict[int | str, dict[str, float]]:
        """IoU and F1 of each class; under "all" mIoU and mean F1 over the labels, overall accuracy and kappa.

        The means leave out the background and every class that is in neither reference nor prediction; with the
        background they are called miou_background and mf1_background. NaN where nothing was counted.
        """
        right, rows, columns = np.diag(self.counts), self.counts.sum(axis=1), self.counts.sum(axis=0)
        with np.errstate(invalid="ignore", divide="ignore"):
            iou, f1 = right / (rows + columns - right), 2 * right / (rows + columns)
        by_label: dict[int | str, dict[str, float]] = {
            label: {"iou": float(iou[k]), "f1": float(f1[k])} for k, label in enumerate(self.labels)
        }
        means = {"miou": _mean(iou[1:]), "mf1": _mean(f1[1:])}
        means |= {"miou_background": _mean(iou), "mf1_background": _mean(f1)}
        return by_label | {"all": means | _agreement(right, rows, columns)}


def _places(values: NDArray[Any], classes: tuple[int, ...]) -> NDArray[np.intp]:
    """Place of each value among the classes, which ascend."""
    known = np.array(classes, dtype=np.int64)
    wide = values.astype(np.int64)
    places = np.minimum(np.searchsorted(known, wide), len(known) - 1)
    if (known[places] != wide).any():
        unknown = sorted(set(wide[known[places] != wide].tolist()))[:8]
        raise LabelError(
            f"values {unknown} are not among the labels {classes[1:]}",
            remedy="Name all labels, or say which value is to be ignored.",
        )
    return places


def _agreement(right: NDArray[Any], rows: NDArray[Any], columns: NDArray[Any]) -> dict[str, float]:
    """Overall accuracy, and Cohen's kappa: how far it is above the agreement of independent maps."""
    total = float(rows.sum())
    if not total:
        return {"oa": float("nan"), "kappa": float("nan")}
    observed, expected = float(right.sum()) / total, float((rows / total) @ (columns / total))
    return {"oa": observed, "kappa": (observed - expected) / (1 - expected) if expected < 1 else float("nan")}


def _mean(values: NDArray[Any]) -> float:
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if len(defined) else float("nan")
