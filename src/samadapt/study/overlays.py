"""One slice of each case for the report: image, truth and prediction; the best, median and worst are kept."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.atomic import atomic_path
from samadapt.core.image import LabelMap
from samadapt.data.window import to_display
from samadapt.metrics import case_means
from samadapt.study.rows import Row

if TYPE_CHECKING:
    from samadapt.data.store import Store
    from samadapt.study.predicting import Crop

Crops = Mapping[tuple[int, int], "list[Crop]"]


def save_overlay(run: Path, store: Store, case: int, predicted: LabelMap | Crops) -> None:
    """Write the slice with the most labelled pixels as overlays/<case>.npz (image, truth, prediction, z)."""
    record = store.cases[case]
    z = _fullest_slice(store, case)
    shape = record.shape[1], record.shape[2]
    image = store.image(case, z)
    shown = to_display(image.pixels, image.window).round().astype(np.uint8)
    answer = _slice_of(predicted, z, shape)
    with atomic_path(run / "overlays" / f"{record.name}.npz") as path:
        np.savez_compressed(path, z=z, image=shown, truth=store.labels(case, z), prediction=answer)


def keep_best_median_worst(run: Path, rows: Sequence[Row], policy: str) -> None:
    """Rename the overlays of three cases to best_, median_ and worst_<case>.npz with their Dice; drop the rest."""
    chosen = [r for r in rows if r.prompts == policy and r.choice in ("predicted", "semantic") and r.label]
    dice = case_means([asdict(row) for row in chosen], "dice")
    ranked = sorted((value, name) for name, value in dice.items() if math.isfinite(value))
    if not ranked:
        return
    picks = {"best": ranked[-1], "median": ranked[len(ranked) // 2], "worst": ranked[0]}
    folder = run / "overlays"
    for rank, (value, name) in picks.items():
        with np.load(folder / f"{name}.npz") as arrays, atomic_path(folder / f"{rank}_{name}.npz") as path:
            image, truth, answer = arrays["image"], arrays["truth"], arrays["prediction"]
            np.savez_compressed(
                path, dice=value, case=name, rank=rank, z=arrays["z"], image=image, truth=truth, prediction=answer
            )
    for name in dice:
        (folder / f"{name}.npz").unlink(missing_ok=True)


def _fullest_slice(store: Store, case: int) -> int:
    rows = store.objects[store.objects_of(case)]
    if not len(rows):
        return store.cases[case].shape[0] // 2
    areas = np.bincount(rows["z"].astype(np.int64), weights=rows["area"])
    return int(areas.argmax())


def _slice_of(predicted: LabelMap | Crops, z: int, shape: tuple[int, int]) -> NDArray[Any]:
    if isinstance(predicted, LabelMap):
        values: NDArray[Any] = predicted.values if predicted.values.ndim == 2 else predicted.values[z]
        return values
    labels = np.zeros(shape, dtype=np.uint16)
    for (label, _), crops in predicted.items():
        for crop in crops:
            if crop.z == z:
                height, width = crop.mask.shape
                labels[crop.y : crop.y + height, crop.x : crop.x + width][crop.mask] = label
    return labels
