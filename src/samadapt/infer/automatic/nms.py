"""Non-maximum suppression of boxes."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def keep_best(boxes: ArrayLike, scores: ArrayLike, threshold: float) -> NDArray[np.int64]:
    """Boxes that no better box overlaps by more than a threshold.

    Parameters
    ----------
    boxes : array-like of shape (n, 4)
        XYXY; the area is width times height, as torchvision counts it.
    scores : array-like of shape (n,)
        Of two equal ones the first is the better.
    threshold : float
        Intersection over union up to which both boxes stay.

    Returns
    -------
    ndarray of shape (k,), int64
        Indices in order of falling score.
    """
    corners = np.asarray(boxes, dtype=np.float32).reshape(-1, 4)
    order = np.argsort(-np.asarray(scores, dtype=np.float32), kind="stable")
    corners = corners[order]
    alive = np.ones(len(order), dtype=bool)
    for i in range(len(order)):
        if alive[i]:
            rest = np.flatnonzero(alive[i + 1 :]) + i + 1
            alive[rest[_overlap(corners[i], corners[rest]) > threshold]] = False
    return order[alive].astype(np.int64)


def _overlap(box: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Intersection over union of one box with others, (n,)."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    shared = np.clip(sides, 0, None).prod(axis=1)
    union = (box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(axis=1) - shared
    overlap: NDArray[np.float32] = shared / np.maximum(union, np.finfo(np.float32).tiny)
    return overlap
