"""Scores of every label of two label maps under one convention."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import ConfigError, InvalidGeometry, ShapeMismatch
from samadapt.core.image import as_label_values
from samadapt.metrics.conventions import METRICS, Convention, Missing
from samadapt.metrics.conventions import convention as find_convention
from samadapt.metrics.surfaces import Surfaces, border_surfaces, element_surfaces

Mask = NDArray[np.bool_]
Region = tuple[slice, ...]


class Score(TypedDict):
    """Figures of one label.

    Attributes
    ----------
    dice, iou, nsd : float in [0, 1]
    hd, hd95, assd : float
        Millimetres, or voxels where the convention says so.
    missing : {"", "both", "reference", "prediction"}
        Which mask was empty.
    """

    label: int
    dice: float
    iou: float
    hd: float
    hd95: float
    assd: float
    nsd: float
    tolerance_mm: float
    reference_voxels: int
    prediction_voxels: int
    missing: Missing


def score(
    reference: NDArray[Any],
    prediction: NDArray[Any],
    spacing_mm: Sequence[float],
    labels: Sequence[int] | None = None,
    convention: str = "strict",
    tolerances_mm: Mapping[int, float] | None = None,
    slice_axis: int | None = None,
) -> dict[int, Score]:
    """Dice, IoU, HD, HD95, ASSD and NSD of every label.

    Parameters
    ----------
    reference, prediction : ndarray of shape (H, W) or (Z, Y, X), bool or whole numbers
        Label maps on one grid.
    spacing_mm : sequence of float, one per axis, in array order
    labels : sequence of int, optional
        Labels to score; those of either map, background left out, if not given.
    convention : str
        One of `conventions()`; says what each metric means, also for empty masks.
    tolerances_mm : mapping of label to float, optional
        Tolerances of NSD that replace the convention's.
    slice_axis : int, optional
        Axis across the slices, for conventions that leave slices out. If not given, the axis whose spacing is
        uniquely the largest, else the one with uniquely the fewest elements, else axis 0.

    Returns
    -------
    dict of int to Score
        In the order of `labels`.

    Raises
    ------
    ShapeMismatch
        If the shapes differ.
    InvalidGeometry
        If the arrays are not 2-D or 3-D, or the spacing has the wrong length or is not positive.
    LabelError
        If values are not whole numbers.
    """
    rules = find_convention(convention)
    spacing = _check(reference, prediction, spacing_mm)
    truth, answer = (
        as_label_values(np.asarray(a), where=n) for a, n in ((reference, "reference"), (prediction, "prediction"))
    )
    axis = _slice_axis(spacing, truth.shape, slice_axis)
    boxes = _union_boxes(truth, answer)
    wanted = sorted(boxes) if labels is None else [int(label) for label in labels]
    tolerances = dict(rules.tolerances_mm) | dict(tolerances_mm or {})
    found: dict[int, Score] = {}
    for label in wanted:
        region = boxes.get(label, (slice(0, 0),) * truth.ndim)
        pair = truth[region] == label, answer[region] == label
        if label in rules.between_reference_slices:
            pair = _between_slices(*pair, axis)
        tolerance = float(tolerances.get(label, rules.tolerance_mm))
        found[label] = _score_pair(label, *pair, spacing, rules, tolerance)
    return found


def _check(reference: NDArray[Any], prediction: NDArray[Any], spacing_mm: Sequence[float]) -> tuple[float, ...]:
    if np.shape(reference) != np.shape(prediction):
        raise ShapeMismatch(
            f"reference {np.shape(reference)} and prediction {np.shape(prediction)} have different shapes",
            remedy="Resample the prediction to the grid of the reference.",
        )
    spacing = tuple(float(s) for s in spacing_mm)
    if np.ndim(reference) not in (2, 3):
        raise InvalidGeometry(f"label maps have 2 or 3 axes, not {np.ndim(reference)}")
    if len(spacing) != np.ndim(reference):
        raise InvalidGeometry(
            f"{np.ndim(reference)} axes need as many spacings, not {len(spacing)}", where="spacing_mm"
        )
    if not all(np.isfinite(s) and s > 0 for s in spacing):
        raise InvalidGeometry(f"spacing must be positive, not {spacing}", where="spacing_mm")
    return spacing


def _slice_axis(spacing: tuple[float, ...], shape: tuple[int, ...], asked: int | None) -> int:
    if asked is not None:
        if not -len(spacing) <= asked < len(spacing):
            raise ConfigError(f"slice_axis {asked} does not exist: there are {len(spacing)} axes")
        return asked % len(spacing)
    largest = [axis for axis, step in enumerate(spacing) if np.isclose(step, max(spacing))]
    shortest = [axis for axis, size in enumerate(shape) if size == min(shape)]
    return next((found[0] for found in (largest, shortest) if len(found) == 1), 0)


def _union_boxes(truth: NDArray[Any], answer: NDArray[Any]) -> dict[int, Region]:
    """Box of each label over both maps."""
    boxes: dict[int, Region] = {}
    for array in (truth, answer):
        for label, region in _boxes(array):
            boxes[label] = region if label not in boxes else tuple(map(_join, boxes[label], region))
    return boxes


def _boxes(array: NDArray[Any]) -> Iterator[tuple[int, Region]]:
    from scipy.ndimage import find_objects

    values = np.unique(array)
    values = values[values > 0]
    if len(values) and int(values[-1]) > 4 * len(values) + 256:  # sparse, large values: number them first
        array = np.searchsorted(values, array) + 1 - (array == 0)
        array = np.where(array > len(values), 0, array)
        yield from ((int(values[k]), r) for k, r in enumerate(find_objects(array)) if r is not None)
        return
    yield from ((k + 1, r) for k, r in enumerate(find_objects(array.astype(np.int32, copy=False))) if r is not None)


def _join(a: slice, b: slice) -> slice:
    return slice(min(a.start, b.start), max(a.stop, b.stop))


def _between_slices(reference: Mask, prediction: Mask, axis: int) -> tuple[Mask, Mask]:
    """Both masks on the slices first <= z < last of the reference, as the FLARE22 script cuts them."""
    others = tuple(a for a in range(reference.ndim) if a != axis)
    filled = np.flatnonzero(reference.any(axis=others))
    if not len(filled):
        return reference, prediction
    region = tuple(slice(filled[0], filled[-1]) if a == axis else slice(None) for a in range(reference.ndim))
    return reference[region], prediction[region]


def _score_pair(
    label: int, reference: Mask, prediction: Mask, spacing: tuple[float, ...], rules: Convention, tolerance: float
) -> Score:
    size_r, size_p = int(np.count_nonzero(reference)), int(np.count_nonzero(prediction))
    missing: Missing = ("both" if not size_p else "reference") if not size_r else ("" if size_p else "prediction")
    if missing:
        values = {name: rules.empty[name].value(missing) for name in METRICS}
    else:
        values = _overlap(int(np.count_nonzero(reference & prediction)), size_r, size_p)
        values |= _boundary(reference, prediction, spacing, rules, tolerance)
        if values["dice"] < rules.least_dice_for_nsd:
            values["nsd"] = 0.0
    return Score(
        label=label,
        dice=values["dice"],
        iou=values["iou"],
        hd=values["hd"],
        hd95=values["hd95"],
        assd=values["assd"],
        nsd=values["nsd"],
        tolerance_mm=tolerance,
        reference_voxels=size_r,
        prediction_voxels=size_p,
        missing=missing,
    )


def _overlap(both: int, reference: int, prediction: int) -> dict[str, float]:
    return {"dice": 2 * both / (reference + prediction), "iou": both / (reference + prediction - both)}


def _boundary(
    reference: Mask, prediction: Mask, spacing: tuple[float, ...], rules: Convention, tolerance: float
) -> dict[str, float]:
    distance_spacing = (1.0,) * len(spacing) if rules.unit == "voxel" else spacing
    surfaces = {(rules.boundary, distance_spacing), (rules.nsd, spacing)}
    known = {key: _surfaces(reference, prediction, *key) for key in surfaces}
    distances = known[rules.boundary, distance_spacing]
    return {
        "hd": distances.hausdorff,
        "hd95": _hd95(distances, rules),
        "assd": distances.mean if rules.assd == "pooled" else distances.mean_of_both,
        "nsd": known[rules.nsd, spacing].within(tolerance),
    }


def _surfaces(reference: Mask, prediction: Mask, kind: str, spacing: tuple[float, ...]) -> Surfaces:
    make = border_surfaces if kind == "border voxels" else element_surfaces
    return make(reference, prediction, spacing)


def _hd95(distances: Surfaces, rules: Convention) -> float:
    if rules.boundary == "surface elements":
        return distances.larger_weighted_percentile(95)
    return distances.pooled_percentile(95) if rules.hd95 == "pooled" else distances.larger_percentile(95)
