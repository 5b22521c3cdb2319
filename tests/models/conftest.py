"""Models and checkpoint files for the tests of the models room."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from samadapt.models import SamPromptable, fresh, load
from samadapt.models.convert import to_meta


@pytest.fixture(scope="session")
def sam(golden: Path) -> SamPromptable:
    """The reference network; tests must not change it."""
    return load(golden / "sam.pth")


@pytest.fixture(scope="session")
def reference(golden: Path) -> dict[str, Tensor]:
    """Inputs and outputs of the reference network in the original code."""
    return load_file(golden / "sam.safetensors")


@pytest.fixture
def small() -> SamPromptable:
    """A few thousand random weights at 64 pixels."""
    return fresh("test", seed=3)


@pytest.fixture
def small_file(small: SamPromptable, tmp_path: Path) -> Path:
    """The same in the original layout."""
    path = tmp_path / "small.pth"
    torch.save(to_meta(small.sam.state_dict()), path)
    return path
