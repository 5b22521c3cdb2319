"""Splits by patient: no patient is in two splits, and the draw depends on names and seed alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from samadapt.core.errors import ConfigError, DataError
from samadapt.core.rng import named_seed

SPLITS = ("train", "val", "test")


def check_proportions(splits: Mapping[str, float]) -> None:
    """Raise `ConfigError` unless `splits` are shares of train, val and test that add up to 1."""
    unknown = sorted(set(splits) - set(SPLITS))
    if unknown:
        raise ConfigError(f"there is no split called {unknown[0]!r}", where="splits", remedy=f"Use {SPLITS}.")
    if any(not 0 <= share <= 1 for share in splits.values()) or abs(sum(splits.values()) - 1) > 1e-6:
        raise ConfigError(
            f"the shares {dict(splits)} must lie in 0..1 and add up to 1",
            where="splits",
            remedy="For example {train: 0.7, val: 0.1, test: 0.2}.",
        )


def draw_splits(patients: Sequence[str], splits: Mapping[str, float], seed: int) -> dict[str, str]:
    """Split of every patient.

    Patients are ordered by a hash of seed and name and cut in the proportions asked for, so the sizes are exact
    and the order of `patients` does not matter.

    Parameters
    ----------
    patients : sequence of str
        Repeated names count once.
    splits : mapping of str to float
        Shares of "train", "val" and "test".
    seed : int

    Returns
    -------
    dict of str to str
        Every split with a positive share gets at least one patient if there are that many patients.
    """
    check_proportions(splits)
    ordered = sorted(set(patients), key=lambda patient: (named_seed("split", seed, patient), patient))
    found: dict[str, str] = {}
    start = 0
    for name, count in _counts(len(ordered), splits).items():
        found |= dict.fromkeys(ordered[start : start + count], name)
        start += count
    return found


def nested_part(patients: Iterable[str], fraction: float, seed: int) -> set[str]:
    """Some of the patients, such that a smaller fraction is part of every larger one.

    Parameters
    ----------
    patients : iterable of str
        Repeated names count once; their order does not matter.
    fraction : float
        Above 0, at most 1; rounded up, so that at least one patient remains.
    seed : int

    Raises
    ------
    ConfigError
        If the fraction is outside.
    """
    if not 0 < fraction <= 1:
        raise ConfigError(f"a fraction of the patients lies above 0 and at most at 1, not {fraction}")
    ordered = sorted(set(patients), key=lambda patient: (named_seed("part", seed, patient), patient))
    return set(ordered[: math.ceil(round(fraction * len(ordered), 9))])


def assign_splits(
    patients: Sequence[str],
    splits: Mapping[str, float],
    seed: int,
    given: Sequence[str | None] | None = None,
    *,
    where: object = None,
) -> list[str]:
    """Split of every case: the dataset's own where it has one, else drawn by patient.

    Parameters
    ----------
    patients : sequence of str
        Patient of each case.
    splits, seed : see `draw_splits`
    given : sequence of str or None
        The dataset's own split of each case, None where it has none. Another case of the same patient follows it.

    Raises
    ------
    DataError
        If the dataset puts a patient into two splits, or knows a split of another name.
    """
    fixed = _given(patients, given or [None] * len(patients), where)
    drawn = draw_splits([patient for patient in patients if patient not in fixed], splits, seed)
    return [fixed.get(patient) or drawn[patient] for patient in patients]


def _given(patients: Sequence[str], given: Sequence[str | None], where: object) -> dict[str, str]:
    fixed: dict[str, str] = {}
    for patient, split in zip(patients, given):
        if split is None:
            continue
        if split not in SPLITS:
            raise DataError(f"the dataset has a split called {split!r}", where=where, remedy=f"Use one of {SPLITS}.")
        if fixed.setdefault(patient, split) != split:
            raise DataError(
                f"patient {patient!r} is in two splits, {fixed[patient]!r} and {split!r}",
                where=where,
                remedy="Figures on leaking data mean nothing: correct the split so that a patient is in one only.",
            )
    return fixed


def _counts(total: int, splits: Mapping[str, float]) -> dict[str, int]:
    """Patients of each split: largest remainders, then at least one each, taken from the largest."""
    shares = {name: splits.get(name, 0.0) for name in SPLITS if splits.get(name, 0.0) > 0}
    counts = {name: int(total * share + 1e-9) for name, share in shares.items()}
    by_remainder = sorted(shares, key=lambda name: counts[name] - total * shares[name])
    for name in by_remainder[: total - sum(counts.values())]:
        counts[name] += 1
    for name in counts:
        largest = max(counts, key=lambda other: counts[other])
        if counts[name] == 0 and counts[largest] > 1:
            counts[name] += 1
            counts[largest] -= 1
    return counts
