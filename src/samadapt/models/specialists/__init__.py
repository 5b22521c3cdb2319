"""Networks that learn one task from nothing: the baselines that an adapted model has to beat.

Importing this package is light; the names below are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from samadapt.models.specialists.plan import FAMILY, NAMES, Plan

if TYPE_CHECKING:
    from samadapt.models.specialists.model import Specialist, assemble, untrained

_HOME = {"Specialist": "model", "assemble": "model", "untrained": "model"}

__all__ = ["FAMILY", "NAMES", "Plan", "Specialist", "assemble", "untrained"]


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(importlib.import_module(f"samadapt.models.specialists.{_HOME[name]}"), name)
    raise AttributeError(f"module 'samadapt.models.specialists' has no attribute {name!r}")
