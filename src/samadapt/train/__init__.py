"""Training: losses, samples, steps and one visible loop.

Importing this package is light. The package itself can be called: ``samadapt.train(model=..., data=..., out=...)`` is
`samadapt.train.train`, whichever of the two the name was bound to first.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from samadapt.train.config import TrainConfig

__all__ = ["TrainResult", "train"]


@dataclass(frozen=True)
class TrainResult:
    """What a training run left behind.

    Attributes
    ----------
    folder : Path
        Run folder.
    adapter_folder : Path
        Best adapter by the validation metric; the last one where nothing was validated. For a model that was
        trained as a whole, the folder of its complete weights.
    best_metric : float or None
        Best mean Dice of the validations; None without validation.
    seconds : float
        Training time, resumed runs included.
    task : {"semantic", "box", "interactive"}
        What it learnt.
    """

    folder: Path
    adapter_folder: Path
    best_metric: float | None
    seconds: float
    task: str


def train(config: TrainConfig | None = None, **fields: Any) -> TrainResult:
    """Train an adapter, or a whole model.

    Parameters
    ----------
    config : TrainConfig, optional
        Complete configuration.
    **fields
        Fields of `TrainConfig` instead of `config`, dotted names included through a dict:
        ``train(model="vit-b", data="store", out="run", steps=100, **{"optimizer.lr": 1e-3})``.

    Returns
    -------
    TrainResult

    Raises
    ------
    ConfigError
        If a field is unknown or does not fit.
    NonFiniteLoss
        If the loss or the gradient is not finite; the batch is kept in the run folder.
    KeyboardInterrupt
        After Ctrl-C, when the state has been saved; run again with ``resume=True``.
    """
    from samadapt.config.base import load_config
    from samadapt.core.errors import ConfigError
    from samadapt.train.config import TrainConfig
    from samadapt.train.run import run

    if config is not None and fields:
        raise ConfigError("give either a configuration or fields, not both", where=", ".join(fields))
    return run(config if config is not None else load_config(TrainConfig, values=fields))


class _Callable(ModuleType):
    def __call__(self, config: TrainConfig | None = None, **fields: Any) -> TrainResult:
        return train(config, **fields)


sys.modules[__name__].__class__ = _Callable
