"""Fixtures shared by all tests."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[1].parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with reference tensors and real data beside the checkout."""
    if not SHARED.exists():
        pytest.skip("needs ../shared (reference tensors and real data), which is absent here")
    return SHARED


@pytest.fixture(scope="session")
def golden(shared: Path) -> Path:
    """Folder of reference tensors made with the public implementations."""
    return shared / "golden"


@pytest.fixture(scope="session")
def real_data(shared: Path) -> Path:
    """Folder of real images with labels."""
    return shared / "data"
