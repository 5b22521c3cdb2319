"""Low-resolution logits in original pixels, only where something can be, and bounds on them without enlarging.

Enlarging is bilinear to the model's square, then bilinear to the original size (`samadapt.infer.upscale`). Along each
axis that is one matrix whose rows are averages of neighbouring low-resolution pixels. So every original pixel lies
between the least and the largest of the few low-resolution pixels it is made of, and pixels made of the same ones
can be counted together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate

if TYPE_CHECKING:
    from samadapt.core.frames import Frame

_ROUNDING = 1e-4
"""More than rounding can move a logit between two ways of the same average, relative to its size."""


@dataclass(frozen=True, eq=False)
class Axis:
    """Rows, or columns, of the original image as averages of those of the low-resolution mask.

    Attributes
    ----------
    weights : ndarray of shape (H, h), float32
    first, last : ndarray of shape (u,), int64
        Least and largest low-resolution index of each group of rows that are made of the same ones.
    starts : ndarray of shape (u + 1,), int64
        First row of each group, and H.
    """

    weights: NDArray[np.float32]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    starts: NDArray[np.int64]

    def counts(self, like: Tensor) -> Tensor:
        """Rows in each group, (u,)."""
        return torch.from_numpy(np.diff(self.starts)).to(like)


class Enlarger:
    """From the mask frame to one image's pixels.

    Parameters
    ----------
    frame : Frame
    side : int
        Of the low-resolution masks.
    """

    def __init__(self, frame: Frame, side: int) -> None:
        self._rows, self._columns = _axis(frame, side, 0), _axis(frame, side, 1)

    def extremes(self, logits: Tensor) -> tuple[Tensor, Tensor]:
        """Least and largest value that each group of original pixels can have, (K, u, v) each.

        Parameters
        ----------
        logits : Tensor of shape (K, h, w), float32
        """
        slack = _ROUNDING * (1 + logits.abs().amax(dim=(1, 2), keepdim=True))
        low = -_highest(_highest(-logits, self._rows, 1), self._columns, 2)
        high = _highest(_highest(logits, self._rows, 1), self._columns, 2)
        return low - slack, high + slack

    def count(self, groups: Tensor) -> Tensor:
        """Original pixels in groups, (K,) float32, from (K, u, v) bool."""
        values = groups.float()
        return (values @ self._columns.counts(values)) @ self._rows.counts(values)

    def enlarge(
        self, logits: NDArray[np.float32], possible: NDArray[np.bool_]
    ) -> tuple[NDArray[np.float32], tuple[int, int]]:
        """Smallest part of the image that holds some groups of pixels.

        Parameters
        ----------
        logits : ndarray of shape (h, w), float32
        possible : ndarray of shape (u, v), bool
            At least one True.

        Returns
        -------
        ndarray of shape (H', W'), float32
            Logits in original pixels.
        tuple of int
            (y, x) of its top left corner.
        """
        down, (y, top, bottom) = _part(self._rows, np.any(possible, axis=1))
        across, (x, left, right) = _part(self._columns, np.any(possible, axis=0))
        return (down @ logits[top:bottom, left:right] @ across.T).astype(np.float32, copy=False), (y, x)


def _axis(frame: Frame, side: int, axis: int) -> Axis:
    start, content, original = frame.offset_yx[axis], frame.content_hw[axis], frame.original_hw[axis]
    basis = torch.eye(side).view(1, side, side, 1)
    square = interpolate(basis, (frame.size, 1), mode="bilinear", align_corners=False)
    rows = interpolate(square[:, :, start : start + content], (original, 1), mode="bilinear", align_corners=False)
    weights = np.ascontiguousarray(rows[0, :, :, 0].T.numpy())  # (H, h)
    used = weights > 0
    ends = np.stack([used.argmax(axis=1), side - 1 - used[:, ::-1].argmax(axis=1)], axis=1)
    starts = np.flatnonzero(np.concatenate([[True], (ends[1:] != ends[:-1]).any(axis=1)]))
    return Axis(weights, ends[starts, 0], ends[starts, 1], np.append(starts, original))


def _highest(values: Tensor, axis: Axis, dim: int) -> Tensor:
    """Largest value of every group along one dimension."""
    index = np.arange(int((axis.last - axis.first).max()) + 1)[:, None] + axis.first
    several = torch.from_numpy(np.minimum(index, axis.last)).to(values.device)
    found = values.index_select(dim, several[0])
    for indices in several[1:]:
        found = torch.maximum(found, values.index_select(dim, indices))
    return found


def _part(axis: Axis, groups: NDArray[np.bool_]) -> tuple[NDArray[np.float32], tuple[int, int, int]]:
    """Weights of the rows from the first True to the last, the first row, and the low-resolution rows they need."""
    start, stop = int(groups.argmax()), len(groups) - int(groups[::-1].argmax())
    low, high = int(axis.first[start:stop].min()), int(axis.last[start:stop].max()) + 1
    row = int(axis.starts[start])
    return axis.weights[row : axis.starts[stop], low:high], (row, low, high)
