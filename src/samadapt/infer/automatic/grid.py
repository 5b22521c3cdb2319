"""Where the points and the crops of automatic masks lie."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Crop:
    """Part of an image that is looked at on its own.

    Attributes
    ----------
    layer : int
        0: the whole image; layer i has 4^i crops.
    x0, y0, x1, y1 : int
        In original pixels; the end is exclusive.
    """

    layer: int
    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def hw(self) -> tuple[int, int]:
        """(height, width)."""
        return self.y1 - self.y0, self.x1 - self.x0

    @property
    def xywh(self) -> tuple[int, int, int, int]:
        """Corner and size."""
        return self.x0, self.y0, self.x1 - self.x0, self.y1 - self.y0


def point_grid(hw: tuple[int, int], per_side: int) -> NDArray[np.float32]:
    """Centres of `per_side` x `per_side` equal cells of an (H, W) image.

    Returns
    -------
    ndarray of shape (per_side ** 2, 2), float32
        XY in pixels of that image, row by row.
    """
    share = (np.arange(per_side) + 0.5) / per_side
    x, y = np.meshgrid(share * hw[1], share * hw[0])
    return np.stack([x, y], axis=-1).reshape(-1, 2).astype(np.float32)


def crops_of(hw: tuple[int, int], layers: int, overlap_ratio: float) -> list[Crop]:
    """The whole image, then the crops of every layer, column by column.

    Parameters
    ----------
    hw : tuple of int
        (H, W) of the image.
    layers : int
        0: only the whole image.
    overlap_ratio : float
        Overlap of neighbours in the first layer as a share of the shorter side; half of it in the next layer.

    Returns
    -------
    list of Crop

    References
    ----------
    .. [1] Kirillov et al. 2023, Segment Anything, arXiv:2304.02643, appendix B.
    """
    height, width = hw
    found = [Crop(0, 0, 0, width, height)]
    for layer in range(1, layers + 1):
        sides = 2**layer
        overlap = int(overlap_ratio * min(hw) * (2 / sides))
        w, h = (math.ceil((overlap * (sides - 1) + side) / sides) for side in (width, height))
        xs, ys = ([(length - overlap) * i for i in range(sides)] for length in (w, h))
        found += [Crop(layer, x, y, min(x + w, width), min(y + h, height)) for x, y in itertools.product(xs, ys)]
    return found


def near_crop_edge(xyxy: tuple[int, int, int, int], crop: Crop, hw: tuple[int, int]) -> bool:
    """True if a box comes close to an edge of its crop where the image goes on: the object may be cut off there.

    Parameters
    ----------
    xyxy : tuple of int
        In original pixels, maximum inclusive.
    crop : Crop
    hw : tuple of int
        (H, W) of the image.
    """
    edges = (crop.x0, crop.y0, crop.x1, crop.y1)
    limits = (0, 0, hw[1], hw[0])
    return any(abs(v - e) <= EDGE_PX < abs(v - limit) for v, e, limit in zip(xyxy, edges, limits))


EDGE_PX = 20
"""Distance to the edge of a crop at which a mask is taken for cut off."""
