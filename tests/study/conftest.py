"""A small prepared store of phantoms and a small model, made once."""

from __future__ import annotations

from pathlib import Path

import pytest

from samadapt.data.phantoms import write_flare22
from samadapt.data.prepare import prepare
from samadapt.data.store import Store


@pytest.fixture(scope="session")
def phantom_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Six phantoms of 8 slices, split by patient."""
    folder = tmp_path_factory.mktemp("phantoms")
    write_flare22(folder / "raw", 6, seed=3, shape=(8, 48, 48), spacing_mm=(24.0, 7.5, 7.5))
    splits = {"train": 0.5, "val": 0.17, "test": 0.33}
    return prepare(source=folder / "raw", recipe="flare22", out=folder / "store", workers=1, splits=splits)


@pytest.fixture(scope="session")
def small_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an untrained model with a few thousand weights."""
    from samadapt.models import fresh
    from samadapt.models.loading import save_packaged

    folder = tmp_path_factory.mktemp("model")
    save_packaged(fresh("test"), folder, "small")
    return folder / "small.safetensors"
