"""A mask carried through a volume, slice by slice, by its own box."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from samadapt.core.image import Volume
from samadapt.infer.predictor import Predictor
from samadapt.prompts import box_of

if TYPE_CHECKING:
    from samadapt.models.promptable import SamPromptable

MARGIN_PX = 2
LARGEST_GROWTH = 2.0


def propagate(
    model: SamPromptable, volume: Volume, start: int, mask: NDArray[np.bool_]
) -> dict[int, NDArray[np.bool_]]:
    """Segment outwards from one slice, each slice prompted with the box of the mask before it.

    The sweep ends in a direction where the mask vanishes, or more than doubles (it leaked).

    Parameters
    ----------
    model : SamPromptable
    volume : Volume
    start : int
        Slice of the first mask.
    mask : ndarray of shape (Y, X), bool

    Returns
    -------
    dict of int to ndarray of shape (Y, X), bool
        Masks by slice, the first included.

    References
    ----------
    .. [1] Ma et al. 2024, Nat Commun 15:654 (MedSAM); the box-by-box sweep is that of its LiteMedSAM inference.
    """
    found = {start: mask}
    if mask.any():
        for slices in (range(start + 1, len(volume)), range(start - 1, -1, -1)):
            _sweep(model, volume, mask, slices, found)
    return found


def _sweep(
    model: SamPromptable,
    volume: Volume,
    mask: NDArray[np.bool_],
    slices: Iterable[int],
    found: dict[int, NDArray[np.bool_]],
) -> None:
    predictor = Predictor(model)
    limit = np.array([volume.shape[2] - 1, volume.shape[1] - 1] * 2, dtype=np.float32)
    for z in slices:
        grown = box_of(mask).xyxy + np.array([-MARGIN_PX, -MARGIN_PX, MARGIN_PX, MARGIN_PX], dtype=np.float32)
        answer = predictor.set_image(volume.slice(z)).predict(box=np.clip(grown, 0, limit)).mask
        if not answer.any() or answer.sum() > LARGEST_GROWTH * mask.sum():
            return
        found[z] = mask = answer
