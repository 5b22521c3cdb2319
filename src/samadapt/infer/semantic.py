"""Prompt-free segmentation of images and volumes with a semantic head."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from samadapt.core.errors import CheckpointError, ConfigError
from samadapt.core.image import Image, LabelMap, Volume
from samadapt.data.context import neighbours
from samadapt.data.slicing import plane_of, turned
from samadapt.infer.published_test import samed_classes
from samadapt.infer.upscale import to_original

if TYPE_CHECKING:
    from samadapt.core.progress import Step
    from samadapt.models.promptable import SamPromptable


def segment(
    model: SamPromptable,
    image: Image | Volume,
    *,
    batch_size: int = 8,
    progress: Step | None = None,
    test_as: Literal["", "samed"] = "",
) -> LabelMap:
    """Label every pixel of an image, or every voxel of a volume slice by slice, cut as in training.

    A model that has learnt from cuts along all three axes (`SemanticHead.planes`) is asked along all three where the
    volume's spacing is even, and its probabilities are averaged; they need 2 (N + 1) bytes a voxel.

    Parameters
    ----------
    model : SamPromptable
        With a semantic head.
    image : Image or Volume
        In original intensities; its `window` decides what the model sees.
    batch_size : int
        Slices encoded at once.
    progress : callable, optional
        Called with ``count``, slices just done with; `slice_count` are to come.
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
    ConfigError
        If a published test is asked of a model that looks along several planes.
    """
    if isinstance(image, Image):
        return LabelMap(_labels(model, [image], test_as)[0], image.grid, source=image.source)
    head, own = require_head(model), plane_of(image.grid)
    planes = head.planes_for(image.grid)
    if len(planes) > 1 and test_as:
        raise ConfigError("a published test looks along one plane", where="test_as", remedy="Train with task.planes=1.")
    cuts = [turned(image, own, plane) for plane in planes]
    batches = _batches(cuts, head.context, batch_size, progress)
    if len(cuts) > 1:
        return _averaged(model, image, planes, batches)
    labels = np.concatenate([_labels(model, batch, test_as) for _, _, batch in batches])
    return turned(LabelMap(labels, cuts[0].grid, cuts[0].orientation, image.source), planes[0], own)


def slice_count(model: SamPromptable, volume: Volume) -> int:
    """Slices that `segment` looks at, of all planes."""
    own = plane_of(volume.grid)
    return sum(len(turned(volume, own, plane)) for plane in require_head(model).planes_for(volume.grid))


@torch.inference_mode()
def _averaged(
    model: SamPromptable, volume: Volume, planes: tuple[str, ...], batches: Iterator[tuple[int, slice, list[Image]]]
) -> LabelMap:
    """Labels of the highest mean probability along several planes; holds the probabilities in half precision."""
    values, own = _values(model), plane_of(volume.grid)
    total = np.zeros((*volume.shape, len(values)), dtype=np.float16)
    whole = replace(volume, voxels=total, channels=(), windows=())
    views = [turned(whole, own, plane).voxels for plane in planes]  # of one array: what is added to one is in all
    for number, where, batch in batches:
        views[number][where] += _scores(model, batch).softmax(dim=1).movedim(1, -1).cpu().numpy().astype(np.float16)
    labels = np.stack([values[each.argmax(axis=-1)] for each in total])
    return LabelMap(labels, volume.grid, volume.orientation, volume.source)


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
def _labels(model: SamPromptable, batch: list[Image], test_as: str) -> NDArray[np.uint16]:
    """Label values (B, H, W)."""
    classes = samed_classes(model, batch) if test_as == "samed" else _classes(model, batch)
    labels: NDArray[np.uint16] = _values(model)[classes]
    return labels


def _values(model: SamPromptable) -> NDArray[np.uint16]:
    """Label value of each channel of the head."""
    return np.array(require_head(model).values, dtype=np.uint16)


def _classes(model: SamPromptable, batch: list[Image]) -> NDArray[np.intp]:
    """Channel of the head with the highest logit at every original pixel, (B, H, W)."""
    classes: NDArray[np.intp] = _scores(model, batch).argmax(dim=1).cpu().numpy()
    return classes


def _scores(model: SamPromptable, batch: list[Image]) -> Tensor:
    """Logits of every class at every original pixel, (B, N+1, H, W)."""
    pixel_values = model.preprocess(batch)
    logits = require_head(model).logits(model, model.encode(pixel_values), pixel_values)  # (B, N+1, R, R)
    return to_original(logits.float(), model.frame(batch[0].shape))


def _batches(
    cuts: list[Volume], context: int, size: int, progress: Step | None
) -> Iterator[tuple[int, slice, list[Image]]]:
    """Of one cut after another: its number, which of its slices, and those; tells when they are done with."""
    for number, cut in enumerate(cuts):
        slices, start = neighbours(cut, context), 0
        while batch := list(islice(slices, size)):
            yield number, slice(start, start + len(batch)), batch
            start += len(batch)
            if progress is not None:
                progress(count=len(batch))
