"""One label set for several datasets."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import LabelError
from samadapt.core.image import Label, LabelSet

_LARGEST = 65535


@dataclass(frozen=True)
class Merged:
    """A label set that has taken in another one.

    Attributes
    ----------
    label_set : LabelSet
        Of the store.
    values : dict of int to int
        Value in the dataset's label maps to value in the store, the ignore value included.
    """

    label_set: LabelSet
    values: dict[int, int]


def merge(store: LabelSet | None, added: LabelSet, *, where: object = None) -> Merged:
    """Take the classes of a dataset into a store.

    A class with the anatomy and side (or, where there is no anatomy, the name) of one that is already there
    shares its value; another keeps its own value if that is free, else gets the next free one. A class annotated
    on two modalities names both ("CT+MR").

    Parameters
    ----------
    store : LabelSet or None
        None for the first dataset, which keeps its values.
    added : LabelSet

    Raises
    ------
    LabelError
        If there is no value below 65536 left.
    """
    by_value = {label.value: label for label in store.labels} if store else {}
    known = {_key(label): label.value for label in by_value.values()}
    ignore = store.ignore if store else None
    values: dict[int, int] = {}
    fresh = [label for label in added.labels if _key(label) not in known]
    for label in added.labels:
        if _key(label) in known:
            values[label.value] = value = known[_key(label)]
            by_value[value] = replace(by_value[value], modality=_modalities(by_value[value], label))
    for label in fresh:
        values[label.value] = value = _free(label.value, by_value, ignore, where)
        by_value[value] = replace(label, value=value)
    if added.ignore is not None:
        ignore = _free(added.ignore, by_value, None, where) if ignore is None else ignore
        values[added.ignore] = ignore
    return Merged(LabelSet(tuple(by_value.values()), ignore), values)


def remap(values: NDArray[Any], table: dict[int, int], label_set: LabelSet, *, where: object = None) -> NDArray[Any]:
    """Label values of a dataset as values of the store.

    Parameters
    ----------
    values : ndarray, unsigned integer
        One slice.
    table : dict of int to int
        See `Merged.values`; 0 stays 0.
    label_set : LabelSet
        Of the dataset, for the message.

    Returns
    -------
    ndarray, uint8 or uint16
        The array itself where nothing changes.

    Raises
    ------
    LabelError
        If a value is not in the table.
    """
    if not values.any():
        return values.astype(np.uint8, copy=False)
    top = int(values.max())
    largest = max(table, default=0)
    lookup = np.full(largest + 1, -1, dtype=np.int32)
    lookup[[0, *table]] = [0, *table.values()]
    if top > largest or (len(table) < largest and (lookup[np.flatnonzero(np.bincount(values.ravel()))] < 0).any()):
        label_set.require_known(values, where=where)
    dtype = np.uint8 if max(table.values()) < 256 else np.uint16
    if all(old == new for old, new in table.items()):
        return values.astype(dtype, copy=False)
    found: NDArray[Any] = lookup.astype(dtype)[values]
    return found


def _key(label: Label) -> tuple[str, str]:
    return " ".join((label.anatomy or label.name).lower().split()), label.side.lower()


def _modalities(one: Label, other: Label) -> str:
    found = [part for part in (*one.modality.split("+"), *other.modality.split("+")) if part]
    return "+".join(dict.fromkeys(found))


def _free(wanted: int, taken: dict[int, Label], ignore: int | None, where: object) -> int:
    """`wanted` if no class has it, else the value after the largest class."""
    value = wanted
    if value in taken or value == ignore or value == 0:
        value = max(taken, default=0) + 1
        value += value == ignore
    if value > _LARGEST:
        raise LabelError(
            f"label value {value} is larger than {_LARGEST}",
            where=where,
            remedy="Number the classes from 1; instance numbers are not classes.",
        )
    return value
