"""From the predictions of a case to its rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from samadapt import metrics
from samadapt.study.predicting import CasePredictions, Condition
from samadapt.study.rows import Row

if TYPE_CHECKING:
    from samadapt.core.image import LabelMap
    from samadapt.data.store import CaseRecord, Store

NAN = float("nan")


def score_prompted(store: Store, case: int, found: CasePredictions, convention: str) -> Iterator[Row]:
    """Rows of every condition, label and object, then of the background, for prompted predictions."""
    record, truth = store.cases[case], store.label_map(case)
    reference = truth.values.reshape(-1, *truth.values.shape[-2:])  # (Z, H, W)
    for condition, by_key in found.crops.items():
        union = np.zeros(reference.shape, dtype=bool)
        for (label, number), crops in sorted(by_key.items()):
            predicted = np.zeros(reference.shape, dtype=bool)
            for crop in crops:
                crop.paint(predicted)
            union |= predicted
            target = _target(store, case, reference, label, number)
            figures = _score_one(target, predicted, label, truth.grid.spacing_mm, convention)
            yield _row(record, condition, label, store.label_set[label].name, number, figures, found.seconds)
        figures = _background(reference == 0, ~union)
        yield _row(record, condition, 0, "background", 0, figures, found.seconds)


def score_semantic(
    record: CaseRecord, truth: LabelMap, predicted: LabelMap, names: Mapping[int, str], convention: str, seconds: float
) -> Iterator[Row]:
    """Rows of every label and of the background for a prompt-free prediction."""
    condition = ("none", "model", "semantic")
    scores = metrics.score(truth.values, predicted.values, truth.grid.spacing_mm, list(names), convention)
    for label, figures in scores.items():
        yield _row(record, condition, label, names[label], 0, figures, seconds)
    figures = _background(truth.values == 0, predicted.values == 0)
    yield _row(record, condition, 0, "background", 0, figures, seconds)


def _target(store: Store, case: int, reference: NDArray[Any], label: int, number: int) -> NDArray[np.bool_]:
    rows = store.objects[(store.objects["case"] == case) & (store.objects["label"] == label)]
    if number:
        rows = rows[rows["object"] == number]
    target = np.zeros(reference.shape, dtype=bool)
    for row in rows:
        target[int(row["z"])] |= store.mask(row)
    return target


def _score_one(
    target: NDArray[np.bool_], predicted: NDArray[np.bool_], label: int, spacing_mm: tuple[float, ...], convention: str
) -> dict[str, Any]:
    if len(spacing_mm) == 2:
        target, predicted = target[0], predicted[0]
    dtype = np.uint8 if label < 256 else np.uint16
    pair = (mask.astype(dtype) * dtype(label) for mask in (target, predicted))
    return dict(metrics.score(*pair, spacing_mm=spacing_mm, labels=[label], convention=convention)[label])


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
    wanted = ("dice", "iou", "hd95", "assd", "nsd", "tolerance_mm")
    values = {key: NAN if figures.get(key) is None else float(figures[key]) for key in wanted}
    counts = {key: int(figures[key]) for key in ("reference_voxels", "prediction_voxels")}
    prompts, method, choice = condition
    head = {"case": record.name, "patient": record.patient, "label": label, "name": name, "object": number}
    return Row(**head, prompts=prompts, method=method, choice=choice, **values, **counts, seconds=seconds)
