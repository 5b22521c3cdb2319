"""State of a run on disk: what is needed to go on bit for bit, and nothing of the base model."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import torch
from torch import nn

from samadapt.core.atomic import atomic_path
from samadapt.core.errors import CheckpointError

STATE_FILE = "state.pt"
VERSION = 1


@dataclass
class Progress:
    """Where a run is.

    Attributes
    ----------
    step : int
        Steps of the optimiser made.
    seconds : float
        Training time, resumed runs included.
    best : float
        Best value of the validation metric; negative before the first.
    best_step : int
    since_best : int
        Validations without a better value.
    validated : int
        Step of the last validation.
    dice : float
        Value of the last validation; negative before the first.
    """

    step: int = 0
    seconds: float = 0.0
    best: float = -1.0
    best_step: int = 0
    since_best: int = 0
    validated: int = -1
    dice: float = -1.0


def learning(model: nn.Module) -> dict[str, nn.Parameter]:
    """{name: parameter} of everything that learns, in the model's order."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


def statistics(model: nn.Module) -> dict[str, torch.Tensor]:
    """{name: buffer} of what batch norms have counted, in the model's order."""
    norms = [(name, m) for name, m in model.named_modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    return {f"{name}.{key}": value for name, norm in norms for key, value in norm.named_buffers()}


def save_state(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, progress: Progress) -> None:
    """Write weights that learn, norm statistics, optimiser and progress, atomically.

    The file is readable with ``weights_only=True``.
    """
    state = {
        "version": VERSION,
        "weights": {name: parameter.detach() for name, parameter in learning(model).items()},
        "statistics": statistics(model),
        "optimizer": optimizer.state_dict(),
        "progress": asdict(progress),
    }
    with atomic_path(path) as temporary:
        torch.save(state, temporary)


def load_state(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> Progress:
    """Put a saved state into the model and the optimiser.

    Raises
    ------
    CheckpointError
        If the file is damaged, newer, or of another set of weights.
    """
    state = _read(path)
    parameters = learning(model)
    if set(parameters) != set(state["weights"]):
        odd = sorted(set(parameters) ^ set(state["weights"]))
        raise CheckpointError(f"the state holds other weights, for example {odd[0]}", where=path)
    with torch.no_grad():
        for name, parameter in parameters.items():
            parameter.copy_(state["weights"][name])
        kept = state.get("statistics", {})
        for name, buffer in statistics(model).items():
            buffer.copy_(kept[name])
    optimizer.load_state_dict(state["optimizer"])
    known = {field.name for field in fields(Progress)}
    return Progress(**{key: value for key, value in state["progress"].items() if key in known})


def _read(path: Path) -> dict[str, Any]:
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        raise CheckpointError(f"the training state cannot be read ({error})", where=path) from error
    if state.get("version") != VERSION:
        raise CheckpointError(f"training state of version {state.get('version')}, not {VERSION}", where=path)
    return state
