"""A grid of clicks, each answered as a single click is: from several distances, then from close by."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from samadapt.core.prompts import Points
from samadapt.infer.automatic.grid import point_grid
from samadapt.infer.automatic.masks import AutomaticMask, box_of_mask
from samadapt.infer.automatic.options import MaskOptions
from samadapt.infer.automatic.screen import stability
from samadapt.infer.zoom import Answer, Ask, Viewer, answer, judged
from samadapt.io.rle import encode

if TYPE_CHECKING:
    from samadapt.models.promptable import SamPromptable

CHUNK = 16
"""Clicks answered together."""


def closer_masks(model: SamPromptable, pixels: NDArray[np.float32], options: MaskOptions) -> Iterator[AutomaticMask]:
    """Masks of a grid of clicks that are good enough by the model's own estimate, with their duplicates.

    Parameters
    ----------
    model : SamPromptable
        One that looks closer (`zoom` above 0), in evaluation mode.
    pixels : ndarray of shape (H, W, C), float32 in 0..255
    options : MaskOptions
        With nothing left open; crops play no part.
    """
    hw = (pixels.shape[0], pixels.shape[1])
    grid = point_grid(hw, options.points_per_side)
    viewer, one = Viewer(model), np.array([1])
    for start in range(0, len(grid), CHUNK):
        part = grid[start : start + CHUNK]
        asks = [Ask(pixels, Points(xy[None], one)) for xy in part]
        for xy, found in zip(part, answer(viewer, asks, multimask=bool(options.multimask))):
            yield from _good(judged(found, hw), xy, hw, options)


def _good(found: Answer, xy: NDArray[np.float32], hw: tuple[int, int], options: MaskOptions) -> Iterator[AutomaticMask]:
    window, (px, py) = found.window, (float(v) for v in xy)
    least = options.pred_iou_thresh or -np.inf  # 0 keeps all
    for logits, iou in zip(found.logits.cpu().numpy(), found.iou.tolist()):
        mask = logits > 0
        firm = stability(logits, options.stability_score_offset)
        if iou <= least or firm < options.stability_score_thresh or not mask.any():
            continue
        x0, y0, x1, y1 = box_of_mask(mask)
        box = (x0 + window.x0, y0 + window.y0, x1 + window.x0, y1 + window.y0)
        rle = encode(mask[y0 : y1 + 1, x0 : x1 + 1], inside=hw, offset_yx=(box[1], box[0]))
        height, width = window.hw
        yield AutomaticMask(rle, box, iou, firm, (px, py), (window.x0, window.y0, width, height))
