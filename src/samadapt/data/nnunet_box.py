"""The box of an object as one more channel of nnU-Net's images, as the specialists of MedSAM's comparison had it.

A network with one output for a box cannot be asked about two labels at once: every label of a case is a case of its
own, whose last channel is 1 in the boxes of that label and whose truth is that label alone.

References
----------
.. [1] Ma et al. 2024, Nat Commun 15:654 (bowang-lab/MedSAM).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from samadapt.core.prompts import Box
from samadapt.core.rng import named_rng
from samadapt.prompts import jitter_box

if TYPE_CHECKING:
    from samadapt.data.store import Store

CHANNEL: Final = "noNorm"
"""What nnU-Net calls a channel whose values are not to be normalised."""
OBJECT: Final = "object"
_JITTER_SIDE: Final = 1024


def case_name(name: str, label: int) -> str:
    """Name of the files of one label of a case."""
    return f"{name}_label{label}"


def labels_in(store: Store, case: int) -> list[int]:
    """Labels that a case has, ascending."""
    return [int(label) for label in np.unique(store.objects["label"][store.objects_of(case)])]


def box_mask(store: Store, case: int, label: int, jitter_px: float = 0.0) -> NDArray[np.uint8]:
    """1 inside the boxes of a label, slice by slice, their inclusive maximum included.

    Parameters
    ----------
    store : Store
    case, label : int
    jitter_px : float
        Largest outward shift of each side, in pixels of an image whose longest side is 1024; drawn by case, slice and
        object. 0: tight boxes.

    Returns
    -------
    ndarray of shape (Z, H, W), uint8
    """
    record = store.cases[case]
    mask = np.zeros(record.shape, dtype=np.uint8)
    hw = (record.shape[1], record.shape[2])
    most = round(jitter_px * max(hw) / _JITTER_SIDE)
    for row in store.objects[store.objects_of(case)]:
        if int(row["label"]) == label:
            box = Box(float(row["x0"]), float(row["y0"]), float(row["x1"]), float(row["y1"]))
            rng = named_rng("nnunet box", record.name, int(row["z"]), label, int(row["object"]))
            x0, y0, x1, y1 = (int(v) for v in jitter_box(box, hw, most, rng).xyxy)
            mask[int(row["z"]), y0 : y1 + 1, x0 : x1 + 1] = 1
    return mask
