"""Segment-anything models: catalog, loading, preprocessing, and one interface over all of them.

Importing this package does not import torch; the names below are loaded when they are first used. What a file is,
without building a model, says `samadapt.models.inspect.inspect`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from samadapt.models.decode import DecoderOutput
    from samadapt.models.inspect import Inspection
    from samadapt.models.load_report import LoadReport
    from samadapt.models.loading import load, packaged
    from samadapt.models.preprocess import Preprocessing
    from samadapt.models.promptable import SamPromptable
    from samadapt.models.untrained import fresh

_PUBLIC = {
    "DecoderOutput": "decode",
    "Inspection": "inspect",
    "LoadReport": "load_report",
    "Preprocessing": "preprocess",
    "SamPromptable": "promptable",
    "fresh": "untrained",
    "load": "loading",
    "packaged": "loading",
}

__all__ = [
    "DecoderOutput",
    "Inspection",
    "LoadReport",
    "Preprocessing",
    "SamPromptable",
    "fresh",
    "load",
    "packaged",
]


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(f"samadapt.models.{_PUBLIC[name]}"), name)
    raise AttributeError(f"module 'samadapt.models' has no attribute {name!r}")
