"""What the training split must hold before a run is worth starting."""

from __future__ import annotations

import numpy as np

from samadapt.core.errors import DataError
from samadapt.core.progress import say
from samadapt.data.store import Store
from samadapt.train.pictures import split_rows


def require_labelled(store: Store, split: str) -> None:
    """Refuse a split without a single labelled pixel; name the classes that it lacks.

    Raises
    ------
    DataError
        If no slice of the split is labelled.
    """
    present = _present(store, split)
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


def _present(store: Store, split: str) -> set[int]:
    inside = np.isin(store.objects["slice"], split_rows(store, split))
    return {int(value) for value in np.unique(store.objects["label"][inside])}
