"""Counts of small targets in infrared images: IoU, nIoU, probability of detection, false-alarm rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import ConfigError

Mask = NDArray[np.bool_]
NEAR_PX = 3.0
"""Two blobs match if their centres are less than this apart."""
DNANET_PIXELS = 256 * 256
"""What DNANet's code takes every image for."""


@dataclass(frozen=True)
class Targets:
    """Counts of one label; they add up over images.

    Attributes
    ----------
    images, pixels : int
    intersection, union : int
        Pixels.
    iou_sum : float
        Sum over images of intersection / (the spacing of 1 + union): 0 for an image where both are empty.
    targets, found : int
        Blobs (8-connected) of the reference, and those that a blob of the prediction was matched to.
    false_pixels : int
        Predicted pixels in blobs that no target was matched to.
    false_pixels_dnanet : int
        The same without the blobs that have the area of a matched blob of their image.
    """

    images: int = 0
    pixels: int = 0
    intersection: int = 0
    union: int = 0
    iou_sum: float = 0.0
    targets: int = 0
    found: int = 0
    false_pixels: int = 0
    false_pixels_dnanet: int = 0

    @classmethod
    def of(cls, reference: Mask, prediction: Mask) -> Targets:
        """Counts of one image: two masks (H, W)."""
        intersection = int(np.count_nonzero(reference & prediction))
        union = int(np.count_nonzero(reference | prediction))
        iou = intersection / (float(np.spacing(1)) + union)
        _, centres = _blobs(reference)
        areas, predicted = _blobs(prediction)
        matched = np.array(match(centres, predicted), dtype=np.intp)
        false = np.delete(areas, matched)
        unlike = areas[~np.isin(areas, areas[matched])]
        counts = len(centres), len(matched), int(false.sum()), int(unlike.sum())
        return cls(1, reference.size, intersection, union, iou, *counts)

    def __add__(self, other: Targets) -> Targets:
        return Targets(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))

    def figures(self) -> dict[str, float]:
        """IoU over all pixels, nIoU over images, Pd, and both Fa as parts of all pixels (not in millionths)."""
        return {
            "iou": _part(self.intersection, self.union),
            "niou": _part(self.iou_sum, self.images),
            "pd": _part(self.found, self.targets),
            "fa": _part(self.false_pixels, self.pixels),
            "fa_dnanet": _part(self.false_pixels_dnanet, self.images * DNANET_PIXELS),
        }


@dataclass(frozen=True)
class TargetCounts:
    """Counts of small targets, by label."""

    by_label: Mapping[int, Targets]

    @classmethod
    def of(
        cls, reference: NDArray[Any], prediction: NDArray[Any], labels: Sequence[int], ignore: int | None = None
    ) -> TargetCounts:
        """Count an image, or a volume slice by slice; pixels whose reference is `ignore` become background."""
        truth = reference.reshape(-1, *reference.shape[-2:])
        answer = prediction.reshape(truth.shape)
        if ignore is not None:
            answer = np.where(truth == ignore, 0, answer)
        images = list(zip(truth, answer))
        return cls({k: sum((Targets.of(a == k, b == k) for a, b in images), Targets()) for k in labels})

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> TargetCounts:
        """As `as_json` wrote it."""
        return cls({int(label): Targets(**counts) for label, counts in data.items()})

    def as_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {str(label): asdict(counts) for label, counts in self.by_label.items()}

    def __add__(self, other: TargetCounts) -> TargetCounts:
        if set(self.by_label) != set(other.by_label):
            raise ConfigError(f"counts of other labels: {sorted(self.by_label)} and {sorted(other.by_label)}")
        return TargetCounts({label: counts + other.by_label[label] for label, counts in self.by_label.items()})

    def figures(self) -> dict[int | str, dict[str, float]]:
        """Figures of each label; see `Targets.figures`."""
        return {label: counts.figures() for label, counts in self.by_label.items()}


def match(centres: NDArray[np.float64], predicted: NDArray[np.float64], near_px: float = NEAR_PX) -> list[int]:
    """Numbers of the predicted blobs that are matched: each target takes the first free one that is near.

    Parameters
    ----------
    centres, predicted : ndarray of shape (N, 2) and (M, 2), float64
        Centres (y, x) in pixels, in raster order of the blobs' first pixels.
    near_px : float
        A distance of exactly this much is too far.
    """
    matched: list[int] = []
    for centre in centres:
        near = np.flatnonzero(np.linalg.norm(predicted - centre, axis=1) < near_px)
        free = [int(number) for number in near if number not in matched]
        matched += free[:1]
    return matched


def _blobs(mask: Mask) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Area and centre (y, x) of each 8-connected blob, in raster order of their first pixels."""
    if not mask.any():
        return np.zeros(0, dtype=np.int64), np.zeros((0, 2))
    from scipy import ndimage

    numbers, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    y, x = np.nonzero(mask)
    names, first, owner, areas = np.unique(numbers[y, x], return_index=True, return_inverse=True, return_counts=True)
    centres = np.stack([np.bincount(owner, weights=axis, minlength=len(names)) / areas for axis in (y, x)], axis=1)
    order = np.argsort(first)
    return areas[order].astype(np.int64), centres[order]


def _part(value: float, whole: float) -> float:
    return value / whole if whole else float("nan")
