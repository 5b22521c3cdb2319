"""From the predictions of a case to its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from samadapt import metrics
from samadapt.study.predicting import UNITED, CasePredictions, Condition
from samadapt.study.prompting import numbers_of
from samadapt.study.rows import Row

if TYPE_CHECKING:
    from samadapt.core.image import LabelMap
    from samadapt.data.records import CaseRecord
    from samadapt.data.store import Store

NAN = float("nan")
FLOATS = ("dice", "iou", "hd95", "assd", "nsd", "tolerance_mm")


def score_prompted(store: Store, case: int, found: CasePredictions, convention: str) -> Iterator[Row]:
    """Rows of every condition, label and object, then of the background, for prompted predictions."""
    record, reference = store.cases[case], store.label_map(case).values  # (Z, H, W)
    for condition, by_key in found.crops.items():
        union = np.zeros(reference.shape, dtype=bool)
        for (label, number), crops in sorted(by_key.items()):
            predicted = np.zeros(reference.shape, dtype=bool)
            for crop in crops:
                crop.paint(predicted)
            union |= predicted
            target = _target(store, case, reference.shape, label, number)
            figures = _score_label(record, target, predicted, label, convention)
            yield _row(record, condition, label, store.label_set[label].name, max(number, 0), figures, found.seconds)
        figures = _background(reference == 0, ~union)
        yield _row(record, condition, 0, "background", 0, figures, found.seconds)


def score_semantic(store: Store, case: int, predicted: LabelMap, convention: str, seconds: float) -> Iterator[Row]:
    """Rows of every label and of the background for a prompt-free prediction."""
    record, names = store.cases[case], store.label_set.names
    condition = ("none", "model", "semantic")
    reference = store.label_map(case).values
    answer = predicted.values.reshape(reference.shape)
    if store.label_set.ignore is not None:
        answer = np.where(reference == store.label_set.ignore, 0, answer)
        reference = np.where(reference == store.label_set.ignore, 0, reference)
    if not record.is_volume:
        reference, answer = reference[0], answer[0]
    scores = metrics.score(
        reference, answer, spacing_mm=_spacing(record), labels=list(names), convention=convention, slice_axis=0
    )
    for label, figures in scores.items():
        yield _row(record, condition, label, names[label], 0, figures, seconds)
    yield _row(record, condition, 0, "background", 0, _background(reference == 0, answer == 0), seconds)


def _spacing(record: CaseRecord) -> tuple[float, ...]:
    return record.spacing_mm[-3:] if record.is_volume else record.spacing_mm[-2:]


def _target(store: Store, case: int, shape: tuple[int, ...], label: int, number: int) -> NDArray[np.bool_]:
    target = np.zeros(shape, dtype=bool)
    for index in numbers_of(store, case):
        row = store.objects[index]
        if row["label"] == label and number in (UNITED, row["object"]):
            target[int(row["z"])] |= store.mask(index)
    return target


def _score_label(
    record: CaseRecord, target: NDArray[np.bool_], predicted: NDArray[np.bool_], label: int, convention: str
) -> dict[str, Any]:
    if not record.is_volume:
        target, predicted = target[0], predicted[0]
    reference, answer = (mask * np.uint16(label) for mask in (target, predicted))
    spacing = _spacing(record)
    scores = metrics.score(reference, answer, spacing_mm=spacing, labels=[label], convention=convention, slice_axis=0)
    return dict(scores[label])


def _background(target: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> dict[str, Any]:
    both, total = int((target & predicted).sum()), int(target.sum()) + int(predicted.sum())
    dice = 2 * both / total if total else 1.0
    iou = both / (total - both) if total else 1.0
    counts = {"reference_voxels": int(target.sum()), "prediction_voxels": int(predicted.sum())}
    return {"dice": dice, "iou": iou, "hd95": NAN, "assd": NAN, "nsd": NAN, "tolerance_mm": NAN} | counts


def _row(
    record: CaseRecord,
    condition: Condition,
    label: int,
    name: str,
    number: int,
    figures: Mapping[str, Any],
    seconds: float,
) -> Row:
    values = {key: NAN if figures.get(key) is None else float(figures[key]) for key in FLOATS}
    prompts, method, choice = condition
    return Row(
        case=record.name,
        patient=record.patient,
        label=label,
        name=name,
        object=number,
        prompts=prompts,
        method=method,
        choice=choice,
        **values,
        reference_voxels=int(figures["reference_voxels"]),
        prediction_voxels=int(figures["prediction_voxels"]),
        seconds=seconds,
    )
