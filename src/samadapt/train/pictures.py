"""Where training images come from: a prepared store, or scenes drawn on the fly. Numpy only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from samadapt.core.image import LabelSet
from samadapt.core.rng import named_rng
from samadapt.data.channels import AS_THEY_ARE, Channels
from samadapt.data.context import neighbour_indices, stack
from samadapt.data.split import nested_part
from samadapt.data.store import Store
from samadapt.prompts import Window

KEPT_SCENES = 32
"""Scenes a process remembers, for batches in a row that show the same ones."""

Mask = Callable[[], NDArray[np.bool_]]


@dataclass(frozen=True, eq=False)
class Picture:
    """One image and the objects in it.

    Attributes
    ----------
    display : ndarray of shape (H, W, C), float32
        In 0..255.
    grey : bool
        All channels are equal.
    masks : sequence of callable () -> ndarray of shape (H, W), bool
        Objects, read when asked for.
    main : int or None
        The object that the picture was cut around.
    """

    display: NDArray[np.float32]
    grey: bool
    masks: Sequence[Mask] = ()
    main: int | None = None

    def cut(self, window: Window, main: int) -> Picture:
        """The part of it inside a window around one of its objects."""
        masks = [partial(_cut, read, window) for read in self.masks]
        return Picture(np.ascontiguousarray(self.display[window.slices]), self.grey, masks, main)


def _cut(read: Mask, window: Window) -> NDArray[np.bool_]:
    return read()[window.slices]


class Pictures(Protocol):
    """Images with objects, by number."""

    def __len__(self) -> int: ...

    def __getitem__(self, item: int) -> Picture: ...


@dataclass(frozen=True)
class StorePictures:
    """Slices of a store.

    Attributes
    ----------
    store : Store
    rows : ndarray of int64
        Rows of `store.slices`.
    context : int
        1, or 3 for neighbouring slices as channels.
    channels : Channels
        What is shown of every slice.
    """

    store: Store
    rows: NDArray[np.int64]
    context: int = 1
    channels: Channels = AS_THEY_ARE

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, item: int) -> Picture:
        """Picture of slice `rows[item]`, one mask for each of its objects."""
        case, z = (int(v) for v in self.store.slices[self.rows[item]])
        objects = self.store.objects_of(case, z)
        masks = [partial(self.store.mask, row) for row in range(objects.start, objects.stop)]
        display, grey = self.display(case, z)
        return Picture(display, grey, masks)

    def display(self, case: int, z: int) -> tuple[NDArray[np.float32], bool]:
        """Display image of a slice, and whether it is grey."""
        record = self.store.cases[case]
        wide = self.context > 1 and record.channels == 1 and record.is_volume and not self.channels
        indices = neighbour_indices(z, record.shape[0], self.context if wide else 1)
        image = stack([self.store.image(case, index) for index in indices])
        return self.channels.show(image), image.pixels.ndim == 2

    def labels(self, item: int) -> tuple[NDArray[Any], NDArray[np.float32], bool]:
        """Label values (H, W), display image and whether it is grey, of slice `rows[item]`."""
        case, z = (int(v) for v in self.store.slices[self.rows[item]])
        return self.store.labels(case, z), *self.display(case, z)


@dataclass(frozen=True)
class ScenePictures:
    """Generated scenes; the item is part of the seed, so every item is another scene.

    Attributes
    ----------
    count : int
    seed : int
    size : int
        Side in pixels.
    purpose : str
        Part of the seed: training and validation never share a scene.
    outlined : float
        Share of the objects that are outlined as by hand instead of exactly.
    """

    count: int
    seed: int
    size: int
    purpose: str = "train"
    outlined: float = 0.0

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, item: int) -> Picture:
        """Scene number `item`."""
        return _scene_picture(self.purpose, self.seed, item, self.size, self.outlined)


@lru_cache(maxsize=KEPT_SCENES)
def _scene_picture(purpose: str, seed: int, item: int, size: int, outlined: float) -> Picture:
    from samadapt.data.synthetic import scene

    drawn = scene(purpose, seed, item, size=size)
    grey = bool((drawn.image[..., :1] == drawn.image).all())
    names = [("outline", purpose, seed, item, index) for index in range(len(drawn.masks))]
    masks = [partial(_outline, mask, name, outlined) for mask, name in zip(drawn.masks, names)]
    return Picture(drawn.image.astype(np.float32), grey, masks)


def _outline(mask: NDArray[np.bool_], name: tuple[object, ...], share: float) -> NDArray[np.bool_]:
    """The mask, or for a `share` of the names what an annotator makes of it."""
    if share <= 0:
        return mask
    from samadapt.data.synthetic.annotator import outlined

    rng = named_rng(*name)
    return outlined(mask, rng) if rng.random() < share else mask


def split_rows(store: Store, split: str, fraction: float = 1.0, seed: int = 0) -> NDArray[np.int64]:
    """Rows of `store.slices` that belong to the cases of a split, or to some of its patients.

    Parameters
    ----------
    fraction, seed : see `samadapt.data.split.nested_part`
    """
    cases = store.split(split)
    kept = nested_part((store.cases[case].patient for case in cases), fraction, seed)
    chosen = [case for case in cases if store.cases[case].patient in kept]
    parts = [np.arange(store.rows(case).start, store.rows(case).stop) for case in chosen]
    return np.concatenate(parts).astype(np.int64) if parts else np.zeros(0, np.int64)


def labels_by_slice(store: Store, rows: NDArray[np.int64]) -> list[frozenset[int]]:
    """Labels present in each of `rows`."""
    present: dict[int, set[int]] = {}
    for row, label in zip(store.objects["slice"].tolist(), store.objects["label"].tolist()):
        present.setdefault(row, set()).add(label)
    return [frozenset(present.get(int(row), ())) for row in rows]


def class_table(label_set: LabelSet, ignore: int) -> NDArray[np.int64]:
    """Class index of every 16-bit label value: 0 background, k for the k-th label, `ignore` for all others."""
    table = np.full(1 << 16, ignore, dtype=np.int64)
    table[0] = 0
    for index, value in enumerate(label_set.values):
        table[value] = index + 1
    return table
