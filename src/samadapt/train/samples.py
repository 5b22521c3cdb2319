"""Samples as tensors, ready for a step: a pure function of the ticket, whichever process makes them."""

from __future__ import annotations

import signal
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from samadapt.core.frames import Frame
from samadapt.core.rng import named_rng, named_seed
from samadapt.prompts import (
    box_of,
    centre_point,
    jitter_box,
    largest_component,
    noisy_box,
    random_points,
    window_around,
)
from samadapt.train.augment import Draw, change_intensity, draw, gather, warp_image
from samadapt.train.config import AugmentConfig
from samadapt.train.embeddings import Embeddings
from samadapt.train.losses import IGNORE
from samadapt.train.order import Ticket
from samadapt.train.pictures import Mask, Picture, Pictures, StorePictures, class_table

OUTSIDE = 2
"""Value of mask targets outside the image."""

ZOOM_SHIFT = 0.12
"""Largest shift of a window's centre from its object, as a share of the window."""

Batch = dict[str, Tensor]


class Preprocessor(Protocol):
    """What of `samadapt.models.Preprocessing` samples need."""

    @property
    def size(self) -> int: ...

    def apply(self, display: NDArray[np.float32]) -> Any: ...

    def frame(self, hw: tuple[int, int]) -> Frame: ...


@dataclass(frozen=True)
class Prepare:
    """From a display image to the model's square.

    Attributes
    ----------
    preprocessing : Preprocessor
        Of the model.
    augment : AugmentConfig
    has_sides : bool
        The labels tell left from right.
    seed : int
    resolution : int
        Side of the targets, in pixels that cover the model's square.
    embeddings : Embeddings or None
        Where the pictures' embeddings are kept.
    """

    preprocessing: Preprocessor
    augment: AugmentConfig
    has_sides: bool
    seed: int
    resolution: int
    embeddings: Embeddings | None = None

    def draw(self, ticket: Ticket) -> Draw:
        """Augmentation of one sample."""
        rng = named_rng("augment", self.seed, ticket.batch, ticket.place)
        return draw(self.augment, rng, has_sides=self.has_sides)

    def inputs(self, item: int, display: NDArray[np.float32], grey: bool, change: Draw) -> Batch:
        """What a step takes in of a picture: "pixel_values" (3, S, S) float32, or its kept embedding, or both."""
        kept = self.embeddings
        found = {} if kept is None else kept.read(item)
        if kept is None or kept.with_pixels:
            found["pixel_values"] = self.pixels(display, grey, change)
        return found

    def pixels(self, display: NDArray[np.float32], grey: bool, change: Draw) -> Tensor:
        """(C, S, S) float32."""
        if grey:
            flat = change_intensity(np.ascontiguousarray(display[..., 0]), change)
            display = np.ascontiguousarray(np.broadcast_to(flat[..., None], display.shape))
        else:
            display = change_intensity(display, change)
        return warp_image(torch.as_tensor(self.preprocessing.apply(display)), change).contiguous()


@dataclass(frozen=True)
class SemanticSamples(Dataset[Batch]):
    """Slices with class indices.

    A sample holds "pixel_values" (C, S, S) float32, or what `Prepare.inputs` has instead, and "labels" (R, R) int64
    with `losses.IGNORE` outside the image.
    """

    pictures: StorePictures
    prepare: Prepare
    table: NDArray[np.int64] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", class_table(self.pictures.store.label_set, IGNORE))

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, ticket: Ticket) -> Batch:
        """Sample for one place of one batch."""
        change = self.prepare.draw(ticket)
        values, display, grey = self.pictures.labels(ticket.item)
        reach = gather(change, self.prepare.preprocessing.frame(display.shape[:2]), self.prepare.resolution)
        labels = np.where(reach.inside, self.table[values[reach.rows, reach.columns]], IGNORE)
        return {
            **self.prepare.inputs(ticket.item, display, grey, change),
            "labels": torch.from_numpy(labels),
        }


@dataclass(frozen=True)
class Zoom:
    """A closer look at one object of a picture, by chance.

    Attributes
    ----------
    share : float
        Share of the samples.
    least, most : float
        Side of the window as a multiple of the object's box, drawn uniformly in the logarithm.
    """

    share: float = 0.0
    least: float = 1.3
    most: float = 3.0

    def apply(self, picture: Picture, rng: np.random.Generator) -> Picture:
        """The picture, or the part of it around one object."""
        if not picture.masks or not self.share or rng.random() >= self.share:
            return picture
        main = int(rng.integers(len(picture.masks)))
        mask = picture.masks[main]()
        if not mask.any():
            return picture
        factor = float(np.exp(rng.uniform(np.log(self.least), np.log(self.most))))
        x, y = (float(v) for v in rng.uniform(-ZOOM_SHIFT, ZOOM_SHIFT, 2))
        window = window_around(box_of(mask), (mask.shape[0], mask.shape[1]), factor, shift_xy=(x, y))
        return picture.cut(window, main)


