"""The rules of a corpus, applied to one slice: which masks stay, and by which rule each of the others goes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.image import LabelMap
from samadapt.data.corpus.config import CorpusRules
from samadapt.data.recipes.base import Objects


@dataclass(frozen=True, eq=False)
class SliceObject:
    """One mask of a slice.

    Attributes
    ----------
    label : int
        Of the dataset's label set.
    mask : ndarray of shape (H, W), bool
    area_px : int
    rank : int
        0 for the largest part of its class in the slice; always 0 for objects that came one by one.
    """

    label: int
    mask: NDArray[np.bool_]
    area_px: int
    rank: int


@dataclass(frozen=True)
class Place:
    """Where a slice lies in its volume.

    Attributes
    ----------
    z, depth : int
        Number of the slice, and of how many; (0, 1) for a picture.
    extent : dict of int to (int, int)
        First and last slice of every class; empty where no rule asks for it.
    """

    z: int
    depth: int
    extent: dict[int, tuple[int, int]]


def objects_of(label: NDArray[Any] | Objects, ignore: int | None, rules: CorpusRules) -> Iterator[SliceObject]:
    """Masks of a slice: the parts of each class, largest first, or the objects as they are."""
    if not isinstance(label, np.ndarray):
        for one in label:
            yield SliceObject(one.label, one.mask, int(one.mask.sum()), 0)
        return
    for value in sorted({int(v) for v in np.unique(label)} - {0, ignore}):
        yield from _parts(value, label == value, rules)


def _parts(value: int, mask: NDArray[np.bool_], rules: CorpusRules) -> Iterator[SliceObject]:
    from scipy import ndimage

    if not rules.components:
        yield SliceObject(value, mask, int(mask.sum()), 0)
        return
    parts, _ = ndimage.label(mask, np.ones((3, 3)))
    areas = np.bincount(parts.ravel())[1:]
    for rank, number in enumerate(np.argsort(-areas, kind="stable")):
        yield SliceObject(value, parts == number + 1, int(areas[number]), rank)


def extents(label: LabelMap) -> dict[int, tuple[int, int]]:
    """{class: (first, last slice it is in)} of a volume."""
    found: dict[int, tuple[int, int]] = {}
    for z, plane in enumerate(label.values):
        for value in np.unique(plane):
            first, _ = found.get(int(value), (z, z))
            found[int(value)] = first, z
    return found


def slice_rule(pixels: NDArray[Any], place: Place, rules: CorpusRules) -> str:
    """Rule by which a whole slice goes, or ""."""
    short, long = sorted(pixels.shape[:2])
    if place.depth > 1 and place.z % rules.slice_step:
        return "slice_step"
    if place.depth > 1 and min(place.z, place.depth - 1 - place.z) < rules.edge_slices:
        return "edge_slices"
    if short < rules.min_side_px:
        return "min_side_px"
    if short < rules.min_side_ratio * long:
        return "min_side_ratio"
    return "constant_images" if rules.constant_images and pixels.min() == pixels.max() else ""


def mask_rule(one: SliceObject, place: Place, rules: CorpusRules) -> str:
    """Rule by which a mask goes, or ""."""
    share = one.area_px / one.mask.size
    if one.area_px < rules.min_area_px:
        return "min_area_px"
    if share < rules.min_area_share:
        return "min_area_share"
    if share > rules.max_area_share:
        return "max_area_share"
    if rules.max_components is not None and one.rank >= rules.max_components:
        return "max_components"
    first, last = place.extent.get(one.label, (place.z - rules.object_edge_slices, place.z + rules.object_edge_slices))
    return "object_edge_slices" if min(place.z - first, last - place.z) < rules.object_edge_slices else ""
