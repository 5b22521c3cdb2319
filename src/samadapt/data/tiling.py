"""A large raster as overlapping tiles of one size, and the tiles as the raster again, pixel for pixel."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import ConfigError, ShapeMismatch


@dataclass(frozen=True)
class Tile:
    """One tile.

    Attributes
    ----------
    y0, x0, y1, x1 : int
        Pixels of the raster that it covers, ends not included.
    """

    y0: int
    x0: int
    y1: int
    x1: int

    @property
    def region(self) -> tuple[int, int, int, int]:
        """(y0, x0, y1, x1)."""
        return self.y0, self.x0, self.y1, self.x1

    @property
    def name(self) -> str:
        """What a case name ends in, e.g. "y00512_x01024"; sorts as the tiles lie."""
        return f"y{self.y0:05d}_x{self.x0:05d}"


@dataclass(frozen=True)
class Tiling:
    """How a raster is cut.

    All tiles are of the same size, that of the raster where it is smaller; the last ones of a row and of a column are
    moved inwards to end at the border.

    Parameters
    ----------
    height, width : int
        Of the raster, in pixels.
    tile_px : int
        Side of a tile.
    overlap_px : int
        Pixels that neighbouring tiles share at least; less than half a tile.

    Raises
    ------
    ConfigError
        If the overlap is not below half the tile.
    """

    height: int
    width: int
    tile_px: int
    overlap_px: int = 0

    def __post_init__(self) -> None:
        if self.tile_px < 1 or not 0 <= self.overlap_px < (self.tile_px + 1) // 2:
            raise ConfigError(
                f"tiles of {self.tile_px} pixels cannot overlap by {self.overlap_px}",
                where="overlap_px",
                remedy="Choose an overlap below half the tile.",
            )

    def __iter__(self) -> Iterator[Tile]:
        """Tiles row by row."""
        for y0, y1 in self._spans(self.height):
            for x0, x1 in self._spans(self.width):
                yield Tile(y0, x0, y1, x1)

    def join(self, parts: Sequence[NDArray[Any]]) -> NDArray[Any]:
        """The raster from what was computed on each tile.

        Every pixel is taken from the tile whose border is farthest, so nothing is averaged and joining what was cut
        gives the raster itself.

        Parameters
        ----------
        parts : sequence of ndarray of shape (h, w[, C])
            One a tile, in the order of iteration.

        Returns
        -------
        ndarray of shape (height, width[, C])

        Raises
        ------
        ShapeMismatch
            If there are not as many parts as tiles, or one has not its tile's size.
        """
        tiles = list(self)
        if len(parts) != len(tiles):
            raise ShapeMismatch(f"{len(tiles)} tiles need as many parts, not {len(parts)}")
        joined = np.zeros((self.height, self.width, *parts[0].shape[2:]), dtype=parts[0].dtype)
        rows, columns = _owned(self._spans(self.height)), _owned(self._spans(self.width))
        for tile, part in zip(tiles, parts):
            if part.shape[:2] != (tile.y1 - tile.y0, tile.x1 - tile.x0):
                raise ShapeMismatch(f"a part of {part.shape[:2]} does not fit its tile", where=tile.name)
            (top, bottom), (left, right) = rows[tile.y0], columns[tile.x0]
            inner = part[top - tile.y0 : bottom - tile.y0, left - tile.x0 : right - tile.x0]
            joined[top:bottom, left:right] = inner
        return joined

    def _spans(self, length: int) -> list[tuple[int, int]]:
        side = min(self.tile_px, length)
        step = self.tile_px - self.overlap_px
        count = 1 if length <= side else -(-(length - side) // step) + 1
        starts = [min(number * step, length - side) for number in range(count)]
        return [(start, start + side) for start in starts]


def _owned(spans: list[tuple[int, int]]) -> dict[int, tuple[int, int]]:
    """{start of a span: (first, end) of the pixels it gives}: neighbours meet in the middle of their overlap."""
    borders = [0, *((end + start) // 2 for (_, end), (start, _) in itertools.pairwise(spans)), spans[-1][1]]
    return {start: (first, end) for (start, _), first, end in zip(spans, borders, borders[1:])}
