"""What `score` asks of its arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import ConfigError, InvalidGeometry, LabelError, NonFiniteValues, ShapeMismatch

Labels = NDArray[Any]


def checked_pair(reference: Labels, prediction: Labels) -> tuple[Labels, Labels]:
    """Two label arrays of one 2-D or 3-D shape."""
    pair = as_labels(np.asarray(reference), "reference"), as_labels(np.asarray(prediction), "prediction")
    if pair[0].shape != pair[1].shape:
        raise ShapeMismatch(
            f"reference {pair[0].shape} and prediction {pair[1].shape} have different shapes",
            remedy="Resample the prediction to the reference's grid with nearest neighbour.",
        )
    if pair[0].ndim not in (2, 3) or not pair[0].size:
        raise InvalidGeometry(f"label maps have 2 or 3 axes of at least one element, not shape {pair[0].shape}")
    return pair


def as_labels(values: Labels, name: str) -> Labels:
    """Non-negative integers; masks become 0 and 1, whole floats integers."""
    if values.dtype == bool:
        return values.view(np.uint8)
    if values.dtype.kind == "f":
        return _from_floats(values, name)
    if values.dtype.kind not in "iu":
        raise LabelError(f"labels must be whole numbers, not {values.dtype}", where=name)
    if values.dtype.kind == "i" and values.size and values.min() < 0:
        raise LabelError(f"labels must not be negative, found {values.min()}", where=name)
    return values


def _from_floats(values: Labels, name: str) -> Labels:
    if not np.isfinite(values).all():
        raise NonFiniteValues("labels hold NaN or infinity", where=name, remedy="Score masks, not probabilities.")
    whole = np.rint(values)
    if (whole != values).any():
        bad = values[whole != values].flat[0]
        raise LabelError(
            f"labels must be whole numbers, found {bad:g}",
            where=name,
            remedy="Threshold probabilities first; resample labels with nearest neighbour.",
        )
    return as_labels(whole.astype(np.int64), name)


def checked_spacing(spacing_mm: Sequence[float], ndim: int) -> tuple[float, ...]:
    """One positive finite number per axis."""
    values = tuple(float(s) for s in np.atleast_1d(np.asarray(spacing_mm, dtype=np.float64)))
    if len(values) != ndim:
        raise InvalidGeometry(
            f"{ndim} axes need as many spacings, not {len(values)}: {values}",
            where="spacing_mm",
            remedy="Give millimetres in array order, (z, y, x) or (y, x).",
        )
    if not all(np.isfinite(s) and s > 0 for s in values):
        raise InvalidGeometry(f"spacing must be positive and finite, not {values}", where="spacing_mm")
    return values


def checked_tolerances(tolerances_mm: float | Mapping[int, float] | None) -> Mapping[int, float] | float | None:
    """Non-negative finite tolerances."""
    given = tolerances_mm.values() if isinstance(tolerances_mm, Mapping) else (tolerances_mm,)
    for value in given:
        if value is not None and not (np.isfinite(value) and value >= 0):
            raise ConfigError(f"a tolerance must not be negative, not {value}", where="tolerances_mm")
    return tolerances_mm


def checked_labels(labels: Sequence[int]) -> list[int]:
    """Distinct labels of at least 1."""
    wanted = list(dict.fromkeys(int(label) for label in labels))
    if any(label < 1 for label in wanted):
        raise LabelError(f"labels to score start at 1 (0 is background), not {min(wanted)}", where="labels")
    return wanted


def checked_axis(slice_axis: int | None, spacing_mm: tuple[float, ...], shape: tuple[int, ...]) -> int:
    """The given axis, or the one of uniquely largest spacing, or of uniquely fewest elements, or 0."""
    if slice_axis is None:
        widest = [axis for axis, step in enumerate(spacing_mm) if np.isclose(step, max(spacing_mm))]
        fewest = [axis for axis, size in enumerate(shape) if size == min(shape)]
        return next((axes[0] for axes in (widest, fewest) if len(axes) == 1), 0)
    if not -len(shape) <= slice_axis < len(shape):
        raise InvalidGeometry(f"there is no axis {slice_axis} among {len(shape)}", where="slice_axis")
    return slice_axis % len(shape)
