"""Prompts of a sweep, drawn from the truth of one object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samadapt import prompts as prompting
from samadapt.core.prompts import Box, Points
from samadapt.prompts.points import components_of, deepest_pixel

Mask = NDArray[np.bool_]
JITTER_FRAME = 1024
"""Side in pixels of the frame in which the looseness of boxes is stated."""

MASK_LOGIT = 10.0
LARGEST_REGIONS = 3


@dataclass(frozen=True, eq=False)
class Part:
    """One question about an object; the answers to all parts together are its mask.

    Attributes
    ----------
    truth : ndarray of shape (H, W), bool
        What the answer is about: the object, or one of its regions.
    points : Points, optional
    box : Box, optional
    mask : ndarray of shape (H, W), float32, optional
        Logits.
    """

    truth: Mask
    points: Points | None = None
    box: Box | None = None
    mask: NDArray[np.float32] | None = None


def parts_of(policy: str, truth: Mask, rng: np.random.Generator) -> list[Part]:
    """Questions of a policy that needs no answer to go on.

    Parameters
    ----------
    policy : str
        "box", "box~J", "centre", "point:N", "mask" or "mode:K".
    truth : ndarray of shape (H, W), bool
        Not empty.
    rng : Generator

    Returns
    -------
    list of Part

    References
    ----------
    .. [1] Mazurowski et al. 2023, Med Image Anal 89:102918: mode 0 is the point farthest from the border of the largest
       region, 1 the same of the three largest, 2 the box of the largest region, 3 the boxes of the three largest,
       answered one by one, 4 the box of everything.
    """
    kind, _, count = policy.partition(":")
    if kind == "mode":
        return _mode(int(count), truth)
    if kind == "mask":
        return [Part(truth, mask=np.where(truth, MASK_LOGIT, -MASK_LOGIT).astype(np.float32))]
    if kind == "centre":
        return [Part(truth, points=_positive(prompting.centre_point(truth)[None]))]
    if kind == "point":
        return [Part(truth, points=_positive(prompting.random_points(truth, int(count), rng)))]
    jitter = int(policy.partition("~")[2] or 0)
    return [Part(truth, box=_loose(truth, jitter, rng))]


def _loose(truth: Mask, jitter: int, rng: np.random.Generator) -> Box:
    hw = int(truth.shape[0]), int(truth.shape[1])
    largest_px = round(jitter * max(hw) / JITTER_FRAME)
    return prompting.jitter_box(prompting.box_of(truth), hw, largest_px, rng)


def _mode(number: int, truth: Mask) -> list[Part]:
    if number == 4:
        return [Part(truth, box=prompting.box_of(truth))]
    regions = _largest_regions(truth, 1 if number in (0, 2) else LARGEST_REGIONS)
    if number in (0, 1):
        return [Part(truth, points=_positive(np.stack([deepest_pixel(region) for region in regions])))]
    return [Part(region, box=prompting.box_of(region)) for region in regions]


def _largest_regions(truth: Mask, count: int) -> list[Mask]:
    """Up to `count` 8-connected regions by falling size."""
    components, _ = components_of(truth)
    sizes = np.bincount(components.ravel())[1:]
    order = np.argsort(-sizes, kind="stable")[:count]
    return [np.asarray(components == 1 + int(index)) for index in order]


def _positive(xy: NDArray[np.float32]) -> Points:
    return Points(xy, np.ones(len(xy), dtype=np.int64))
