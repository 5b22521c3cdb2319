"""A folder to run documentation in, and tiny stand-ins for what takes long."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """An empty current folder in which training takes two steps and `tiny` can be loaded."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.syspath_prepend(str(tmp_path))
    _load_tiny(tmp_path, monkeypatch)
    _shorten_training(monkeypatch)
    _shrink_phantoms(monkeypatch)
    yield tmp_path
    os.chdir(ROOT)


def _load_tiny(folder: Path, monkeypatch) -> None:
    """An untrained network under the name `tiny`, made from a few thousand weights, so that pages are quick."""
    from samadapt.models import fresh, loading

    weights = folder / ".weights"
    loading.save_packaged(fresh("test"), weights, "tiny")
    monkeypatch.setattr(loading, "WEIGHTS", weights)


def _shrink_phantoms(monkeypatch) -> None:
    """The demo makes small phantoms; the command synth is given its size on the command line."""
    from samadapt.data import phantoms

    write = phantoms.write_flare22
    monkeypatch.setattr(phantoms, "write_flare22", lambda out, cases, seed: write(out, cases, seed, shape=(8, 64, 64)))


def _shorten_training(monkeypatch) -> None:
    import samadapt.train.run as module
    from samadapt.models.specialists import NAMES as SPECIALISTS

    run = module.run

    def short(config):
        few = {"steps": 2, "epochs": None, "max_minutes": None, "batch_size": 2, "accumulate": 1, "num_workers": 0}
        few |= {} if config.model in SPECIALISTS else {"model": "tiny", "image_size": None}
        limits = config.validation.model_copy(update={"max_cases": 1, "max_slices": 2})
        return run(config.model_copy(update=few | {"validation": limits}))

    monkeypatch.setattr(module, "run", short)
