"""Initial values of new layers that depend on their purpose and a seed, not on what ran before."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from samadapt.core.rng import named_seed


@contextmanager
def seeded(*names: object) -> Iterator[None]:
    """Seed torch's CPU generator by name inside the block and restore it afterwards.

    torch's layers draw their initial values from the global generator and take no other.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(named_seed(*names) % 2**63)
        yield
