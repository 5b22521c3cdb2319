"""From the predictions of a case to its rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from samadapt import metrics
from samadapt.study.label_maps import Subject, asked, background_figures, make_row, note, score_label_maps
from samadapt.study.predicting import UNITED, CasePredictions
from samadapt.study.prompting import numbers_of
from samadapt.study.rows import Row

if TYPE_CHECKING:
    from samadapt.core.image import LabelMap
    from samadapt.data.store import Store
    from samadapt.study.ledger import Ledger


def score_prompted(
    store: Store, case: int, found: CasePredictions, convention: str, ledger: Ledger | None = None
) -> Iterator[Row]:
    """Rows of every condition, label and object, then of the background, for prompted predictions.

    Pixels whose truth is the ignore value count as background, whatever was predicted there. A ledger also gets the
    figures of its own conventions; where it counts over label maps, the higher label wins.
    """
    subject, reference = Subject.of(store.cases[case]), store.label_map(case).values  # (Z, H, W)
    names = asked(convention, ledger)
    known = np.ones(reference.shape, dtype=bool)
    if store.label_set.ignore is not None:
        known = reference != store.label_set.ignore
    for condition, by_key in found.crops.items():
        answer = np.zeros(reference.shape, dtype=np.uint16)
        for (label, number), crops in sorted(by_key.items()):
            predicted = np.zeros(reference.shape, dtype=bool)
            for crop in crops:
                crop.paint(predicted)
            predicted &= known
            answer[predicted] = label
            target = _target(store, case, reference.shape, label, number)
            scores = _score_label(subject, target, predicted, label, names)
            head = (subject, condition, label, store.label_set[label].name, max(number, 0))
            row = make_row(*head, scores[convention], found.seconds)
            note(ledger, row, scores)
            yield row
        if ledger and by_key:
            ledger.count(subject.name, condition, reference, answer)
        figures = background_figures((reference == 0) | ~known, answer == 0)
        yield make_row(subject, condition, 0, "background", 0, figures, found.seconds)


def score_semantic(
    store: Store,
    case: int,
    predicted: LabelMap,
    convention: str,
    seconds: float,
    ledger: Ledger | None = None,
    choice: str = "semantic",
) -> Iterator[Row]:
    """Rows of every label and of the background for a prompt-free prediction."""
    pair = store.label_map(case).values, predicted.values
    told = ("none", "model", choice)
    yield from score_label_maps(
        Subject.of(store.cases[case]), *pair, store.label_set, told, convention, seconds, ledger
    )


def _target(store: Store, case: int, shape: tuple[int, ...], label: int, number: int) -> NDArray[np.bool_]:
    target = np.zeros(shape, dtype=bool)
    for index in numbers_of(store, case):
        row = store.objects[index]
        if row["label"] == label and number in (UNITED, row["object"]):
            target[int(row["z"])] |= store.mask(index)
    return target


def _score_label(
    subject: Subject,
    target: NDArray[np.bool_],
    predicted: NDArray[np.bool_],
    label: int,
    conventions: Sequence[str],
) -> dict[str, metrics.Score]:
    """Figures of one label by convention."""
    if not subject.is_volume:
        target, predicted = target[0], predicted[0]
    reference, answer = (mask * np.uint16(label) for mask in (target, predicted))
    scores = metrics.score_conventions(reference, answer, subject.spacing_mm, [label], conventions, slice_axis=0)
    return {name: found[label] for name, found in scores.items()}
