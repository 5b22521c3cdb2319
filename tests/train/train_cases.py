"""A tiny dataset in memory, as a recipe hands it over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from samadapt.core.grid import Grid
from samadapt.core.image import LabelMap, LabelSet, Volume
from samadapt.core.rng import named_rng
from samadapt.data.recipes.base import CaseSource, Found, LoadedCase, RecipeInfo

INFO = RecipeInfo("toy", "toy set", "CC0", "Nobody 2020", "https://example.org", "Make it up.", "CT")
NAMES = {1: "liver", 2: "left kidney", 4: "right kidney"}


def volume(index: int) -> LoadedCase:
    """CT-like volume with three bright boxes; the first slice is empty."""
    rng = named_rng("train toy", index)
    values = np.zeros((5, 40, 48), np.uint8)
    y, x = rng.integers(2, 8, 2)
    values[1:, y : y + 16, x : x + 20] = 1
    values[1:4, 26:34, 6:14] = 2
    values[2:, 26:36, 34:44] = 4
    levels = np.array([-100, 120, 200, 0, 40], np.int16)
    noise = rng.normal(0, 10, values.shape).astype(np.int16)
    grid = Grid.from_spacing(values.shape, (5.0, 1.0, 1.0))
    return LoadedCase(Volume(levels[values] + noise, grid, modality="CT", source=f"ct{index}"), LabelMap(values, grid))


@dataclass
class ToyRecipe:
    loaders: dict[str, Callable[[], LoadedCase]]
    label_set: LabelSet = field(default_factory=lambda: LabelSet.from_names(NAMES, modality="CT"))
    info: RecipeInfo = INFO

    def matches(self, source: Path) -> bool:
        return False

    def find(self, source: Path, **options: Any) -> Found:
        splits = ["train", "train", "train", "train", "val", "test"]
        cases = [
            CaseSource(name, name, split, "CT", loader) for (name, loader), split in zip(self.loaders.items(), splits)
        ]
        return Found(cases, self.label_set)
