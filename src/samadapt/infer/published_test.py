"""How published test scripts take slices through a prompt-free model, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from samadapt.infer.upscale import to_content
from samadapt.models.resize import resize_array

if TYPE_CHECKING:
    from samadapt.core.image import Image
    from samadapt.models.promptable import SamPromptable

SAMED_PX: Final = 224
"""Side through which SAMed's test takes every slice, that of the data it trains on."""


def samed_classes(model: SamPromptable, batch: Sequence[Image]) -> NDArray[np.intp]:
    """Class of every pixel of slices of one size, as SAMed's test finds it.

    Cubic splines to 224 x 224 and from there to the model's input; the class with the highest logit at the size of the
    input; nearest neighbour of this class map back to the slice (both ``scipy.ndimage.zoom``, of order 3 and 0). What
    224 pixels cannot hold is lost, and borders are steps of the input's pixels; neither is so where nothing is asked
    for (`infer.semantic.segment`).

    Parameters
    ----------
    model : SamPromptable
        With a semantic head.
    batch : sequence of Image, all (H, W)

    Returns
    -------
    ndarray of shape (B, H, W), int
        Channels of the head.

    References
    ----------
    .. [1] Zhang and Liu 2023, SAMed, arXiv:2304.13785; hitachinsk/SAMed e351840, utils.py.
    """
    small = [resize_array(model.pixels(image), (SAMED_PX, SAMED_PX), "cubic") for image in batch]
    pixel_values = torch.stack([model.preprocessing.apply(pixels) for pixels in small]).to(model.device)
    logits = model.head.logits(model, model.encode(pixel_values), pixel_values)  # (B, N+1, R, R)
    classes = to_content(logits.float(), model.frame((SAMED_PX, SAMED_PX))).argmax(dim=1).cpu().numpy()
    return np.stack([_nearest(one, batch[0].shape) for one in classes])


def _nearest(classes: NDArray[Any], hw: tuple[int, ...]) -> NDArray[Any]:
    from scipy.ndimage import zoom

    if classes.shape == hw:
        return classes
    zoomed: NDArray[Any] = zoom(classes, tuple(new / old for new, old in zip(hw, classes.shape)), order=0)
    return zoomed
