"""Masks as run lengths, as COCO writes them: down the columns, background first.

The text form of the counts packs five bits into each character from "0" on, sixth bit for "more follows"; from the
fourth count on it holds the difference to the count two before.

References
----------
.. [1] Lin et al. 2014, Microsoft COCO, ECCV; cocodataset/cocoapi, common/maskApi.h (the format, not its code).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import FileFormatError, ShapeMismatch

_BITS, _MORE, _SIGN, _FIRST = 5, 32, 16, 48
_LONGEST = 13  # characters of a 64-bit number


@dataclass(frozen=True, eq=False)
class Rle:
    """A binary mask.

    Attributes
    ----------
    shape : tuple of int
        (H, W).
    counts : ndarray of shape (n,), int64
        Lengths of the runs down the columns, alternately outside and inside, outside first (maybe 0).
    """

    shape: tuple[int, int]
    counts: NDArray[np.int64]

    @property
    def area(self) -> int:
        """Pixels inside."""
        return int(self.counts[1::2].sum())

    def mask(self) -> NDArray[np.bool_]:
        """The mask, (H, W) bool."""
        inside = np.arange(len(self.counts)) % 2 == 1
        height, width = self.shape
        return np.ascontiguousarray(np.repeat(inside, self.counts).reshape(width, height).T)

    def as_dict(self, *, compressed: bool = True) -> dict[str, Any]:
        """``{"size": [H, W], "counts": text or list of int}``, ready for JSON."""
        counts: Any = pack(self.counts) if compressed else self.counts.tolist()
        return {"size": list(self.shape), "counts": counts}


def encode(
    mask: NDArray[np.bool_], *, inside: tuple[int, int] | None = None, offset_yx: tuple[int, int] = (0, 0)
) -> Rle:
    """Run lengths of a mask, which may be a part of a larger image.

    Parameters
    ----------
    mask : ndarray of shape (h, w), bool
    inside : tuple of int, optional
        (H, W) of the image; that of the mask by default.
    offset_yx : tuple of int
        Where the top left corner of the mask lies in the image.

    Returns
    -------
    Rle

    Raises
    ------
    ShapeMismatch
        If the mask is not two-dimensional or leaves the image.
    """
    height, width = inside or mask.shape[:2]
    (top, left), (h, w) = offset_yx, mask.shape[:2]
    if mask.ndim != 2 or min(top, left) < 0 or top + h > height or left + w > width:
        raise ShapeMismatch(f"a mask {mask.shape} at {offset_yx} does not fit into {(height, width)} pixels")
    columns = np.zeros((w, h + 2), dtype=np.int8)
    columns[:, 1:-1] = np.asarray(mask, dtype=bool).T
    steps = np.flatnonzero(np.diff(columns, axis=1))  # of w rows of h + 1: starts and ends in turn
    column, row = np.divmod(steps, h + 1)
    edges = (column + left) * height + row + top
    joined = np.flatnonzero(edges[1:-1:2] == edges[2::2])  # a run that goes on at the top of the next column
    edges = np.delete(edges, np.concatenate([2 * joined + 1, 2 * joined + 2]))
    counts = np.diff(np.concatenate([[0], edges, [height * width]]))
    return Rle((int(height), int(width)), counts[:-1] if len(edges) and counts[-1] == 0 else counts)


def decode(rle: dict[str, Any], *, where: object = None) -> NDArray[np.bool_]:
    """The mask of a COCO dictionary, with counts as text, bytes or numbers.

    Parameters
    ----------
    rle : dict
        "size" (H, W) and "counts".
    where : object, optional
        For the error.

    Returns
    -------
    ndarray of shape (H, W), bool

    Raises
    ------
    FileFormatError
        If a key is missing, or the counts do not fill the image.
    """
    try:
        height, width = (int(n) for n in rle["size"])
        given = rle["counts"]
        given = given.decode("ascii") if isinstance(given, bytes) else given
        counts = unpack(given) if isinstance(given, str) else np.asarray(given, dtype=np.int64)
    except (KeyError, TypeError, ValueError) as error:
        raise FileFormatError(f"not run lengths as COCO writes them: {error}", where=where) from error
    if counts.ndim != 1 or (counts < 0).any() or counts.sum() != height * width:
        raise FileFormatError(f"the run lengths do not fill {height} x {width} pixels", where=where)
    return Rle((height, width), counts).mask()


def pack(counts: NDArray[np.int64]) -> str:
    """Counts as COCO's text."""
    values = np.asarray(counts, dtype=np.int64).copy()
    values[3:] -= np.asarray(counts, dtype=np.int64)[1:-2]
    shifted = values[:, None] >> (_BITS * np.arange(_LONGEST))  # (n, characters)
    digits = shifted & (_MORE - 1)
    rest = np.where(digits & _SIGN, -1, 0)
    last = (shifted >> _BITS == rest).argmax(axis=1)  # nothing but the sign follows
    place = np.arange(_LONGEST)
    digits[place < last[:, None]] += _MORE
    characters: bytes = (digits[place <= last[:, None]] + _FIRST).astype(np.uint8).tobytes()
    return characters.decode("ascii")


def unpack(text: str) -> NDArray[np.int64]:
    """Inverse of `pack`.

    Raises
    ------
    ValueError
        If a character does not belong there, or the text ends within a number.
    """
    digits = np.frombuffer(text.encode("ascii"), dtype=np.uint8).astype(np.int64) - _FIRST
    if digits.size and (digits.min() < 0 or digits.max() >= 2 * _MORE or digits[-1] >= _MORE):
        raise ValueError("the text of the counts is damaged")
    ends = np.flatnonzero(digits < _MORE)
    starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64)
    place = np.arange(len(digits)) - np.repeat(starts, ends - starts + 1)
    if place.size and place.max() >= _LONGEST:
        raise ValueError("the text of the counts is damaged")
    values = np.add.reduceat((digits & (_MORE - 1)) << (_BITS * place), starts) if len(ends) else np.zeros(0, np.int64)
    negative = (digits[ends] & _SIGN) != 0
    values = values - np.where(negative, np.int64(1) << (_BITS * (place[ends] + 1)), 0)
    for first in (1, 2):
        values[first::2] = np.cumsum(values[first::2])
    return values
