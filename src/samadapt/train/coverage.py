"""What the training split must hold before a run is worth starting."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import DataError
from samadapt.core.progress import say
from samadapt.data.store import Store


def require_labelled(store: Store, split: str, rows: NDArray[np.int64]) -> None:
    """Refuse slices of a split without a single labelled pixel; name the classes that it lacks.

    Raises
    ------
    DataError
        If no slice of the split is labelled.
    """
    present = _present(store, rows)
    if not present:
        raise DataError(
            f"the split {split!r} has no slices with anything to learn: every label is background",
            where=store.path,
            remedy="Check the labels with samadapt doctor, prepare the store with other splits, or set train_split.",
        )
    absent = [label.name for label in store.label_set.labels if label.value not in present]
    if absent:
        say(
            f"{store.path}: no case of the split {split!r} has {', '.join(absent)}, so it cannot be learnt. "
            "Prepare the store with another seed or other splits, or leave the class out."
        )


def _present(store: Store, rows: NDArray[np.int64]) -> set[int]:
    inside = np.isin(store.objects["slice"], rows)
    return {int(value) for value in np.unique(store.objects["label"][inside])}
