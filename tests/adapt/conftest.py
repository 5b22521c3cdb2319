"""Fixtures of the adaptation tests."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest
import torch
from adapt_cases import LABELS, METHODS, build_adapted

from samadapt.core.image import LabelSet
from samadapt.models.promptable import SamPromptable


@pytest.fixture(params=sorted(METHODS))
def config(request: pytest.FixtureRequest) -> Any:
    return METHODS[request.param]


@pytest.fixture(params=["prompts", "head", "detail"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def label_set(kind: str) -> LabelSet | None:
    return None if kind == "prompts" else LABELS


@pytest.fixture
def adapted(config: Any, kind: str, label_set: LabelSet | None) -> SamPromptable:
    """Tiny model with the method, with and without the head, with and without its detail branch."""
    return build_adapted(config, label_set, detail=4 if kind == "detail" else 0)


@pytest.fixture
def adapted_with_head(config: Any) -> Callable[..., SamPromptable]:
    """Function of image size: a tiny model with the method and the head."""
    return functools.partial(build_adapted, config, LABELS)


@pytest.fixture(autouse=True, scope="session")
def _one_thread() -> None:
    torch.set_num_threads(1)  # the networks are so small that threads only wait for each other
