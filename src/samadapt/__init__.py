"""samadapt: adapt segment-anything models to medical and scientific images.

Importing this package is instant: every name below is loaded when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from samadapt.version import __version__

if TYPE_CHECKING:
    from samadapt import metrics
    from samadapt.adapt.load import load_model
    from samadapt.data.prepare import prepare
    from samadapt.infer.automatic.generate import automatic_masks
    from samadapt.infer.memory import track
    from samadapt.infer.predictor import Predictor
    from samadapt.io import open
    from samadapt.report import report
    from samadapt.study.evaluate import evaluate
    from samadapt.train import train

_PUBLIC = {
    "Predictor": "samadapt.infer.predictor",
    "automatic_masks": "samadapt.infer.automatic.generate",
    "evaluate": "samadapt.study.evaluate",
    "load_model": "samadapt.adapt.load",
    "open": "samadapt.io",
    "prepare": "samadapt.data.prepare",
    "report": "samadapt.report",
    "track": "samadapt.infer.memory",
    "train": "samadapt.train",
}

__all__ = [
    "Predictor",
    "__version__",
    "automatic_masks",
    "evaluate",
    "load_model",
    "metrics",
    "open",
    "prepare",
    "report",
    "track",
    "train",
]


def __getattr__(name: str) -> Any:
    if name == "metrics":
        return importlib.import_module("samadapt.metrics")
    if name in _PUBLIC:
        value = getattr(importlib.import_module(_PUBLIC[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'samadapt' has no attribute {name!r}")
