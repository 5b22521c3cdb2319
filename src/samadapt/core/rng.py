"""Random generators by name, so that neither order nor the number of workers changes a result."""

from __future__ import annotations

import hashlib

import numpy as np


def named_seed(*names: object) -> int:
    """64-bit seed that depends on the names alone.

    Parameters
    ----------
    *names : object
        Anything with a stable `str`: a run seed, a case name, a slice, an object, a round.

    Returns
    -------
    int
        In [0, 2**64).
    """
    text = "\x1f".join(str(name) for name in names)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")


def named_rng(*names: object) -> np.random.Generator:
    """Generator seeded by `named_seed` of the same names."""
    return np.random.default_rng(named_seed(*names))
