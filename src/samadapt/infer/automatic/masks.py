"""A mask found without being asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.io.rle import Rle


@dataclass(frozen=True, eq=False)
class AutomaticMask:
    """One mask of an image, as run lengths.

    Attributes
    ----------
    rle : Rle
        In original pixels.
    xyxy : tuple of int
        Box in original pixels, maximum inclusive.
    predicted_iou : float
        What the model thinks of it.
    stability : float
        Share of the mask that stays if its threshold rises from -1 to +1.
    point_xy : tuple of float
        The point it was drawn from, in original pixels.
    crop_xywh : tuple of int
        Part of the image it was found in.
    """

    rle: Rle
    xyxy: tuple[int, int, int, int]
    predicted_iou: float
    stability: float
    point_xy: tuple[float, float]
    crop_xywh: tuple[int, int, int, int]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(H, W) bool in original pixels, made anew at every call."""
        return self.rle.mask()

    @property
    def area(self) -> int:
        """Pixels."""
        return self.rle.area

    def as_record(self, *, compressed: bool = True) -> dict[str, Any]:
        """The record of SAM's own generator, ready for JSON.

        Parameters
        ----------
        compressed : bool
            Run lengths as COCO's text instead of numbers.

        Returns
        -------
        dict
            "bbox" is XYWH with SAM's width: last minus first column, one less than the columns there are.
        """
        x0, y0, x1, y1 = self.xyxy
        return {
            "segmentation": self.rle.as_dict(compressed=compressed),
            "area": self.area,
            "bbox": [x0, y0, x1 - x0, y1 - y0],
            "predicted_iou": self.predicted_iou,
            "point_coords": [list(self.point_xy)],
            "stability_score": self.stability,
            "crop_box": list(self.crop_xywh),
        }


def box_of_mask(mask: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Tight box XYXY with inclusive maximum; zeros for an empty mask."""
    columns, rows = np.flatnonzero(mask.any(axis=0)), np.flatnonzero(mask.any(axis=1))
    if not len(columns):
        return 0, 0, 0, 0
    return int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1])
