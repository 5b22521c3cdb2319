"""The next click of a simulated annotator, who sees the reference and the current prediction."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import PromptError
from samadapt.core.prompts import Points
from samadapt.prompts.masks import as_mask, require_same_shape
from samadapt.prompts.points import components_of, deepest_pixel, random_points

ClickPolicy = Literal["centre", "random"]


def next_point(
    reference: NDArray[Any], prediction: NDArray[Any], policy: ClickPolicy, rng: np.random.Generator
) -> tuple[NDArray[np.float32], int]:
    """Click that corrects an error.

    Parameters
    ----------
    reference, prediction : ndarray of shape (H, W), bool or integer
    policy : {"centre", "random"}
        "centre": the deepest pixel of the largest 8-connected component of missed or of wrongly marked pixels.
        "random": uniform over all pixels that differ.
    rng : Generator
        Used by "random" only.

    Returns
    -------
    xy : ndarray of shape (2,), float32
        In pixels of the masks.
    label : int
        1 where the object was missed, 0 where background was marked.

    Raises
    ------
    PromptError
        If the masks are equal or the policy is unknown.
    ShapeMismatch
        If their shapes differ.
    """
    truth, marked = as_mask(reference, name="reference"), as_mask(prediction, name="prediction")
    require_same_shape(truth, marked)
    if not (truth != marked).any():
        raise PromptError("the prediction equals the reference: there is no error to click on")
    if policy == "centre":
        xy = deepest_pixel(_largest_error(truth & ~marked, marked & ~truth))
    elif policy == "random":
        xy = random_points(truth != marked, 1, rng)[0]
    else:
        raise PromptError(f"unknown click policy {policy!r}", remedy="Choose centre or random.")
    return xy, int(truth[int(xy[1]), int(xy[0])])


def random_error_points(reference: NDArray[Any], prediction: NDArray[Any], n: int, rng: np.random.Generator) -> Points:
    """`n` clicks drawn uniformly, with replacement, from the pixels that differ (the correction rounds of SAM-Med2D).

    Parameters
    ----------
    reference, prediction : ndarray of shape (H, W), bool or integer
    n : int
        At least 1.
    rng : Generator

    Returns
    -------
    Points
        Label 1 where the object was missed, 0 where background was marked.

    Raises
    ------
    PromptError
        If the masks are equal or `n` is below 1.
    ShapeMismatch
        If their shapes differ.

    References
    ----------
    .. [1] Cheng et al. 2023, arXiv:2308.16184 (OpenGVLab/SAM-Med2D bfd2b93).
    """
    truth, marked = as_mask(reference, name="reference"), as_mask(prediction, name="prediction")
    require_same_shape(truth, marked)
    y, x = np.nonzero(truth != marked)
    if n < 1 or not len(y):
        raise PromptError("there is no error to click on" if n >= 1 else f"at least one point is needed, not {n}")
    chosen = rng.integers(0, len(y), n)
    return Points(np.stack([x[chosen], y[chosen]], axis=1).astype(np.float32), truth[y[chosen], x[chosen]].astype(int))


def _largest_error(missed: NDArray[np.bool_], extra: NDArray[np.bool_]) -> NDArray[np.bool_]:
    (missed_parts, _), (extra_parts, _) = components_of(missed), components_of(extra)
    missed_sizes, extra_sizes = _sizes(missed_parts), _sizes(extra_parts)
    if missed_sizes.max(initial=0) >= extra_sizes.max(initial=0):
        return np.asarray(missed_parts == 1 + int(np.argmax(missed_sizes)))
    return np.asarray(extra_parts == 1 + int(np.argmax(extra_sizes)))


def _sizes(components: NDArray[np.int32]) -> NDArray[np.int64]:
    return np.bincount(components.ravel())[1:]
