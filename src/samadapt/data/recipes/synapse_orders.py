"""The numbers that Synapse (BTCV) labels go by: BTCV's 13, SAMed's 8 and TransUNet's 8, which are three orders."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

BTCV = {
    **{1: "spleen", 2: "right kidney", 3: "left kidney", 4: "gallbladder", 5: "esophagus", 6: "liver", 7: "stomach"},
    **{8: "aorta", 9: "inferior vena cava", 10: "portal vein and splenic vein", 11: "pancreas"},
    **{12: "right adrenal gland", 13: "left adrenal gland"},
}
"""Numbers of the raw NIfTI files."""

SAMED = {
    **{1: "spleen", 2: "right kidney", 3: "left kidney", 4: "gallbladder", 5: "liver", 6: "stomach", 7: "aorta"},
    **{8: "pancreas"},
}
"""Numbers that SAMed trains on and reports."""

TRANSUNET = {
    **{1: "aorta", 2: "gallbladder", 3: "left kidney", 4: "right kidney", 5: "liver", 6: "pancreas", 7: "spleen"},
    **{8: "stomach"},
}
"""Numbers of the npz and h5 files that TransUNet's authors hand out: the order of the table in the paper."""

TRAIN = (5, 6, 7, 9, 10, 21, 23, 24, 26, 27, 28, 30, 31, 33, 34, 37, 39, 40)
TEST = (1, 2, 3, 4, 8, 22, 25, 29, 32, 35, 36, 38)
"""Case numbers of the published split, 18 and 12."""

Order = Literal["btcv", "samed", "transunet"]


def published_split(case: int) -> str | None:
    """ "train" or "test" of a case number; None for a number that is in neither list."""
    return "train" if case in TRAIN else "test" if case in TEST else None


def to_samed(order: Order) -> dict[int, int]:
    """{value in `order`: SAMed's value}; organs that SAMed leaves out become 0."""
    names = {"btcv": BTCV, "samed": SAMED, "transunet": TRANSUNET}[order]
    number = {name: value for value, name in SAMED.items()}
    return {value: number.get(name, 0) for value, name in names.items()}


def seen_order(values: NDArray[Any]) -> Order | None:
    """Order that the labels of a volume are in, as far as anatomy tells.

    A value above 8 is BTCV's. Of the two orders of eight, 1 and 7 are spleen and aorta in one and aorta and spleen in
    the other: the aorta is in more slices, the spleen larger in each.

    Parameters
    ----------
    values : ndarray of shape (Z, Y, X), unsigned integer

    Returns
    -------
    "btcv", "samed", "transunet" or None
        None where the volume has not both organs, or they do not tell.
    """
    if values.size and values.max() > max(SAMED):
        return "btcv"
    areas = [(values == number).sum(axis=(1, 2)) for number in (1, 7)]
    if not all(area.any() for area in areas):
        return None
    slices = [int(np.count_nonzero(area)) for area in areas]
    mean = [area.sum() / count for area, count in zip(areas, slices)]
    if mean[0] > mean[1] and slices[1] >= slices[0]:
        return "samed"
    return "transunet" if mean[1] > mean[0] and slices[0] >= slices[1] else None
