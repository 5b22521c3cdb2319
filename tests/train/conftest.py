"""A store that a tiny network can learn from."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from train_cases import ToyRecipe, volume

from samadapt.core.image import LabelMap
from samadapt.data.prepare import prepare
from samadapt.data.recipes.base import LoadedCase
from samadapt.data.store import Store


@pytest.fixture(scope="session")
def store_path(tmp_path_factory) -> Path:
    """Store of six volumes: four to learn from, one to validate on, one to test."""
    folder = tmp_path_factory.mktemp("toy")
    recipe = ToyRecipe({f"case{i}": (lambda i=i: volume(i)) for i in range(6)})
    prepare(recipe=recipe, source=folder, out=folder / "store", workers=0)
    return folder / "store"


@pytest.fixture
def store_with(tmp_path) -> Callable[[str, list[int]], Path]:
    """Function of a name and labels: a store whose training cases keep these labels alone."""

    def load(index: int, kept: list[int]) -> LoadedCase:
        loaded = volume(index)
        assert isinstance(loaded.label, LabelMap)
        values = loaded.label.values
        kept = kept if index < 4 else [1, 2, 4]
        return LoadedCase(loaded.image, LabelMap(np.where(np.isin(values, kept), values, 0), loaded.label.grid))

    def make(name: str, kept: list[int]) -> Path:
        recipe = ToyRecipe({f"case{i}": (lambda i=i: load(i, kept)) for i in range(6)})
        return prepare(recipe=recipe, source=tmp_path, out=tmp_path / name, workers=0).path

    return make


@pytest.fixture
def store(store_path) -> Store:
    return Store.open(store_path)


@pytest.fixture(scope="session")
def base_model(tmp_path_factory) -> Path:
    """Untrained network of a few thousand weights on disk, so that an adapter has a base to come back to."""
    from samadapt import models
    from samadapt.models.loading import save_packaged

    return save_packaged(models.fresh("test", seed=1), tmp_path_factory.mktemp("base"), "test-base")


@pytest.fixture
def fields(store_path, base_model, tmp_path) -> dict[str, Any]:
    """A short semantic run on the processor."""
    return {
        "model": str(base_model),
        "data": str(store_path),
        "out": str(tmp_path / "run"),
        "method": {"method": "lora", "rank": 2},
        "batch_size": 4,
        "steps": 6,
        "num_workers": 0,
        "accelerator": "cpu",
        "log_every": 1,
        "validation": {"every": 3, "max_cases": 1, "max_slices": 5},
    }
