"""What lies in a label slice: area and box of every object, overlapping objects in layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import DataError
from samadapt.data.records import OBJECT

_MAX_LAYERS = 255
_DENSE = 1 << 16


def semantic_objects(values: NDArray[Any], ignore: int | None = None) -> NDArray[Any]:
    """One row of `OBJECT` for every class in a slice.

    Parameters
    ----------
    values : ndarray of shape (H, W), unsigned integer
        Class values below 65536; 0 and `ignore` are no objects.
    ignore : int or None

    Returns
    -------
    ndarray of OBJECT
        Ordered by value, with label, value, area and box (XYXY, maximum inclusive); case, z, slice and object 0.
    """
    crop, top, left = _occupied(values)
    if crop is None:
        return np.zeros(0, OBJECT)
    areas = np.bincount(crop.ravel())
    present = [int(v) for v in np.flatnonzero(areas) if v not in (0, ignore)]
    rows = np.zeros(len(present), OBJECT)
    rows["label"], rows["value"], rows["area"] = present, present, areas[present]
    for row, (y0, y1, x0, x1) in zip(rows, _boxes(crop, present)):
        row["x0"], row["y0"], row["x1"], row["y1"] = left + x0, top + y0, left + x1, top + y1
    return rows


def layered_objects(
    masks: Sequence[tuple[NDArray[np.bool_], int]], shape: tuple[int, int]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Objects of one image, each in the first layer where it overlaps no other.

    Parameters
    ----------
    masks : sequence of (ndarray of shape (H, W), bool; label)
        Empty masks are skipped.
    shape : (int, int)
        (H, W).

    Returns
    -------
    layers : ndarray of shape (L, H, W), smallest unsigned integer
        0 or the value of an object; values count from 1 through all layers.
    rows : ndarray of OBJECT
        In order of `masks`; "object" counts those of the same label from 0.

    Raises
    ------
    DataError
        If more than 255 objects lie on one another.
    """
    layers: list[NDArray[Any]] = []
    rows = np.zeros(len(masks), OBJECT)
    count, of_label = 0, dict[int, int]()
    dtype = np.min_scalar_type(len(masks))
    for mask, label in masks:
        inside, top, left = _occupied(mask)
        if inside is None:
            continue
        box = np.s_[top : top + inside.shape[0], left : left + inside.shape[1]]
        layer = _free_layer(layers, inside, box, shape, dtype)
        layers[layer][box][inside] = count + 1
        number = of_label.setdefault(label, 0)
        of_label[label] += 1
        area, bottom, right = np.count_nonzero(inside), box[0].stop - 1, box[1].stop - 1
        for name, value in zip(_FIELDS, (number, count + 1, area, left, top, right, bottom, label, layer)):
            rows[name][count] = value
        count += 1
    return np.stack(layers) if layers else np.zeros((1, *shape), np.uint8), rows[:count]


_FIELDS = ("object", "value", "area", "x0", "y0", "x1", "y1", "label", "layer")


def _occupied(values: NDArray[Any]) -> tuple[NDArray[Any] | None, int, int]:
    """The part that is not background, and its top left corner."""
    ys = np.flatnonzero(values.any(axis=1))
    if len(ys) == 0:
        return None, 0, 0
    band = values[ys[0] : ys[-1] + 1]
    xs = np.flatnonzero(band.any(axis=0))
    return band[:, xs[0] : xs[-1] + 1], int(ys[0]), int(xs[0])


def _boxes(crop: NDArray[Any], present: list[int]) -> list[tuple[int, int, int, int]]:
    """(y0, y1, x0, x1), maxima inclusive, of each value."""
    from scipy import ndimage

    if not present:
        return []
    found = ndimage.find_objects(crop if crop.dtype.itemsize < 4 else crop.astype(np.int64), max(present))
    return [(s[0].start, s[0].stop - 1, s[1].start, s[1].stop - 1) for s in (found[v - 1] for v in present)]


def _free_layer(
    layers: list[NDArray[Any]], inside: NDArray[np.bool_], box: Any, shape: tuple[int, int], dtype: Any
) -> int:
    for index, layer in enumerate(layers):
        if not layer[box][inside].any():
            return index
    if len(layers) == _MAX_LAYERS:
        raise DataError(f"more than {_MAX_LAYERS} objects lie on one another", remedy="Merge or drop some of them.")
    layers.append(np.zeros(shape, dtype))
    return len(layers) - 1
