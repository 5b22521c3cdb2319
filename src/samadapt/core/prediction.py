"""What a model answers, in original pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Prediction:
    """Candidate masks for one object, best first by predicted score.

    Attributes
    ----------
    masks : ndarray of shape (M, H, W), bool
        In the pixels of the original image.
    scores : ndarray of shape (M,), float32
        Predicted IoU.
    logits : ndarray of shape (M, H, W), float32
        In original pixels; above 0 is object.
    low_res_logits : ndarray of shape (M, h, w), float32
        In the model's mask frame; feed one back as the next mask prompt.
    """

    masks: NDArray[np.bool_]
    scores: NDArray[np.float32]
    logits: NDArray[np.float32]
    low_res_logits: NDArray[np.float32]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(H, W) mask with the highest predicted IoU."""
        best: NDArray[np.bool_] = self.masks[0]
        return best

    @property
    def score(self) -> float:
        """Predicted IoU of `mask`."""
        return float(self.scores[0])


@dataclass(frozen=True, eq=False)
class SemanticPrediction:
    """One class for every pixel, without any prompt.

    Attributes
    ----------
    labels : ndarray of shape (H, W) or (Z, Y, X), unsigned integer
        Values of the label set the model was adapted to.
    names : dict of int to str
    """

    labels: NDArray[np.unsignedinteger]
    names: dict[int, str]
