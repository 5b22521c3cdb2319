"""Tiles: sizes, overlap, and exact re-assembly."""

from __future__ import annotations

import numpy as np
import pytest

from samadapt.core.errors import ConfigError, ShapeMismatch
from samadapt.data.tiling import Tiling


@pytest.mark.parametrize("seed", range(50))
def test_joining_what_was_cut_gives_the_raster(seed):
    rng = np.random.default_rng(seed)
    height, width, tile_px = (int(n) for n in rng.integers(1, (90, 90, 40)))
    overlap_px = int(rng.integers(0, (tile_px + 1) // 2))
    raster = rng.integers(0, 1000, (height, width))
    tiling = Tiling(height, width, tile_px, overlap_px)
    tiles = list(tiling)
    parts = [raster[t.y0 : t.y1, t.x0 : t.x1] for t in tiles]
    assert {part.shape for part in parts} == {(min(tile_px, height), min(tile_px, width))}
    assert np.array_equal(tiling.join(parts), raster)


def test_neighbours_overlap_and_meet_in_the_middle():
    tiling = Tiling(10, 26, 10, 2)
    assert [tile.region for tile in tiling] == [(0, 0, 10, 10), (0, 8, 10, 18), (0, 16, 10, 26)]
    owner = tiling.join([np.full((10, 10), number) for number in range(3)])
    assert np.flatnonzero(np.diff(owner[0])).tolist() == [8, 16]


def test_channels_and_gid_scene_size():
    tiling = Tiling(6800, 7200, 512, 64)
    tiles = list(tiling)
    assert len(tiles) == 16 * 16
    assert tiles[-1].region == (6288, 6688, 6800, 7200)
    small = Tiling(5, 6, 4)
    colour = np.arange(90).reshape(5, 6, 3)
    assert np.array_equal(small.join([colour[t.y0 : t.y1, t.x0 : t.x1] for t in small]), colour)


def test_what_is_refused():
    with pytest.raises(ConfigError, match="cannot overlap by 32"):
        Tiling(100, 100, 64, 32)
    tiling = Tiling(8, 8, 4)
    with pytest.raises(ShapeMismatch, match="4 tiles need as many parts, not 1"):
        tiling.join([np.zeros((4, 4))])
    with pytest.raises(ShapeMismatch, match="y00000_x00004"):
        tiling.join([np.zeros((4, 4)), np.zeros((4, 3)), np.zeros((4, 4)), np.zeros((4, 4))])
