"""What stops a run early: a loss that is not finite, or a person."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import torch
from torch import Tensor, nn

from samadapt.core.atomic import atomic_path, write_json
from samadapt.core.errors import NonFiniteLoss
from samadapt.train.order import Ticket

DUMP = "nonfinite"


def require_finite(
    values: Mapping[str, Tensor],
    batch: Mapping[str, Tensor],
    tickets: Callable[[], list[Ticket]],
    folder: Path,
    step: int,
) -> None:
    """Stop if a loss or gradient norm is NaN or infinite, and keep the batch.

    The batch goes to ``nonfinite.safetensors`` and what is known about it to ``nonfinite.json``.

    Raises
    ------
    NonFiniteLoss
    """
    bad = {name: float(value) for name, value in values.items() if not bool(torch.isfinite(value))}
    if not bad:
        return
    from safetensors.torch import save_file

    with atomic_path(folder / f"{DUMP}.safetensors") as temporary:
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in batch.items()}, temporary)
    facts = {
        "step": step,
        "values": {name: str(float(value)) for name, value in values.items()},
        "inputs_finite": {n: bool(torch.isfinite(t).all()) for n, t in batch.items() if t.is_floating_point()},
        "samples": [vars(ticket) for ticket in tickets()],
    }
    write_json(folder / f"{DUMP}.json", facts)
    raise NonFiniteLoss(
        f"{' and '.join(f'{name} is {value}' for name, value in bad.items())} at step {step}",
        where=folder,
        remedy=f"The batch is in {DUMP}.safetensors. Lower optimizer.lr, set optimizer.clip_norm, or use fp32.",
    )


def gradient_norm(module: nn.Module) -> Tensor:
    """2-norm of all gradients together; 0 where there are none."""
    gradients = [p.grad for p in module.parameters() if p.grad is not None]
    return torch.nn.utils.get_total_norm(gradients) if gradients else torch.zeros(())


class Interrupt:
    """Whether a person asked to stop."""

    def __init__(self) -> None:
        self.asked = False

    @contextmanager
    def watch(self) -> Iterator[Interrupt]:
        """Turn the first Ctrl-C (or SIGTERM) into `asked`; a second one interrupts at once.

        Outside the main thread nothing can be watched and Ctrl-C is left as it is.
        """
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        for number in before:
            signal.signal(number, self._note)
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
