"""What is imported when; that every module can be imported and does nothing then."""

from __future__ import annotations

import json
import pkgutil
import subprocess
import sys

import pytest

import samadapt

LIGHT = """
import json, sys
import samadapt
from samadapt.cli.main import main
loaded = {"import": sorted(set(sys.modules) & HEAVY)}
import io, contextlib
for words in (["--help"], ["models"], ["datasets"], ["train", "--help"], ["evaluate", "--help"], ["prepare", "--help"],
              ["report", "--help"], ["train", "--model", "tiny", "--data", "a", "--out", "b", "--steps", "1",
               "--show-config"]):
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            main(words)
        except SystemExit as left:
            assert not left.code, words
    loaded[" ".join(words)] = sorted(set(sys.modules) & HEAVY)
print(json.dumps(loaded))
"""
HEAVY = {"torch", "transformers", "peft", "lightning_fabric", "scipy", "nibabel", "SimpleITK", "h5py", "matplotlib"}

WALK = """
import os, json, sys, pkgutil, importlib, pathlib, threading
sys.argv = ["walk"]
before, environment, threads = set(os.listdir(".")), dict(os.environ), threading.active_count()
import samadapt
names = [m.name for m in pkgutil.walk_packages(samadapt.__path__, "samadapt.") if not m.name.endswith("__main__")]
import random, numpy
random.seed(1); numpy.random.seed(1)
state = random.getstate(), numpy.random.get_state()[1].tolist()
for name in names:
    importlib.import_module(name)
import torch
print(json.dumps({
    "names": names,
    "files": sorted(set(os.listdir(".")) ^ before),
    "environment": {k: v for k, v in os.environ.items() if k.startswith("SAMADAPT") and environment.get(k) != v},
    "random": (random.getstate(), numpy.random.get_state()[1].tolist()) == state,
    "gradients": torch.is_grad_enabled() and torch.get_default_dtype() == torch.float32,
    "threads": threading.active_count() - threads,
}))
"""


def python(code: str, folder) -> dict:
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def walked(tmp_path_factory):
    """Facts after importing every module in a fresh process."""
    return python(WALK, tmp_path_factory.mktemp("walk"))


def test_light_commands_import_nothing_heavy(tmp_path):
    loaded = python(f"HEAVY = set({sorted(HEAVY)!r})" + LIGHT, tmp_path)
    assert loaded == {name: [] for name in loaded}
    assert len(loaded) == 9


def test_every_module_can_be_imported(walked):
    rooms = {name.split(".")[1] for name in walked["names"]}
    expected = {"adapt", "cli", "config", "core", "data", "infer", "io", "metrics", "models", "prompts", "report"}
    assert expected | {"study", "train", "version"} <= rooms
    here = [m for m in pkgutil.walk_packages(samadapt.__path__, "samadapt.") if not m.name.endswith("__main__")]
    assert len(walked["names"]) == len(here) > 150


def test_importing_does_nothing(walked):
    assert walked["files"] == []
    assert walked["environment"] == {}
    assert walked["random"]
    assert walked["gradients"]
    assert walked["threads"] == 0


def test_public_names_exist():
    assert {name: getattr(samadapt, name, None) is not None for name in samadapt.__all__} == dict.fromkeys(
        samadapt.__all__, True
    )
    assert len(samadapt.__all__) == 11
    with pytest.raises(AttributeError, match="no attribute 'predictor'"):
        _ = samadapt.predictor
