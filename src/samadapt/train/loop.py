"""The loop, all of it."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from samadapt.adapt.adaptation import assert_trainable
from samadapt.adapt.specialist import is_specialist
from samadapt.core.errors import ConfigError
from samadapt.train.build import Parts
from samadapt.train.config import NEW, TrainConfig
from samadapt.train.guard import Interrupt, gradient_norm, require_finite
from samadapt.train.keep import Keeper
from samadapt.train.logs import Display, JsonLines, open_tensorboard
from samadapt.train.order import Batches, Ticket
from samadapt.train.samples import Batch, batches
from samadapt.train.schedule import FACTOR, Length, rate_factor
from samadapt.train.state import STATE_FILE, Progress, save_state


class Loop:
    """Steps until the length is reached, with validation, logs and savings in between.

    Several processes each work on their share of every batch and average their gradients. A loss that is a mean over
    samples then gives the weights that one process would get; SAMed's Dice over the batch becomes the mean of the
    Dice of every process's share, as it does for DataParallel's replicas with a loss of their own.

    Parameters
    ----------
    config : TrainConfig
    fabric : lightning_fabric.Fabric
        Launched.
    parts : Parts
    optimizer : torch.optim.Optimizer
        With the state of a resumed run.
    progress : Progress
    length : Length
    """

    def __init__(
        self,
        config: TrainConfig,
        fabric: Any,
        parts: Parts,
        optimizer: torch.optim.Optimizer,
        progress: Progress,
        length: Length,
    ) -> None:
        self.config, self.fabric, self.parts, self.progress, self.length = config, fabric, parts, progress, length
        self.raw_optimizer = optimizer
        self.base_lr = float(optimizer.defaults["lr"])
        self.step, self.optimizer = fabric.setup(parts.step, optimizer)
        self.main: bool = fabric.is_global_zero
        whole = config.model == NEW or is_specialist(parts.model)
        self.keeper = Keeper(config.out, parts.model, parts.context, whole=whole)
        self.log = JsonLines(config.out / "log.jsonl", step=progress.step) if self.main else None
        self.val = JsonLines(config.out / "val.jsonl", step=progress.step) if self.main else None
        self.board = open_tensorboard(config.out / "tensorboard") if config.tensorboard and self.main else None
        self.display = Display(enabled=self.main)
        self.recent: deque[tuple[float, int]] = deque(maxlen=64)
        self.started = self.saved = self.shown = time.monotonic()
        self.paused = 0.0

    def run(self) -> Progress:
        """Train to the end.

        Raises
        ------
        NonFiniteLoss
            If a loss or gradient is not finite.
        KeyboardInterrupt
            After Ctrl-C, when the state has been saved.
        """
        with self.display, Interrupt().watch() as interrupt:
            self.started = time.monotonic() - self.progress.seconds
            stream = self._stream()
            while not self._over():
                self._one_step(stream)
                self._validate_if_due()
                self._save_if_due()
                if self._agreed(float(interrupt.asked)):
                    self._save()
                    self.display.say(f"Stopped after step {self.progress.step}; resume=true goes on from here.")
                    raise KeyboardInterrupt
            self._finish()
        return self.progress

    def _stream(self) -> Iterator[Batch]:
        config, accumulate = self.config, self.config.accumulate
        stop = None if self.length.steps is None else self.length.steps * accumulate
        tickets = Batches(
            self.parts.order, self.progress.step * accumulate, stop, self.fabric.global_rank, self.fabric.world_size
        )
        pin = self.fabric.device.type == "cuda"
        return batches(self.parts.samples, tickets, config.num_workers, pin=pin)

    def _over(self) -> bool:
        patience = self.config.validation.patience
        over = self.length.is_over(self.progress.step, self.progress.seconds)
        over = over or (patience is not None and self.progress.since_best >= patience)
        return bool(self._agreed(float(over)))

    def _one_step(self, stream: Iterator[Batch]) -> None:
        config, progress = self.config, self.progress
        share = self._agreed(self.length.progress(progress.step, progress.seconds))
        each = 1 / self.length.steps if self.length.steps else 0.0
        lr = self.base_lr * rate_factor(config.schedule, progress.step, share, each, self._passes())
        for group in self.raw_optimizer.param_groups:
            group["lr"] = lr * group.get(FACTOR, 1.0)
        drawn = [self.fabric.to_device(next(stream)) for _ in range(config.accumulate)]
        for update in range(self.parts.step.updates):
            parts = [self._backward(batch, number, update) for number, batch in enumerate(drawn)]
            self._check_and_clip(parts)
            self.optimizer.step()
            if progress.step == 0:
                self._require_frozen_untouched()
            self.optimizer.zero_grad(set_to_none=True)
        progress.step += 1
        progress.seconds = time.monotonic() - self.started
        self.recent.append((time.monotonic() - self.paused, progress.step))
        self._tell(parts, lr)

    def _backward(self, batch: Batch, number: int, update: int) -> tuple[dict[str, Tensor], Batch]:
        last = number == self.config.accumulate - 1
        with self.fabric.no_backward_sync(self.step, enabled=not last):
            told = self.step(batch, update) if update else self.step(batch)
            if bool(torch.isfinite(told["loss"])):
                self.fabric.backward(told["loss"] / self.config.accumulate)
        return {name: value.detach() for name, value in told.items()}, batch

    def _check_and_clip(self, parts: list[tuple[dict[str, Tensor], Batch]]) -> None:
        step, folder = self.progress.step, self.config.out
        for told, batch in parts:
            require_finite({"loss": told["loss"]}, batch, self._tickets, folder, step)
        norm = gradient_norm(self.parts.model)
        require_finite({"gradient norm": norm}, parts[-1][1], self._tickets, folder, step)
        limit = self.config.optimizer.clip_norm
        if limit is not None:
            learning = [p for p in self.parts.model.parameters() if p.grad is not None]
            torch.nn.utils.clip_grads_with_norm_(learning, limit, norm)

    def _tickets(self) -> list[Ticket]:
        first = self.progress.step * self.config.accumulate
        return [t for number in range(self.config.accumulate) for t in self.parts.order.batch(first + number)]

    def _require_frozen_untouched(self) -> None:
        assert_trainable(self.parts.model, self.raw_optimizer)
        touched = [n for n, p in self.parts.model.named_parameters() if p.grad is not None and not p.requires_grad]
        if touched:
            raise ConfigError(f"frozen parameters received a gradient, for example {touched[0]}", where="method")

    def _tell(self, parts: list[tuple[dict[str, Tensor], Batch]], lr: float) -> None:
        progress, config = self.progress, self.config
        if self.log is None or (progress.step % config.log_every and progress.step != 1):
            return
        sums = {name: sum(float(told[name]) for told, _ in parts) for name in parts[0][0]}
        means = {name if name == "loss" else f"loss_{name}": total / len(parts) for name, total in sums.items()}
        speed = self._speed()
        row = {"step": progress.step, "epoch": self._epoch(), **means, "lr": lr, "seconds": progress.seconds}
        self.log.write(row | {"dice": progress.dice if progress.dice >= 0 else None, "images_per_s": speed})
        if self.board is not None:
            for name, value in (means | {"lr": lr}).items():
                self.board.add_scalar(f"train/{name}", value, progress.step)
        now = time.monotonic()
        if now - self.shown >= (0.2 if self.display.moving else 20) or progress.step == 1:
            self.shown = now
            share = self.length.progress(progress.step, progress.seconds)
            remaining = progress.seconds * (1 - share) / max(share, 1e-9)
            self.display.show(progress.step, share, means["loss"], progress.dice, remaining, speed)

    def _validate_if_due(self) -> None:
        if self.progress.step % self.config.validation.every == 0:
            self._validate()

    def _validate(self) -> None:
        if self.parts.validator is None or self.progress.validated == self.progress.step:
            return
        before = time.monotonic()
        if self.main:
            self.parts.step.eval()
            score = self.parts.validator()
            self.parts.step.train()
            self._note_score(score.mean, score.dice)
        self.progress.since_best = int(self._agreed(float(self.progress.since_best)))
        self.progress.validated = self.progress.step
        self.progress.seconds = time.monotonic() - self.started
        self.paused += time.monotonic() - before

    def _note_score(self, mean: float, dice: dict[str, float]) -> None:
        progress = self.progress
        assert self.val is not None
        self.val.write({"step": progress.step, "mean": mean, "dice": dice, "seconds": progress.seconds})
        if self.board is not None:
            self.board.add_scalar("validation/dice", mean, progress.step)
        better = mean > progress.best
        progress.dice = mean
        progress.since_best = 0 if better else progress.since_best + 1
        if better:
            progress.best, progress.best_step = mean, progress.step
            self.keeper.keep_best(step=progress.step, dice=mean, dice_by_name=dice)
        self.display.say(f"step {progress.step}: validation Dice {mean:.4f}{' (best)' if better else ''}")

    def _save_if_due(self) -> None:
        due = self.progress.step % self.config.save_every == 0
        if due or time.monotonic() - self.saved > self.config.save_seconds:
            self._save()

    def _save(self) -> None:
        if self.main:
            save_state(self.config.out / STATE_FILE, self.parts.model, self.raw_optimizer, self.progress)
        self.saved = time.monotonic()

    def _finish(self) -> None:
        self._validate()
        if self.main:
            self.keeper.keep_last(step=self.progress.step, dice=self.progress.dice)
            self._save()
        if self.board is not None:
            self.board.close()
        self.fabric.barrier()

    def _agreed(self, value: float) -> float:
        """The value of the first process: clocks differ."""
        return float(self.fabric.broadcast(value)) if self.fabric.world_size > 1 else value

    def _speed(self) -> float:
        (t0, s0), (t1, s1) = self.recent[0], self.recent[-1]
        images = (s1 - s0) * self.config.batch_size * self.config.accumulate
        return images / (t1 - t0) if t1 > t0 else 0.0

    def _epoch(self) -> float:
        return round(self._passes(), 4)

    def _passes(self) -> float:
        """Passes over the data made so far."""
        return self.progress.step * self.config.accumulate * self.config.batch_size / self.parts.order.count
