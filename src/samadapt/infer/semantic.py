"""Prompt-free segmentation of images and volumes with a semantic head."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from samadapt.core.errors import CheckpointError
from samadapt.core.image import Image, LabelMap, Volume
from samadapt.data.context import neighbours
from samadapt.infer.published_test import samed_classes
from samadapt.infer.upscale import to_original

if TYPE_CHECKING:
    from samadapt.models.promptable import SamPromptable

Progress = Callable[[int, int], None]


def segment(
    model: SamPromptable,
    image: Image | Volume,
    *,
    batch_size: int = 8,
    progress: Progress | None = None,
    test_as: Literal["", "samed"] = "",
) -> LabelMap:
    """Label every pixel of an image, or every voxel of a volume slice by slice.

    Parameters
    ----------
    model : SamPromptable
        With a semantic head.
    image : Image or Volume
        In original intensities; its `window` decides what the model sees.
    batch_size : int
        Slices encoded at once.
    progress : callable, optional
        Called with (slices done, slices in all).
    test_as : {"", "samed"}
        Take the slices through the model as the test of this publication does: see `published_test`.

    Returns
    -------
    LabelMap
        On the image's own grid, with the values of the label set the model was adapted to.

    Raises
    ------
    CheckpointError
        If the model has no semantic head.
    """
    head = require_head(model)
    slices = [image] if isinstance(image, Image) else list(neighbours(image, head.context))
    labels = np.zeros((len(slices), *slices[0].shape), dtype=np.uint16)
    for start, batch in _batches(slices, batch_size):
        labels[start : start + len(batch)] = _segment_batch(model, batch, test_as)
        if progress is not None:
            progress(start + len(batch), len(slices))
    if isinstance(image, Image):
        return LabelMap(labels[0], image.grid, source=image.source)
    return LabelMap(labels, image.grid, image.orientation, image.source)


def require_head(model: SamPromptable) -> Any:
    """The model's semantic head, or a clear error."""
    if model.head is None:
        raise CheckpointError(
            "this model has no semantic head: it answers prompts, it does not label a whole image",
            where=model.name,
            remedy="Give a box or a point, or adapt it first: samadapt train --task semantic.",
        )
    return model.head


@torch.inference_mode()
def _segment_batch(model: SamPromptable, batch: list[Image], test_as: str) -> NDArray[np.uint16]:
    classes = samed_classes(model, batch) if test_as == "samed" else _classes(model, batch)
    values = np.array([0, *require_head(model).label_set.values], dtype=np.uint16)
    labels: NDArray[np.uint16] = values[classes]
    return labels


def _classes(model: SamPromptable, batch: list[Image]) -> NDArray[np.intp]:
    """Channel of the head with the highest logit at every original pixel, (B, H, W)."""
    pixel_values = model.preprocess(batch)
    logits = model.head.logits(model, model.encode(pixel_values), pixel_values)  # (B, N+1, R, R)
    classes: NDArray[np.intp] = to_original(logits.float(), model.frame(batch[0].shape)).argmax(dim=1).cpu().numpy()
    return classes


def _batches(slices: list[Image], size: int) -> Iterator[tuple[int, list[Image]]]:
    for start in range(0, len(slices), size):
        yield start, slices[start : start + size]
