"""Where a model runs, and how much memory that took."""

from __future__ import annotations

import resource
import sys

import torch

from samadapt.core.errors import ConfigError


def choose_device(name: str) -> torch.device:
    """Device for "auto", "cpu", "cuda", "cuda:1" or "mps"; auto prefers CUDA, then MPS.

    Raises
    ------
    ConfigError
        If the device is not known or not there.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if _mps() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"unknown device {name!r}", remedy="Use auto, cpu, cuda, cuda:1 or mps.") from error
    present = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": _mps()}.get(device.type, False)
    if not present:
        raise ConfigError(f"this machine has no device {name!r} that torch can use", remedy="Use --device cpu.")
    return device


def peak_memory_mb() -> float:
    """Highest memory of this process so far, in MiB: on the GPU if one was used, else resident."""
    if torch.cuda.is_available() and torch.cuda.max_memory_allocated():
        return round(torch.cuda.max_memory_allocated() / 2**20, 1)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit, 1)


def _mps() -> bool:
    return torch.backends.mps.is_available()