@dataclass(frozen=True)
class ObjectSamples(Dataset[Batch]):
    """Images with K objects and their first prompts.

    A sample holds "pixel_values" (C, S, S) float32, or what `Prepare.inputs` has instead, "masks" (K, R, R) uint8 (1
    object, 0 not, `OUTSIDE` beyond the image), "boxes" (K, 4) and "points" (K, N, 2) float32 XY in model pixels,
    "begin_with_box" () bool, equal in a whole batch, "seed" () int64 for the clicks of later rounds, and "batch_seed"
    () int64, equal in a whole batch.

    Attributes
    ----------
    pictures : Pictures
        Every one with at least one object.
    prepare : Prepare
    objects : int
        K; drawn without repetition where there are enough.
    jitter_px : int
        Largest outward shift of a box side, in model pixels.
    box_share : float
        Share of batches that begin with a box.
    zoom : Zoom
        How often and how close a sample shows one object.
    style : {"sam", "sammed2d"}
        "sam": the box grows on every side, the click is central or anywhere. "sammed2d": the box of the largest part
        is shifted, the click is anywhere.
    most_points : int
        Largest N, the clicks a batch begins with; 1 in half of the batches, else drawn, equal in a whole batch.
    tight_share : float
        Share of boxes of style "sam" that do not grow.
    """

    pictures: Pictures
    prepare: Prepare
    objects: int
    jitter_px: int
    box_share: float = 1.0
    zoom: Zoom = Zoom()
    style: Literal["sam", "sammed2d"] = "sam"
    most_points: int = 1
    tight_share: float = 0.0

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, ticket: Ticket) -> Batch:
        """Sample for one place of one batch."""
        seed = self.prepare.seed
        rng = named_rng("objects", seed, ticket.batch, ticket.place)
        picture = self.zoom.apply(self.pictures[ticket.item], rng)
        change = self.prepare.draw(ticket)
        found = self._masks(picture, change, rng)
        if not found:
            change = Draw()
            found = self._masks(picture, change, rng)
        chosen = [found[i % len(found)] for i in range(self.objects)]
        first = named_rng("first prompt", seed, ticket.batch)
        begin_with_box = first.random() < self.box_share
        count = 1 if first.random() < 0.5 else int(first.integers(1, self.most_points + 1))
        return {
            **self.prepare.inputs(ticket.item, picture.display, picture.grey, change),
            "masks": torch.from_numpy(np.stack([target for _, target in chosen])),
            "boxes": torch.stack([self._box(mask, rng) for mask, _ in chosen]),
            "points": torch.stack([self._points(mask, count, rng) for mask, _ in chosen]),
            "begin_with_box": torch.tensor(begin_with_box),
            "seed": torch.tensor(named_seed("clicks", seed, ticket.batch, ticket.place) % 2**62),
            "batch_seed": torch.tensor(named_seed("rounds", seed, ticket.batch) % 2**62),
        }

    def _masks(
        self, picture: Picture, change: Draw, rng: np.random.Generator
    ) -> list[tuple[NDArray[np.bool_], NDArray[np.uint8]]]:
        """Up to K pairs of a mask at the model's size, never empty, and its target at the loss's size."""
        frame = self.prepare.preprocessing.frame(picture.display.shape[:2])
        full = gather(change, frame, frame.size)
        small = full if self.prepare.resolution == frame.size else gather(change, frame, self.prepare.resolution)
        found = []
        for index in _shuffled(picture, rng):
            read: Mask = picture.masks[index]
            original = read().astype(np.uint8)
            mask = full(original, outside=0) == 1
            if mask.any():
                found.append((mask, small(original, outside=OUTSIDE).astype(np.uint8, copy=False)))
            if len(found) == self.objects:
                break
        return found or ([] if change.is_spatial else [_whole(frame.size, self.prepare.resolution)])

    def _box(self, mask: NDArray[np.bool_], rng: np.random.Generator) -> Tensor:
        hw = (mask.shape[0], mask.shape[1])
        if self.style == "sammed2d":
            return torch.from_numpy(noisy_box(box_of(largest_component(mask)), hw, rng).xyxy)
        tight = self.tight_share > 0 and rng.random() < self.tight_share
        return torch.from_numpy(jitter_box(box_of(mask), hw, 0 if tight else self.jitter_px, rng).xyxy)

    def _points(self, mask: NDArray[np.bool_], count: int, rng: np.random.Generator) -> Tensor:
        """(count, 2) XY: any pixels of the object; the first equally often its centre."""
        central = self.style == "sam" and rng.random() < 0.5
        xy: ArrayLike = centre_point(mask) if central else random_points(mask, 1, rng)[0]
        first = torch.as_tensor(np.asarray(xy, dtype=np.float32))[None]
        return first if count == 1 else torch.cat([first, torch.from_numpy(random_points(mask, count - 1, rng))])


def _shuffled(picture: Picture, rng: np.random.Generator) -> list[int]:
    """Objects in random order, the one that the picture was cut around first."""
    order = [int(index) for index in rng.permutation(len(picture.masks))]
    if picture.main is not None:
        order.remove(picture.main)
        order.insert(0, picture.main)
    return order


def _whole(size: int, resolution: int) -> tuple[NDArray[np.bool_], NDArray[np.uint8]]:
    """The whole image as an object, where an object is too small for the model's grid."""
    return np.ones((size, size), bool), np.ones((resolution, resolution), np.uint8)


def batches(
    dataset: Dataset[Batch], tickets: Iterable[list[Ticket]], num_workers: int, *, pin: bool = False
) -> Iterator[Batch]:
    """Batches in the order of `tickets`, made ahead of time by `num_workers` processes."""
    return iter(
        DataLoader(
            dataset,
            batch_sampler=tickets,
            num_workers=num_workers,
            prefetch_factor=4 if num_workers else None,
            worker_init_fn=_start_worker,
            pin_memory=pin,
        )
    )


def _start_worker(_: int) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):  # for the training process, which ends its workers when it has saved
        signal.signal(number, signal.SIG_IGN)
    torch.set_num_threads(1)
