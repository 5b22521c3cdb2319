"""A CT with 13 organs, made without any data: bodies of ellipsoids with the noise of a scanner."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from samadapt.core.grid import Grid
from samadapt.core.image import LabelMap, LabelSet, Volume
from samadapt.core.rng import named_rng
from samadapt.data.recipes.base import CaseSource, Found, LoadedCase, RecipeInfo

ORGANS = 13


def ct(shape: tuple[int, int, int] = (100, 512, 512), seed: int = 0) -> LoadedCase:
    """Volume (int16, HU) and label map (uint8) of one phantom, made slice by slice."""
    rng = named_rng("bench phantom", seed)
    voxels, values = np.empty(shape, np.int16), np.zeros(shape, np.uint8)
    centres = rng.uniform(0.3, 0.7, (ORGANS, 3)) * shape
    radii = rng.uniform(0.06, 0.16, (ORGANS, 3)) * shape
    radii[:, 0] = rng.uniform(0.15, 0.45, ORGANS) * shape[0]
    noise = [_noise(shape[1:], seed, k) for k in range(8)]
    for z in range(shape[0]):
        voxels[z], values[z] = _slice(z, shape[1:], centres, radii, noise[z % 8])
    grid = Grid.from_spacing(shape, (2.5, 0.8, 0.8))
    return LoadedCase(Volume(voxels, grid, modality="CT", source=f"phantom{seed}"), LabelMap(values, grid))


def _noise(hw: tuple[int, ...], seed: int, index: int) -> NDArray[np.int16]:
    field = named_rng("bench noise", seed, index).normal(0, 18, hw)
    field = (field + np.roll(field, 1, 0) + np.roll(field, 1, 1)) / np.sqrt(3)
    return field.astype(np.int16)


def _slice(
    z: int, hw: tuple[int, ...], centres: NDArray[np.float64], radii: NDArray[np.float64], noise: NDArray[np.int16]
) -> tuple[NDArray[np.int16], NDArray[np.uint8]]:
    y, x = np.ogrid[: hw[0], : hw[1]]
    body = ((y / hw[0] - 0.5) / 0.4) ** 2 + ((x / hw[1] - 0.5) / 0.45) ** 2 < 1
    values = np.zeros(hw, np.uint8)
    for label, ((cz, cy, cx), (rz, ry, rx)) in enumerate(zip(centres, radii), start=1):
        reach = 1 - ((z - cz) / rz) ** 2
        if reach > 0:
            values[((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < reach] = label
    values[~body] = 0
    pixels = np.where(body, 20 + 12 * values.astype(np.int16) + noise, -1000 + noise // 4)
    return np.maximum(pixels, -1024).astype(np.int16), values


class PhantomRecipe:
    """Recipe over phantoms that are made when they are loaded."""

    info = RecipeInfo("phantom", "Benchmark phantoms", "CC0", "", "", "", "CT")

    def __init__(self, shapes: list[tuple[int, int, int]]) -> None:
        self._shapes = shapes

    def matches(self, source: object) -> bool:
        return False

    def find(self, source: object, **options: object) -> Found:
        def loader(index: int) -> LoadedCase:
            return ct(self._shapes[index], index)

        cases = [
            CaseSource(f"phantom{i}", f"phantom{i}", None, "CT", lambda i=i: loader(i))  # type: ignore[misc]
            for i in range(len(self._shapes))
        ]
        return Found(cases, LabelSet.from_names({i: f"organ {i}" for i in range(1, ORGANS + 1)}, modality="CT"))
