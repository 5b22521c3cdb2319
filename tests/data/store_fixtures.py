"""A tiny dataset in memory, as a recipe hands it over."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from samadapt.core.grid import Grid
from samadapt.core.image import Image, LabelMap, LabelSet, Volume
from samadapt.core.rng import named_rng
from samadapt.data.recipes.base import CaseSource, Found, LoadedCase, ObjectMask, RecipeInfo

NAMES = {1: "liver", 2: "left kidney", 3: "right kidney"}


def info(name: str = "toy", modality: str = "CT") -> RecipeInfo:
    return RecipeInfo(name, f"{name} set", "CC0", "Nobody 2020", "https://example.org", "Make it up.", modality)


def volume_case(index: int, shape: tuple[int, int, int] = (4, 20, 24), spacing: tuple[float, ...] = (5.0, 1.0, 0.5)):
    """A CT-like volume with three boxes as organs; an empty first slice."""
    rng = named_rng("toy volume", index)
    voxels = rng.integers(-1000, 1000, shape).astype(np.int16)
    values = np.zeros(shape, np.uint8)
    values[1:, 2:9, 3 : 8 + index % 3] = 1
    values[1:3, 10:15, 4:9] = 2
    values[2:, 11:17, 12:20] = 3
    grid = Grid.from_spacing(shape, spacing)
    return LoadedCase(Volume(voxels, grid, modality="CT", source=f"ct{index}"), LabelMap(values, grid))


def instance_case(index: int):
    """A grey 8-bit image with two overlapping objects and a third."""
    rng = named_rng("toy image", index)
    masks = np.zeros((3, 30, 40), bool)
    masks[0, 2:12, 3:13], masks[1, 8:20, 10:25], masks[2, 22:28, 30:38] = True, True, True
    image = Image(rng.integers(0, 255, (30, 40, 3), dtype=np.uint8), Grid.from_spacing((30, 40), (1, 1)), "RGB")
    return LoadedCase(image, [ObjectMask(masks[0], 1), ObjectMask(masks[1], 1), ObjectMask(masks[2], 2)])


@dataclass
class ToyRecipe:
    """Recipe over a list of loaders."""

    loaders: dict[str, Callable[[], LoadedCase]]
    label_set: LabelSet = field(default_factory=lambda: LabelSet.from_names(NAMES, modality="CT"))
    info: RecipeInfo = field(default_factory=info)
    patients: dict[str, str] = field(default_factory=dict)
    splits: dict[str, str] = field(default_factory=dict)
    exclusions: list[tuple[str, str]] = field(default_factory=list)

    def matches(self, source: Path) -> bool:
        return False

    def find(self, source: Path, **options: Any) -> Found:
        cases = [
            CaseSource(name, self.patients.get(name, name), self.splits.get(name), self.info.modality, loader)
            for name, loader in self.loaders.items()
        ]
        return Found(cases, self.label_set, self.exclusions)


def volumes(count: int, **kwargs: Any) -> ToyRecipe:
    """Recipe of `count` volumes."""
    return ToyRecipe({f"case{i:02d}": (lambda i=i: volume_case(i)) for i in range(count)}, **kwargs)


def instances(count: int) -> ToyRecipe:
    """Recipe of `count` images with overlapping objects."""
    loaders = {f"image{i:02d}": (lambda i=i: instance_case(i)) for i in range(count)}
    return ToyRecipe(loaders, LabelSet.from_names({1: "nucleus", 2: "debris"}), info("nuclei", "RGB"))
