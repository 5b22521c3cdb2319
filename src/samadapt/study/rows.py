"""One row per case, label, prompt policy and choice; and the summary of many rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from samadapt.metrics import Mean, class_means, dataset_mean

FIGURES = ("dice", "iou", "hd95", "assd", "nsd")


@dataclass(frozen=True)
class Row:
    """One measured figure set.

    Attributes
    ----------
    method : {"model", "ellipse"}
        "ellipse" is the trivial baseline: the ellipse inscribed in the tight box of the truth.
    choice : {"predicted", "oracle", "semantic", "samed", "baseline"}
        Which of several masks was taken: by the model's own predicted IoU, or the best one by the truth. Without
        prompts: the model's own label map, or that of SAMed's test.
    label : int
        0 is the background (overlap figures only).
    hd95, assd : float, millimetres
    seconds : float
        Model time spent on the whole case, without that of a published test beside it.
    modality : str
        "CT", "MR", ... as the store says; "" where it does not.
    masks : int
        Masks that Dice and IoU are the mean of: slices under a convention that scores each by itself, else 1.
    """

    case: str
    patient: str
    label: int
    name: str
    object: int
    prompts: str
    method: str
    choice: str
    dice: float
    iou: float
    hd95: float
    assd: float
    nsd: float
    tolerance_mm: float
    reference_voxels: int
    prediction_voxels: int
    seconds: float
    modality: str = ""
    masks: int = 1


def to_csv(rows: Iterable[Any], kind: type[Any] = Row) -> str:
    """Rows, or other records of one dataclass, as CSV text with a header; floats keep full precision."""
    text = io.StringIO()
    writer = csv.DictWriter(text, [f.name for f in fields(kind)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    return text.getvalue()


def summarise(rows: Sequence[Row], seed: int) -> list[dict[str, Any]]:
    """Mean, 95 % bootstrap interval over cases and count, for each condition and label.

    Returns
    -------
    list of dict
        Keys prompts, method, choice, label, name, figure, mean, low, high, n (cases in the mean) and left_out (rows
        whose figure is infinite or undefined, such as the HD95 of a missed organ: a mean that hides misses says so).
        The labels "mean without background" and "mean with background" average the classes of a case first, then
        the cases.
    """
    conditions = sorted({(r.prompts, r.method, r.choice) for r in rows})
    entries: list[dict[str, Any]] = []
    for condition in conditions:
        chosen = [r for r in rows if (r.prompts, r.method, r.choice) == condition]
        entries += _of_condition(condition, chosen, seed)
    return entries


def _of_condition(condition: tuple[str, str, str], rows: list[Row], seed: int) -> list[dict[str, Any]]:
    head = dict(zip(("prompts", "method", "choice"), condition))
    names = {row.label: row.name for row in rows}
    plain = [asdict(row) for row in rows]
    entries = []
    for figure in FIGURES:
        for label, mean in class_means(plain, figure, seed).items():
            entries.append(head | {"label": label, "name": names[label]} | _entry(figure, mean))
        for name, background in (("mean without background", False), ("mean with background", True)):
            if not background or figure in ("dice", "iou"):
                mean = dataset_mean(plain, figure, background=background, seed=seed)
                entries.append(head | {"label": name, "name": name} | _entry(figure, mean))
    return entries


def _entry(figure: str, mean: Mean) -> dict[str, Any]:
    numbers = {"mean": mean.value, "low": mean.low, "high": mean.high}
    defined = {key: value if mean.n else None for key, value in numbers.items()}
    return {"figure": figure} | defined | {"n": mean.n, "left_out": mean.undefined + mean.infinite}
