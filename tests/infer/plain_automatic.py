"""Automatic masks the way SAM's generator computes them: every mask to full size first, filters afterwards."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage

from samadapt.infer.upscale import to_original

DEFAULTS = {
    "points_per_side": 32,
    "pred_iou_thresh": 0.88,
    "stability_score_thresh": 0.95,
    "stability_score_offset": 1.0,
    "box_nms_thresh": 0.7,
    "crop_n_layers": 0,
    "crop_nms_thresh": 0.7,
    "crop_overlap_ratio": 512 / 1500,
    "crop_n_points_downscale_factor": 1,
    "min_mask_region_area": 0,
}


def plain_masks(model, image: NDArray[np.uint8], **options) -> list[dict]:
    """Dictionaries with mask, counts, box, iou, stability, point and crop, in the order of SAM's generator."""
    o = DEFAULTS | options
    crops = crop_boxes(image.shape[:2], o["crop_n_layers"], o["crop_overlap_ratio"])
    with torch.no_grad():
        found = [record for layer, crop in crops for record in in_crop(model, image, layer, crop, o)]
    if len(crops) > 1:
        smallness = [1 / ((r["crop"][2] - r["crop"][0]) * (r["crop"][3] - r["crop"][1])) for r in found]
        found = [found[i] for i in suppress([r["box"] for r in found], smallness, o["crop_nms_thresh"])]
    if o["min_mask_region_area"]:
        found = without_small_regions(found, o["min_mask_region_area"], max(o["box_nms_thresh"], o["crop_nms_thresh"]))
    return found


def crop_boxes(hw, layers, ratio):
    """(layer, (x0, y0, x1, y1)), the ends exclusive."""
    height, width = hw
    boxes = [(0, (0, 0, width, height))]
    for layer in range(1, layers + 1):
        n = 2**layer
        overlap = int(ratio * min(hw) * 2 / n)
        w, h = math.ceil((overlap * (n - 1) + width) / n), math.ceil((overlap * (n - 1) + height) / n)
        for i, j in itertools.product(range(n), range(n)):
            x, y = i * (w - overlap), j * (h - overlap)
            boxes.append((layer, (x, y, min(x + w, width), min(y + h, height))))
    return boxes


def in_crop(model, image, layer, crop, o):
    """Masks of one crop after suppression."""
    x0, y0, x1, y1 = crop
    part = image[y0:y1, x0:x1]
    embedding = model.encode(model.preprocess(part))
    n = int(o["points_per_side"] / o["crop_n_points_downscale_factor"] ** layer)
    ticks = np.linspace(1 / (2 * n), 1 - 1 / (2 * n), n)
    grid = np.array([(x, y) for y in ticks for x in ticks]) * part.shape[1::-1]
    found = [r for i in range(0, n * n, 64) for r in batch(model, embedding, part, grid[i : i + 64], crop, image, o)]
    return [found[i] for i in suppress([r["box"] for r in found], [r["iou"] for r in found], o["box_nms_thresh"])]


def batch(model, embedding, part, points, crop, image, o):
    """Masks of up to 64 points that pass the filters."""
    frame = model.frame(part.shape[:2])
    given = torch.from_numpy(frame.to_model(points))[None, :, None]
    output = model.decode(embedding, points=given, point_labels=torch.ones(given.shape[:3], dtype=torch.int64))
    logits = to_original(output.low_res_logits[0], frame).flatten(0, 1)  # all of them, at full size
    iou, origin = output.iou.flatten(), np.repeat(points, output.iou.shape[-1], axis=0)
    keep = iou > o["pred_iou_thresh"]
    logits, iou, origin = logits[keep], iou[keep], origin[keep.numpy()]
    offset = o["stability_score_offset"]
    over = [(logits > t).sum(-1, dtype=torch.int16).sum(-1, dtype=torch.int32) for t in (offset, -offset)]
    stability = over[0] / over[1]
    keep = stability >= o["stability_score_thresh"]
    masks, iou, origin, stability = logits[keep] > 0, iou[keep], origin[keep.numpy()], stability[keep]
    found = []
    for mask, score, point, stable in zip(masks, iou.tolist(), origin, stability.tolist()):
        box = tight(mask.numpy()) + np.array([crop[0], crop[1]] * 2)
        limits = np.array([0, 0, image.shape[1], image.shape[0]])
        if ((np.abs(box - np.array(crop)) <= 20) & (np.abs(box - limits) > 20)).any():
            continue
        full = torch.zeros(image.shape[:2], dtype=torch.bool)
        full[crop[1] : crop[3], crop[0] : crop[2]] = mask
        where = {"box": box, "point": point + np.array(crop[:2]), "crop": crop}
        found.append({"mask": full.numpy(), "counts": runs(full), "iou": score, "stability": stable} | where)
    return found


def tight(mask):
    """XYXY, maximum inclusive."""
    y, x = np.nonzero(mask)
    return np.array([x.min(), y.min(), x.max(), y.max()]) if len(x) else np.zeros(4, dtype=int)


def runs(mask):
    """Run lengths down the columns, outside first."""
    flat = mask.T.flatten()
    edges = (flat[1:] != flat[:-1]).nonzero()[:, 0] + 1
    ends = torch.cat([edges.new_zeros(1), edges, edges.new_tensor([len(flat)])])
    lengths = ends.diff().tolist()
    return [0, *lengths] if flat[0] else lengths


def suppress(boxes, scores, threshold):
    """Indices of the boxes that stay, best first."""
    if not len(boxes):
        return []
    b = torch.as_tensor(np.array(boxes)).float()
    area = (b[:, 2] - b[:, 0]) * (b[:, 3] - b[:, 1])
    shared = (torch.minimum(b[:, None, 2:], b[None, :, 2:]) - torch.maximum(b[:, None, :2], b[None, :, :2])).clamp(0)
    shared = shared.prod(-1)
    overlap = (shared / (area[:, None] + area - shared)).numpy()
    kept: list[int] = []
    for i in torch.as_tensor(scores).float().sort(descending=True, stable=True).indices.tolist():
        if not (overlap[i, kept] > threshold).any():
            kept.append(i)
    return kept


def without_small_regions(found, least, threshold):
    """Holes filled, then islands dropped; of what became alike, unchanged masks stay."""
    unchanged = []
    for record in found:
        mask, filled = fill(record["mask"], least)
        mask, dropped = drop(mask, least)
        unchanged.append(float(not (filled or dropped)))
        record |= {"mask": mask, "box": tight(mask)}
    return [found[i] for i in suppress([r["box"] for r in found], unchanged, threshold)]


def fill(mask, least):
    """Every region outside of less than `least` pixels becomes inside."""
    regions, n = ndimage.label(~mask, np.ones((3, 3)))
    small = [k for k in range(1, n + 1) if (regions == k).sum() < least]
    return mask | np.isin(regions, small), bool(small)


def drop(mask, least):
    """Every island of less than `least` pixels goes; the largest stays if all are small."""
    regions, n = ndimage.label(mask, np.ones((3, 3)))
    sizes = {k: (regions == k).sum() for k in range(1, n + 1)}
    small = [k for k, size in sizes.items() if size < least]
    if not small:
        return mask, False
    large = [k for k in sizes if k not in small] or [max(sizes, key=sizes.get)]
    return np.isin(regions, large), True
