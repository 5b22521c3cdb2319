"""What every function here asks of a mask."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import PromptError, ShapeMismatch


def require_mask(mask: NDArray[Any], *, name: str = "mask") -> NDArray[np.bool_]:
    """2-D bool array with at least one true pixel, or `PromptError`."""
    inside = as_mask(mask, name=name)
    if not inside.any():
        raise PromptError(
            f"the {name} is empty: there is no object to prompt for",
            remedy="Leave out slices in which the object is absent.",
        )
    return inside


def as_mask(mask: NDArray[Any], *, name: str = "mask") -> NDArray[np.bool_]:
    """2-D bool array, or `PromptError`."""
    array = np.asarray(mask)
    if array.ndim != 2:
        raise PromptError(f"the {name} must have shape (H, W), not {array.shape}", remedy="Prompt slice by slice.")
    return array if array.dtype == bool else array != 0


def require_same_shape(reference: NDArray[Any], prediction: NDArray[Any]) -> None:
    """Raise `ShapeMismatch` if two masks differ in shape."""
    if reference.shape != prediction.shape:
        raise ShapeMismatch(f"reference {reference.shape} and prediction {prediction.shape} differ in shape")
