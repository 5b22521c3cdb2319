"""`automatic_masks`: points on a grid, masks filtered by quality, duplicates dropped, as SAM's generator does it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from samadapt.config import load_config
from samadapt.core.errors import ConfigError, PromptError
from samadapt.core.image import Image
from samadapt.infer.automatic.closer import closer_masks
from samadapt.infer.automatic.enlarge import Enlarger
from samadapt.infer.automatic.grid import Crop, crops_of, point_grid
from samadapt.infer.automatic.masks import AutomaticMask, box_of_mask
from samadapt.infer.automatic.nms import keep_best
from samadapt.infer.automatic.options import MaskOptions
from samadapt.infer.automatic.propose import Proposer
from samadapt.infer.automatic.regions import clean
from samadapt.infer.automatic.screen import Screen
from samadapt.infer.predictor import evaluating, picture_of
from samadapt.io.rle import encode

if TYPE_CHECKING:
    from samadapt.models.promptable import SamPromptable

_IOU_THRESHOLD, _IOU_THRESHOLDS = 0.88, {"sam2": 0.8, "sam3": 0.8, "edgetam": 0.8}
"""As published; the second by the start of a family's name. SAM 3 has SAM 2's decoder and no generator of its own."""


def automatic_masks(
    model: SamPromptable, image: Image | NDArray[Any] | str | Path, points_per_side: int = 32, **options: Any
) -> list[AutomaticMask]:
    """Masks of everything in an image.

    Each point of a grid gives three masks. Those with a high predicted IoU and a stable border stay; of masks whose
    boxes overlap, the one with the highest predicted IoU stays.

    Parameters
    ----------
    model : SamPromptable
        Or any model with `encode`, `decode`, `pixels`, `preprocess` and `frame`. Its train or eval state is left as it
        is.
    image : Image, ndarray of shape (H, W) or (H, W, 3) in 0..255, or path
    points_per_side : int
    **options
        Other fields of `MaskOptions`: `pred_iou_thresh`, `stability_score_thresh`, `stability_score_offset`,
        `box_nms_thresh`, `crop_n_layers`, `crop_nms_thresh`, `crop_overlap_ratio`, `crop_n_points_downscale_factor`,
        `closer`, `min_mask_region_area`, `points_per_batch`, `use_m2m`, `multimask`.

    Returns
    -------
    list of AutomaticMask
        In order of falling predicted IoU; with crops, those of the smallest crops first. Empty masks are left out.

    Raises
    ------
    ConfigError
        If an option is unknown or out of range.
    PromptError
        If the model is prompt-free.
    ShapeMismatch, NonFiniteValues, DataError, FileFormatError
        As `Predictor.set_image`.

    References
    ----------
    .. [1] Kirillov et al. 2023, Segment Anything, arXiv:2304.02643, appendix B; facebookresearch/segment-anything
       dca509f, whose masks these are within rounding.

    Examples
    --------
    >>> masks = automatic_masks(load_model("tiny"), "cell.png", points_per_side=16)  # doctest: +SKIP
    >>> masks[0].mask.shape, masks[0].as_record()["bbox"]  # doctest: +SKIP
    """
    checked = load_config(MaskOptions, values={"points_per_side": points_per_side} | options)
    return masks_of(model, pixels_of(model, image), checked)


def pixels_of(model: SamPromptable, image: Image | NDArray[Any] | str | Path) -> NDArray[np.float32]:
    """What a model looks at, (H, W, C) in 0..255."""
    return model.pixels(picture_of(image))


def masks_of(model: Any, pixels: NDArray[np.float32], options: MaskOptions) -> list[AutomaticMask]:
    """`automatic_masks` of pixels (H, W, C) in 0..255, as the model sees them."""
    if getattr(model, "head", None) is not None:
        raise PromptError(
            "this model is prompt-free and takes no points",
            where=model.name,
            remedy="Use samadapt.infer.semantic.segment, or load the base model without this adapter.",
        )
    options = options_for(model, options)
    if options.closer:
        return _closer(model, pixels, options)
    height, width = pixels.shape[:2]
    crops = crops_of((height, width), options.crop_n_layers, options.crop_overlap_ratio)
    with evaluating(model):
        found = [mask for crop in crops for mask in _in_crop(model, pixels, crop, options)]
    if len(crops) > 1:
        smallness = [1 / (mask.crop_xywh[2] * mask.crop_xywh[3]) for mask in found]
        found = _without_duplicates(found, smallness, options.crop_nms_thresh)
    return _cleaned(found, options) if options.min_mask_region_area else found


def _closer(model: Any, pixels: NDArray[np.float32], options: MaskOptions) -> list[AutomaticMask]:
    """Masks of clicks that are answered from close by."""
    if not getattr(model, "zoom", 0):
        raise ConfigError(
            f"{model.name} was trained on whole images",
            where="closer",
            remedy="Use crop_n_layers=1 to look at parts of the image.",
        )
    with evaluating(model):
        found = list(closer_masks(model, pixels, options))
    found = _without_duplicates(found, [mask.predicted_iou for mask in found], options.box_nms_thresh)
    return _cleaned(found, options) if options.min_mask_region_area else found


def _in_crop(model: Any, pixels: NDArray[np.float32], crop: Crop, options: MaskOptions) -> list[AutomaticMask]:
    """Masks of one part of the image, without duplicates, best first."""
    frame = model.frame(crop.hw)
    part = pixels[crop.y0 : crop.y1, crop.x0 : crop.x1]
    embedding = model.encode(model.preprocess(torch.from_numpy(part.transpose(2, 0, 1).copy())))
    points = point_grid(crop.hw, max(1, options.points_per_side // options.crop_n_points_downscale_factor**crop.layer))
    propose = Proposer(model, embedding, options)
    screen = Screen(Enlarger(frame, model.mask_size), crop, pixels.shape[:2], points, options)
    batches = propose(torch.from_numpy(frame.to_model(points)).to(model.device))
    found = [mask for batch in batches for mask in screen(batch)]
    return _without_duplicates(found, [mask.predicted_iou for mask in found], options.box_nms_thresh)


def _without_duplicates(found: list[AutomaticMask], scores: list[float], threshold: float) -> list[AutomaticMask]:
    kept = keep_best([mask.xyxy for mask in found], scores, threshold)
    return [found[i] for i in kept]


def _cleaned(found: list[AutomaticMask], options: MaskOptions) -> list[AutomaticMask]:
    """Without small holes and islands; of masks that became alike, an unchanged one stays."""
    cleaned, unchanged = [], []
    for mask in found:
        pixels, changed = clean(mask.mask, options.min_mask_region_area)
        cleaned.append(replace(mask, rle=encode(pixels), xyxy=box_of_mask(pixels)) if changed else mask)
        unchanged.append(float(not changed))
    return _without_duplicates(cleaned, unchanged, max(options.box_nms_thresh, options.crop_nms_thresh))


def options_for(model: Any, options: MaskOptions) -> MaskOptions:
    """Options with the published threshold of the model's family and its own kind of masks filled in."""
    family = str(getattr(model, "family", ""))
    threshold = next((v for start, v in _IOU_THRESHOLDS.items() if family.startswith(start)), _IOU_THRESHOLD)
    found = {"pred_iou_thresh": threshold, "multimask": bool(getattr(model, "multimask", True))}
    missing = {key: value for key, value in found.items() if getattr(options, key) is None}
    return options.model_copy(update=missing)
