"""Parameter-efficient adaptation: inject a method into a model, train what it names, save it, merge it.

Importing this package is light: every name below is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from samadapt.adapt.adaptation import Adaptation, assert_trainable, trainable_parameters
    from samadapt.adapt.checkpoint import AdapterInfo, load_adapter, read_adapter_info, save_adapter
    from samadapt.adapt.load import load_model
    from samadapt.adapt.methods import inject
    from samadapt.adapt.published import load_samed, load_sammed2d
    from samadapt.adapt.semantic import SemanticHead, add_head

_HOME = {
    "Adaptation": "adaptation",
    "AdapterInfo": "checkpoint",
    "SemanticHead": "semantic",
    "add_head": "semantic",
    "assert_trainable": "adaptation",
    "inject": "methods",
    "load_adapter": "checkpoint",
    "load_model": "load",
    "load_samed": "published",
    "load_sammed2d": "published",
    "read_adapter_info": "checkpoint",
    "save_adapter": "checkpoint",
    "trainable_parameters": "adaptation",
}

__all__ = [
    "Adaptation",
    "AdapterInfo",
    "SemanticHead",
    "add_head",
    "assert_trainable",
    "inject",
    "load_adapter",
    "load_model",
    "load_samed",
    "load_sammed2d",
    "read_adapter_info",
    "save_adapter",
    "trainable_parameters",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'samadapt.adapt' has no attribute {name!r}")
    return getattr(importlib.import_module(f"samadapt.adapt.{_HOME[name]}"), name)
