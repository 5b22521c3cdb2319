"""All metrics of all labels of one case, in one pass over the arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from samadapt.metrics.boxes import Bounds, label_boxes
from samadapt.metrics.checks import checked_axis, checked_labels, checked_pair, checked_spacing, checked_tolerances
from samadapt.metrics.definitions import METRICS, Convention, Missing, Unit
from samadapt.metrics.named import convention as named_convention
from samadapt.metrics.named import conventions as all_conventions
from samadapt.metrics.pair import MaskPair


class Score(TypedDict):
    """Metrics of one label.

    ``hd``, ``hd95`` and ``assd`` are in ``unit`` ("mm" or "voxel"); ``missing`` says which mask was empty ("", "both",
    "reference" or "prediction"), in which case the metrics are those of the convention's empty policies. ``masks`` is
    the number of masks that Dice and IoU are the mean of: slices for a convention that scores each by itself, else 1.
    """

    label: int
    dice: float
    iou: float
    hd: float
    hd95: float
    assd: float
    nsd: float
    tolerance_mm: float
    unit: Unit
    missing: Missing
    reference_voxels: int
    prediction_voxels: int
    masks: int


@dataclass(frozen=True)
class _Task:
    rule: Convention
    tolerances: float | Mapping[int, float] | None

    def tolerance(self, label: int) -> float:
        if isinstance(self.tolerances, Mapping):
            return float(self.tolerances.get(label, self._usual(label)))
        return self._usual(label) if self.tolerances is None else float(self.tolerances)

    def _usual(self, label: int) -> float:
        return float(self.rule.tolerances_mm.get(label, self.rule.tolerance_mm))


def score(
    reference: NDArray[Any],
    prediction: NDArray[Any],
    spacing_mm: Sequence[float],
    labels: Sequence[int] | None = None,
    convention: str | Convention = "strict",
    tolerances_mm: float | Mapping[int, float] | None = None,
    slice_axis: int | None = None,
    ignore: int | None = None,
) -> dict[int, Score]:
    """Dice, IoU, Hausdorff distances, mean surface distance and normalised surface distance of every label.

    Parameters
    ----------
    reference, prediction : ndarray of shape (H, W) or (Z, Y, X), bool or integer
        Label maps; 0 is background, a mask is label 1.
    spacing_mm : sequence of float, one per axis, in array order
    labels : sequence of int, optional
        Labels to score, present or not; those of either array if not given.
    convention : str or Convention
        See `conventions`. It decides how percentiles are taken and what empty masks cost.
    tolerances_mm : float or mapping of label to float, optional
        Of the normalised surface distance; those of the convention (2 mm where it has none) if not given.
    slice_axis : int, optional
        Across the slices, for conventions that leave slices out. If not given: the axis whose spacing is uniquely the
        largest, else the one with uniquely the fewest elements, else axis 0.
    ignore : int, optional
        Value of reference voxels that are left out.

    Returns
    -------
    dict of int to Score
        In the order of `labels`, or ascending.

    Raises
    ------
    ShapeMismatch
        If the arrays differ in shape.
    InvalidGeometry
        If they are not 2-D or 3-D, or the spacing has the wrong length or is not positive.
    LabelError, NonFiniteValues
        If the arrays hold anything but non-negative whole numbers.
    ConfigError
        If the convention is unknown or a tolerance negative.

    References
    ----------
    .. [1] Maier-Hein, Reinke et al. 2024, Nat Methods 21:195.
    .. [2] Nikolov et al. 2021, J Med Internet Res 23(7):e26151.
    """
    rule = convention if isinstance(convention, Convention) else named_convention(convention)
    only = (reference, prediction, spacing_mm, labels, (rule,), tolerances_mm, slice_axis, ignore)
    return score_conventions(*only)[rule.name]


def score_conventions(
    reference: NDArray[Any],
    prediction: NDArray[Any],
    spacing_mm: Sequence[float],
    labels: Sequence[int] | None = None,
    conventions: Sequence[str | Convention] | None = None,
    tolerances_mm: float | Mapping[int, float] | None = None,
    slice_axis: int | None = None,
    ignore: int | None = None,
) -> dict[str, dict[int, Score]]:
    """What every convention says of the same two label maps; boundaries that they share are found once.

    Parameters
    ----------
    conventions : sequence of str or Convention, optional
        All if not given.
    reference, prediction, spacing_mm, labels, tolerances_mm, slice_axis, ignore : see `score`

    Returns
    -------
    dict of str to dict of int to Score
        By convention and label.

    Raises
    ------
    ShapeMismatch, InvalidGeometry, LabelError, NonFiniteValues, ConfigError
        As `score`.
    """
    truth, answer = checked_pair(reference, prediction)
    spacing = checked_spacing(spacing_mm, truth.ndim)
    axis, tolerances = checked_axis(slice_axis, spacing, truth.shape), checked_tolerances(tolerances_mm)
    given = all_conventions() if conventions is None else conventions
    rules = [c if isinstance(c, Convention) else named_convention(c) for c in given]
    if ignore is not None:
        left_out = truth == ignore
        truth, answer = (np.where(left_out, 0, values).astype(values.dtype) for values in (truth, answer))
    wanted = None if labels is None else checked_labels(labels)
    bounds = _bounds(truth, answer, wanted)
    found: dict[str, dict[int, Score]] = {rule.name: {} for rule in rules}
    for label in sorted(bounds) if wanted is None else wanted:
        crop = bounds.get(label) or tuple(slice(0, 0) for _ in truth.shape)
        pair = MaskPair(truth[crop] == label, answer[crop] == label, spacing, axis)
        for rule in rules:
            found[rule.name][label] = _score_label(pair, label, _Task(rule, tolerances))
    return found


def _bounds(truth: NDArray[Any], answer: NDArray[Any], wanted: list[int] | None) -> dict[int, Bounds]:
    """Smallest box that holds a label in both arrays, for every wanted label that occurs."""
    found: dict[int, Bounds] = {}
    for values in (truth, answer):
        for label, box in label_boxes(values).items():
            if wanted is None or label in wanted:
                known = found.get(label, box)
                found[label] = tuple(_join(a, b) for a, b in zip(known, box))
    return found


def _join(a: slice, b: slice) -> slice:
    return slice(min(a.start, b.start), max(a.stop, b.stop))


def _score_label(pair: MaskPair, label: int, task: _Task) -> Score:
    missing = pair.missing
    if missing:
        figures = {name: task.rule.empty[name].value(missing) for name in METRICS}
    else:
        between = label in task.rule.between_reference_slices
        figures = _figures(pair.between_reference_slices if between else pair, label, task)
    return Score(
        label=label,
        dice=figures["dice"],
        iou=figures["iou"],
        hd=figures["hd"],
        hd95=figures["hd95"],
        assd=figures["assd"],
        nsd=figures["nsd"],
        tolerance_mm=task.tolerance(label),
        unit=task.rule.unit,
        missing=missing,
        reference_voxels=pair.reference_voxels,
        prediction_voxels=pair.prediction_voxels,
        masks=_masks(pair, task.rule),
    )


def _figures(pair: MaskPair, label: int, task: _Task) -> dict[str, float]:
    rule = task.rule
    dice, iou = _overlap(pair, rule)
    failed = dice < rule.least_dice_for_nsd or (rule.least_dice_excluded and dice == rule.least_dice_for_nsd)
    nsd = 0.0 if failed else pair.surfaces(rule.nsd, rule.nsd_unit).within(task.tolerance(label))
    return {"dice": dice, "iou": iou, **_distances(pair, rule), "nsd": nsd}


def _overlap(pair: MaskPair, rule: Convention) -> tuple[float, float]:
    """Dice and IoU, of the whole or as the mean over slices, rounded before any mean is taken."""
    if not _by_slice(pair, rule):
        dice, iou = pair.overlap(rule.smooth)
        return (dice, iou) if rule.decimals is None else (round(dice, rule.decimals), round(iou, rule.decimals))
    both = pair.overlap_by_slice(rule.smooth)
    dice, iou = (float(np.mean(v if rule.decimals is None else v.round(rule.decimals))) for v in both)
    return dice, iou


def _by_slice(pair: MaskPair, rule: Convention) -> bool:
    return rule.each_slice and pair.reference.ndim == 3


def _masks(pair: MaskPair, rule: Convention) -> int:
    return max(pair.reference_slices, 1) if _by_slice(pair, rule) else 1


def _distances(pair: MaskPair, rule: Convention) -> dict[str, float]:
    surfaces = pair.surfaces(rule.boundary, rule.unit)
    if rule.boundary == "surface elements":
        hd95 = surfaces.larger_weighted_percentile(95)
    else:
        hd95 = surfaces.pooled_percentile(95) if rule.hd95 == "pooled" else surfaces.larger_percentile(95)
    return {"hd": surfaces.hausdorff, "hd95": hd95, "assd": surfaces.mean}
