"""Length of a run and the learning rate over it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from samadapt.train.config import ScheduleConfig

WARMUP = 250
WARMUP_SHARE = 0.05
FACTOR = "rate_factor"
"""Of a group of the optimiser's parameters: its share of the rate."""


@dataclass(frozen=True)
class Length:
    """When a run ends.

    Attributes
    ----------
    steps : int or None
        Steps of the optimiser.
    seconds : float or None
        Of training time, resumed runs included; the earlier of the two ends the run.
    """

    steps: int | None
    seconds: float | None

    @classmethod
    def of(cls, steps: int | None, epochs: float | None, minutes: float | None, steps_per_epoch: float) -> Length:
        """Length from what a configuration says; of steps and epochs the shorter."""
        limits = [steps] if steps is not None else []
        if epochs is not None:
            limits.append(max(1, round(epochs * steps_per_epoch)))
        return cls(min(limits, default=None), None if minutes is None else minutes * 60)

    def progress(self, step: int, seconds: float) -> float:
        """Share of the run that is over, in 0..1."""
        parts = [step / self.steps] if self.steps is not None else []
        if self.seconds is not None:
            parts.append(seconds / self.seconds)
        return min(max(parts), 1.0)

    def is_over(self, step: int, seconds: float) -> bool:
        """True when no further step is to be made."""
        return self.progress(step, seconds) >= 1


def rate_factor(
    config: ScheduleConfig, step: int, progress: float, progress_per_step: float, epoch: float = 0.0
) -> float:
    """Factor of the base learning rate.

    Parameters
    ----------
    config : ScheduleConfig
    step : int
        Steps already made.
    progress : float
        Share of the run that is over, in 0..1.
    progress_per_step : float
        Share of the run that one step takes; 0 where the run's length is a time. It moves the start of the decay to
        the end of the warm-up.
    epoch : float
        Passes over the data already made.

    Returns
    -------
    float
        Linear warm-up ``(step + 1) / warmup``; then "poly" ``(1 - p) ** exponent``, "cosine" or constant, with
        ``p = (progress - warmup) / horizon``, as SAMed counts it; or "step", ``gamma ** floor(epoch / every_epochs)``,
        as PyTorch's StepLR. Without a set warm-up: 250 steps or a twentieth of
        the run, whichever is over first.
    """
    if config.warmup is None:
        risen = max((step + 1) / WARMUP, progress / WARMUP_SHARE)
        start = min(WARMUP * progress_per_step, WARMUP_SHARE) if progress_per_step else WARMUP_SHARE
    else:
        risen = (step + 1) / config.warmup if config.warmup else 1.0
        start = config.warmup * progress_per_step
    if risen < 1:
        return risen
    if config.shape == "step":
        return float(config.gamma ** math.floor(epoch / config.every_epochs))
    p = min(max(progress - start, 0.0) / config.horizon, 1.0)
    if config.shape == "poly":
        return float((1 - p) ** config.exponent)
    return 0.5 * (1 + math.cos(math.pi * p)) if config.shape == "cosine" else 1.0
