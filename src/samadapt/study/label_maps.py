"""Rows from two label maps of one case, whatever made the second one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from samadapt import metrics
from samadapt.study.rows import Row

if TYPE_CHECKING:
    from samadapt.core.image import LabelSet
    from samadapt.data.records import CaseRecord
    from samadapt.study.ledger import Ledger

NAN = float("nan")
FLOATS = ("dice", "iou", "hd95", "assd", "nsd", "tolerance_mm")

Condition = tuple[str, str, str]
"""(prompts, method, choice)."""


@dataclass(frozen=True)
class Subject:
    """A case that is scored.

    Attributes
    ----------
    name, patient : str
    spacing_mm : tuple of float
        Of what is scored, in array order: three of a volume, two of a 2-D image.
    is_volume : bool
    slices : int
    modality : str
        "" where it is not stated.
    """

    name: str
    patient: str
    spacing_mm: tuple[float, ...]
    is_volume: bool
    slices: int = 1
    modality: str = ""

    @classmethod
    def of(cls, record: CaseRecord) -> Subject:
        """A case of a store, without its axis of length 1 where it is a 2-D image."""
        spacing = record.spacing_mm[-3:] if record.is_volume else record.spacing_mm[-2:]
        return cls(record.name, record.patient, spacing, record.is_volume, record.shape[0], record.modality)


def score_label_maps(
    subject: Subject,
    reference: NDArray[Any],
    answer: NDArray[Any],
    label_set: LabelSet,
    condition: Condition,
    convention: str,
    seconds: float,
    ledger: Ledger | None = None,
) -> Iterator[Row]:
    """Rows of every label and of the background for two label maps of one case, whatever made the second one.

    Parameters
    ----------
    reference, answer : ndarray of shape (H, W) or (Z, Y, X), unsigned integer
        Equal but for an axis of length 1. Pixels whose reference is the ignore value become background in both.
    """
    shape = reference.shape if subject.is_volume else reference.shape[-2:]
    reference, answer = reference.reshape(shape), answer.reshape(shape)
    if ledger:
        ledger.count(subject.name, condition, reference, answer)
    if label_set.ignore is not None:
        answer = np.where(reference == label_set.ignore, 0, answer)
        reference = np.where(reference == label_set.ignore, 0, reference)
    names = asked(convention, ledger)
    labels, spacing = list(label_set.values), subject.spacing_mm
    scores = metrics.score_conventions(reference, answer, spacing, labels, names, slice_axis=0)
    for label in labels:
        figures = {name: scores[name][label] for name in names}
        row = make_row(subject, condition, label, label_set[label].name, 0, figures[convention], seconds)
        note(ledger, row, figures)
        yield row
    yield make_row(subject, condition, 0, "background", 0, background_figures(reference == 0, answer == 0), seconds)


def asked(convention: str, ledger: Ledger | None) -> tuple[str, ...]:
    """The convention of the rows, and those of a ledger."""
    return tuple(dict.fromkeys((convention, *(ledger.conventions if ledger else ()))))


def note(ledger: Ledger | None, row: Row, scores: Mapping[str, Mapping[str, Any]]) -> None:
    """Tell a ledger, if there is one, what the conventions say of the object of a row."""
    if ledger:
        ledger.add(asdict(row), scores)


def background_figures(target: NDArray[np.bool_], predicted: NDArray[np.bool_]) -> dict[str, Any]:
    """Dice and IoU of two background masks, 1 where both are empty; distances are undefined."""
    both, total = int((target & predicted).sum()), int(target.sum()) + int(predicted.sum())
    dice = 2 * both / total if total else 1.0
    iou = both / (total - both) if total else 1.0
    counts = {"reference_voxels": int(target.sum()), "prediction_voxels": int(predicted.sum())}
    return {"dice": dice, "iou": iou, "hd95": NAN, "assd": NAN, "nsd": NAN, "tolerance_mm": NAN} | counts


def make_row(
    subject: Subject,
    condition: Condition,
    label: int,
    name: str,
    number: int,
    figures: Mapping[str, Any],
    seconds: float,
) -> Row:
    """Row of one label (and object number) of a case; figures that are missing or None become NaN."""
    values = {key: NAN if figures.get(key) is None else float(figures[key]) for key in FLOATS}
    prompts, method, choice = condition
    return Row(
        case=subject.name,
        patient=subject.patient,
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
        modality=subject.modality,
        masks=int(figures.get("masks", 1)),
    )
