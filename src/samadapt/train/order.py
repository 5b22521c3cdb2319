"""Which sample comes when: a pure function of the seed and the step."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import ConfigError
from samadapt.core.rng import named_rng


@dataclass(frozen=True)
class Ticket:
    """One place in one batch.

    Attributes
    ----------
    batch : int
        Number of the batch since the start of the run, over all processes together.
    place : int
        Place in that batch.
    item : int
        Sample of the dataset.
    """

    batch: int
    place: int
    item: int


@dataclass(frozen=True, eq=False)
class Order:
    """Batches of a run.

    Without weights, every epoch is a new permutation and batches run on across epochs. With weights, every place
    draws on its own, with replacement.

    Attributes
    ----------
    count : int
        Samples in the dataset.
    batch_size : int
        Of all processes together.
    seed : int
    weights : ndarray of shape (count,), float64, or None
    repeat : int
        Batches in a row with the same items, where an item gives another sample every time and is dear to make.
    """

    count: int
    batch_size: int
    seed: int
    weights: NDArray[np.float64] | None = None
    repeat: int = 1
    _cumulative: NDArray[np.float64] | None = field(init=False, default=None, repr=False)

    def __post_init__(self) -> None:
        if self.weights is not None:
            total = np.cumsum(self.weights, dtype=np.float64)
            object.__setattr__(self, "_cumulative", total / total[-1])

    @property
    def batches_per_epoch(self) -> int:
        """Batches that show every sample at least once."""
        return math.ceil(self.count / self.batch_size)

    def batch(self, number: int) -> list[Ticket]:
        """Tickets of batch `number`."""
        return [Ticket(number, place, self._item(number, place)) for place in range(self.batch_size)]

    def share(self, number: int, rank: int, world: int) -> list[Ticket]:
        """Tickets of batch `number` that process `rank` of `world` works on.

        Raises
        ------
        ConfigError
            If the batch cannot be divided evenly.
        """
        if self.batch_size % world:
            raise ConfigError(
                f"a batch of {self.batch_size} cannot be divided among {world} processes",
                where="batch_size",
                remedy=f"Choose a multiple of {world}.",
            )
        each = self.batch_size // world
        return self.batch(number)[rank * each : (rank + 1) * each]

    def _item(self, number: int, place: int) -> int:
        number //= self.repeat
        if self._cumulative is not None:
            value = named_rng("draw", self.seed, number, place).random()
            return min(int(np.searchsorted(self._cumulative, value, side="right")), self.count - 1)
        epoch, index = divmod(number * self.batch_size + place, self.count)
        return int(_permutation(self.seed, epoch, self.count)[index])


@lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, count: int) -> NDArray[np.int64]:
    return named_rng("epoch", seed, epoch).permutation(count)


class Batches:
    """Batch sampler for one process: the tickets of batches `start`, `start + 1`, ... up to `stop` (None: for ever)."""

    def __init__(self, order: Order, start: int, stop: int | None, rank: int, world: int) -> None:
        self.order, self.start, self.stop, self.rank, self.world = order, start, stop, rank, world

    def __iter__(self) -> Iterator[list[Ticket]]:
        number = self.start
        while self.stop is None or number < self.stop:
            yield self.order.share(number, self.rank, self.world)
            number += 1


def slice_weights(
    labels_of_slice: Sequence[frozenset[int]], foreground_share: float | None, rare: float
) -> NDArray[np.float64] | None:
    """Weights that balance slices.

    Parameters
    ----------
    labels_of_slice : sequence of frozenset of int
        Labels present in every slice.
    foreground_share : float or None
        Share of draws that hold any label.
    rare : float
        In 0..1. A slice counts for each of its labels with (1 / slices of that label) ** rare, the highest wins.

    Returns
    -------
    ndarray of shape (len(labels_of_slice),), float64, or None
        None if nothing is to be balanced.
    """
    if foreground_share is None and rare == 0:
        return None
    sizes: dict[int, int] = {}
    for labels in labels_of_slice:
        for label in labels:
            sizes[label] = sizes.get(label, 0) + 1
    weights = np.array([max(((1 / sizes[v]) ** rare for v in labels), default=0.0) for labels in labels_of_slice])
    filled = weights > 0
    share = filled.mean() if foreground_share is None else foreground_share
    if not filled.any() or filled.all():
        return weights if filled.all() else np.ones(len(weights))
    weights[filled] *= share / weights[filled].sum()
    weights[~filled] = (1 - share) / (~filled).sum()
    return weights
