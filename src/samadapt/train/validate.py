"""How good the model is now: Dice on the validation split, in original pixels for classes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from samadapt.core.frames import Frame
from samadapt.train.augment import Draw
from samadapt.train.losses import IGNORE
from samadapt.train.order import Ticket
from samadapt.train.pictures import StorePictures
from samadapt.train.rounds import first_prompt, resize_logits
from samadapt.train.samples import OUTSIDE, Batch, ObjectSamples, SemanticSamples
from samadapt.train.steps import BoxStep, InteractiveStep, SemanticStep


@dataclass(frozen=True)
class Score:
    """Result of a validation.

    Attributes
    ----------
    dice : dict of str to float
        By class or by kind of prompt.
    mean : float
        The value that decides the best checkpoint; 0 where nothing could be measured.
    """

    dice: dict[str, float]
    mean: float


class Validator(Protocol):
    """Something that scores the model as it is."""

    @property
    def samples(self) -> SemanticSamples | ObjectSamples: ...

    def __call__(self) -> Score: ...


@dataclass(frozen=True)
class SemanticValidator:
    """Dice of every class in every validation volume, from summed voxels, then the mean over volumes and classes.

    Of each case the same evenly spaced slices are used every time. A class that neither the reference nor the
    prediction has in a case does not count there.

    Attributes
    ----------
    step : SemanticStep
    samples : SemanticSamples
        Of the chosen slices, without augmentation.
    device : torch.device
    """

    step: SemanticStep
    samples: SemanticSamples
    device: torch.device

    def __call__(self) -> Score:
        """Score of the model as it is."""
        store = self.samples.pictures.store
        classes = len(store.label_set) + 1
        counts: dict[int, NDArray[np.int64]] = {}
        for item, row in enumerate(self.samples.pictures.rows):
            case = int(store.slices["case"][row])
            counts.setdefault(case, np.zeros((classes, classes), np.int64))
            counts[case] += self._confusion(item, classes)
        dice = np.array([dice_of(table) for table in counts.values()])
        return self._score(dice)

    def _confusion(self, item: int, classes: int) -> NDArray[np.int64]:
        values, display, grey = self.samples.pictures.labels(item)
        truth = self.samples.table[values]
        prepare = self.samples.prepare
        sample = prepare.inputs(item, display, grey, Draw())
        with torch.inference_mode():
            logits = self.step.logits(placed(sample, self.device))
        found = classes_of(logits, prepare.preprocessing.frame(truth.shape)).cpu().numpy()
        known = truth != IGNORE
        return np.bincount(truth[known] * classes + found[known], minlength=classes**2).reshape(classes, classes)

    def _score(self, dice: NDArray[np.float64]) -> Score:
        store = self.samples.pictures.store
        columns = {label.name: dice[:, i + 1] for i, label in enumerate(store.label_set.labels)}
        means = {name: float(np.nanmean(v)) for name, v in columns.items() if np.isfinite(v).any()}
        return Score(means, float(np.mean(list(means.values()))) if means else 0.0)


def dice_of(confusion: NDArray[np.int64]) -> NDArray[np.float64]:
    """Dice of every class from a confusion table (reference, prediction); NaN where both are empty."""
    size = confusion.sum(0) + confusion.sum(1)
    return np.where(size > 0, 2 * np.diag(confusion) / np.maximum(size, 1), np.nan)


def classes_of(logits: Tensor, frame: Frame) -> Tensor:
    """Most probable class of every original pixel.

    Parameters
    ----------
    logits : Tensor of shape (1, N + 1, h, w)
        In the model's mask frame.
    frame : Frame
        Of the original image.

    Returns
    -------
    Tensor of shape (H, W), int64
    """
    square = F.interpolate(logits, size=(frame.size, frame.size), mode="bilinear", align_corners=False)
    (top, left), (h, w) = frame.offset_yx, frame.content_hw
    content = square[..., top : top + h, left : left + w]
    if (h, w) != frame.original_hw:
        content = F.interpolate(content, size=frame.original_hw, mode="bilinear", align_corners=False)
    return content.argmax(1)[0]


def chosen_rows(pictures: StorePictures, split: str, max_cases: int | None, max_slices: int | None) -> StorePictures:
    """Evenly spaced slices of evenly spaced cases of a split.

    Parameters
    ----------
    pictures : StorePictures
        Its store, context and channels are kept.
    split : str
    max_cases, max_slices : int or None
        Limits over the whole split.

    Returns
    -------
    StorePictures
    """
    store = pictures.store
    cases = spaced(store.split(split), max_cases)
    each = None if max_slices is None or not cases else max(1, max_slices // len(cases))
    rows = [spaced(range(store.rows(case).start, store.rows(case).stop), each) for case in cases]
    flat = np.array([row for part in rows for row in part], dtype=np.int64)
    return replace(pictures, rows=flat)


def filled_rows(pictures: StorePictures, split: str, max_cases: int | None, max_slices: int | None) -> StorePictures:
    """Evenly spaced slices with objects, of evenly spaced cases of a split."""
    store = pictures.store
    filled = set(np.unique(store.objects["slice"]).tolist())
    cases = spaced(store.split(split), max_cases)
    rows = [row for case in cases for row in range(store.rows(case).start, store.rows(case).stop) if row in filled]
    return replace(pictures, rows=np.array(spaced(rows, max_slices), dtype=np.int64))


def spaced(items: Sequence[int], limit: int | None) -> list[int]:
    """At most `limit` of `items`, evenly spaced, each from the middle of its part."""
    if limit is None or len(items) <= limit:
        return list(items)
    return [items[int((i + 0.5) * len(items) / limit)] for i in range(limit)]


@dataclass(frozen=True)
class ObjectValidator:
    """Mean Dice of objects for each kind of prompt.

    "box": tight box. "point": one click inside. "clicks": the click followed by the task's correction clicks. The
    mask is the one the model would hand out: the single mask for the box task, else the candidate with the highest
    predicted IoU. The decisive mean is that of "box", or of "box" and "point" for the interactive task.

    Attributes
    ----------
    step : BoxStep or InteractiveStep
    samples : ObjectSamples
        Without augmentation or jitter, targets at the image size.
    device : torch.device
    keep : bool
        Hold the samples in memory, where making them is expensive.
    """

    step: BoxStep | InteractiveStep
    samples: ObjectSamples
    device: torch.device
    keep: bool = False
    _kept: list[Batch] = field(default_factory=list, repr=False)

    def __call__(self) -> Score:
        """Score of the model as it is."""
        found: dict[str, list[float]] = {}
        for batch in self._batches():
            with torch.inference_mode():
                embedding = self.step.embedding(batch)
                for name, dice in self._dice(embedding, batch):
                    found.setdefault(name, []).extend(dice.flatten().tolist())
        means = {name: float(np.mean(values)) for name, values in found.items()}
        decisive = [means[name] for name in ("box", "point") if name in means]
        return Score(means, float(np.mean(decisive)) if decisive else 0.0)

    def _batches(self) -> Iterator[Batch]:
        if self._kept:
            yield from (placed(sample, self.device) for sample in self._kept)
            return
        for item in range(len(self.samples)):
            sample = self.samples[Ticket(0, item, item)]
            if self.keep:
                self._kept.append(sample)
            yield placed(sample, self.device)

    def _dice(self, embedding: Tensor, batch: Batch) -> Iterator[tuple[str, Tensor]]:
        if isinstance(self.step, BoxStep):
            output = self.step.model.decode(embedding, boxes=batch["boxes"], multimask=False)
            yield "box", object_dice(output.low_res_logits[:, :, 0], batch["masks"])
            return
        for name, first in (("box", True), ("point", False)):
            boxes, points, labels = first_prompt(batch | {"begin_with_box": torch.tensor([first])})
            rounds = self.step.answers(embedding, boxes, points, labels, batch["masks"], batch["seed"])
            answers = list(rounds)
            yield name, object_dice(answers[0], batch["masks"])
            if not first and len(answers) > 1:
                yield "clicks", object_dice(answers[-1], batch["masks"])


def placed(sample: Batch, device: torch.device) -> Batch:
    """A sample as a batch of one, on a device."""
    return {name: tensor[None].to(device) for name, tensor in sample.items()}


def object_dice(logits: Tensor, masks: Tensor) -> Tensor:
    """Dice (B, P) of thresholded logits (B, P, h, w) and targets (B, P, R, R); 1 where both are empty."""
    valid = masks != OUTSIDE
    found = (resize_logits(logits[:, :, None], masks.shape[-1])[:, :, 0] > 0) & valid
    wanted = masks == 1
    size = found.sum((-2, -1)) + wanted.sum((-2, -1))
    return torch.where(size > 0, 2 * (found & wanted).sum((-2, -1)) / size.clamp(min=1), 1.0)
