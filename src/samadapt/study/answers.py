"""What a model answered to each prompt, and how good it thought that was."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from samadapt.core.prompts import PromptKey


@dataclass(frozen=True)
class Answer:
    """One candidate mask of one answer.

    Attributes
    ----------
    case, slice, label, object : see `PromptKey`
    prompts : str
        Policy; for a session of clicks that of the round, such as "clicks:3".
    candidate : int
        0 is the mask that the model rates best.
    predicted_iou, iou, dice : float
        What the model expects, and what the truth says, in original pixels of the slice.
    """

    case: str
    slice: int
    label: int
    object: int
    prompts: str
    candidate: int
    predicted_iou: float
    iou: float
    dice: float


def judge(
    key: PromptKey, prompts: str, masks: NDArray[np.bool_], scores: NDArray[np.float32], truth: NDArray[np.bool_]
) -> Iterator[Answer]:
    """Compare the candidates for one object with the truth.

    Parameters
    ----------
    masks : ndarray of shape (M, H, W), bool
    scores : ndarray of shape (M,), float32
        Predicted IoU.
    truth : ndarray of shape (H, W), bool
        Not empty.
    """
    both = (masks & truth).sum(axis=(1, 2))
    total = masks.sum(axis=(1, 2)) + truth.sum()
    order = np.argsort(-scores, kind="stable")
    for rank, index in enumerate(order):
        overlap, size = int(both[index]), int(total[index])
        yield Answer(
            key.case,
            key.slice,
            key.label,
            key.object,
            prompts,
            rank,
            round(float(scores[index]), 6),
            round(overlap / (size - overlap), 6),
            round(2 * overlap / size, 6),
        )


def agreement(answers: Iterable[Answer]) -> dict[str, Any]:
    """Correlation of predicted and true IoU.

    Returns
    -------
    dict
        "n"; "pearson" and "spearman", None where one of the two does not vary.
    """
    from scipy.stats import rankdata

    pairs = np.array([(a.predicted_iou, a.iou) for a in answers], dtype=np.float64).reshape(-1, 2)
    ranks = np.stack([rankdata(column) for column in pairs.T], axis=1) if len(pairs) else pairs
    return {"n": len(pairs), "pearson": _correlation(pairs), "spearman": _correlation(ranks)}


def _correlation(pairs: NDArray[np.float64]) -> float | None:
    if len(pairs) < 2 or (np.ptp(pairs, axis=0) == 0).any():
        return None
    centred = pairs - pairs.mean(axis=0)
    x, y = centred.T
    return float(x @ y / np.sqrt((x @ x) * (y @ y)))
