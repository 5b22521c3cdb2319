"""Episodes: small segmentation problems of which a few pictures are given, as in learning from few volumes.

The same objects of one scene are shown several times, bent, moved and lit differently each time. Half of the pictures
tell what the classes are, the others ask.

References
----------
.. [1] Vinyals et al. 2016, Matching networks for one shot learning, NeurIPS, arXiv:1606.04080: episodes.
.. [2] Billot et al. 2023, Medical Image Analysis 86:102789: generated images alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from samadapt.core.rng import named_rng
from samadapt.train.augment import Draw, draw, gather
from samadapt.train.losses import IGNORE
from samadapt.train.order import Ticket
from samadapt.train.pictures import Picture, Pictures
from samadapt.train.samples import Batch, Prepare, Zoom

SMALLEST_SHARE, LARGEST_SHARE = 0.003, 0.7
"""Of the picture, that an object must cover to become a class."""
NEIGHBOUR_SHIFT, NEIGHBOUR_GROWTH = 0.01, 0.03
"""Standard deviations by which the slices before and after differ: of the shift, in image sides, and of log size."""


@dataclass(frozen=True)
class EpisodeSamples(Dataset[Batch]):
    """Episodes of V pictures of the same objects.

    A sample holds "pixel_values" (V, C, S, S) float32 and "labels" (V, R, R) int64: 0 background, 1 to `classes` the
    objects, of which some may be absent, `losses.IGNORE` outside the image.

    Attributes
    ----------
    pictures : Pictures
        Every one with at least one object.
    prepare : Prepare
        Its augmentation is what the V pictures differ by; elastic bending is drawn for each.
    zoom : Zoom
        How often and how close an episode shows one object.
    versions : int
        V.
    classes : int
        Largest number of objects; a smaller one lies before a larger one.
    """

    pictures: Pictures
    prepare: Prepare
    zoom: Zoom
    versions: int = 4
    classes: int = 3

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, ticket: Ticket) -> Batch:
        """Episode for one place of one batch."""
        rng = named_rng("episode", self.prepare.seed, ticket.batch, ticket.place)
        picture = self.zoom.apply(self.pictures[ticket.item], rng)
        labels = self._labels(picture, rng)
        drawn = [self._version(picture, labels, rng) for _ in range(self.versions)]
        pixel_values, wanted = zip(*drawn)
        return {"pixel_values": torch.stack(pixel_values), "labels": torch.stack(wanted)}

    def _labels(self, picture: Picture, rng: np.random.Generator) -> NDArray[np.int64]:
        """(H, W) of one to `classes` objects, the one that the picture was cut around among them."""
        order = [int(index) for index in rng.permutation(len(picture.masks))]
        order.sort(key=lambda index: index != picture.main)
        wanted, masks = int(rng.integers(1, self.classes + 1)), []
        for index in order:
            mask = picture.masks[index]()
            if SMALLEST_SHARE <= mask.mean() <= LARGEST_SHARE:
                masks.append(mask)
            if len(masks) == wanted:
                break
        labels = np.zeros(picture.display.shape[:2], np.int64)
        for value, mask in enumerate(sorted(masks, key=lambda mask: -int(mask.sum())), start=1):
            labels[mask] = value
        return labels

    def _version(self, picture: Picture, labels: NDArray[np.int64], rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Image (C, S, S) and labels (R, R) of one picture."""
        prepare = self.prepare
        bend = prepare.augment.elastic * float(rng.random())
        change = replace(draw(prepare.augment, rng, has_sides=True), elastic=bend)
        reach = gather(change, prepare.preprocessing.frame(labels.shape), prepare.resolution)
        pixels = prepare.pixels(picture.display, picture.grey, change)
        if picture.grey and rng.random() < 0.5:
            pixels = self._between_neighbours(pixels, picture, change, rng)
        return pixels, torch.from_numpy(reach(labels, outside=IGNORE).astype(np.int64))

    def _between_neighbours(self, pixels: Tensor, picture: Picture, change: Draw, rng: np.random.Generator) -> Tensor:
        """As if the picture were a slice of a volume: the first and third channel a little beside the second."""
        found = pixels.clone()
        for channel in (0, 2):
            x, y = (shift + float(rng.normal(0, NEIGHBOUR_SHIFT)) for shift in change.shift_xy)
            scale = change.scale * float(np.exp(rng.normal(0, NEIGHBOUR_GROWTH)))
            noise = replace(change, shift_xy=(x, y), scale=scale)
            found[channel] = self.prepare.pixels(picture.display, picture.grey, noise)[channel]
        return found
