"""Equality with the published implementations, from stored figures."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from samadapt import metrics

FIGURES = {
    "flare22_dsc": ("flare22", "dice"),
    "flare22_nsd": ("flare22", "nsd"),
    "dsc": ("strict", "dice"),
    "iou": ("strict", "iou"),
    "nsd_full": ("strict", "nsd"),
    "medpy_hd95_spacing": ("medpy", "hd95"),
    "medpy_hd95_no_spacing": ("transunet", "hd95"),
    "medpy_hd_spacing": ("medpy", "hd"),
    "medpy_assd_spacing": ("medpy", "assd"),
}


@pytest.mark.parametrize("order", ["as stored", "slices first"])
def test_every_published_figure(golden: Path, order: str) -> None:
    records = json.loads((golden / "metrics.json").read_text())
    arrays = np.load(golden / "metrics.npz")
    compared = 0
    for case in sorted({record["case"] for record in records}):
        rows = [record for record in records if record["case"] == case]
        spacing = rows[0]["spacing"]
        reference, prediction = arrays[f"gt{case}"], arrays[f"pred{case}"]
        if order == "slices first":
            spacing = spacing[::-1]
            reference, prediction = reference.transpose(2, 1, 0), prediction.transpose(2, 1, 0)
        tolerances = {row["label"]: row["tolerance_mm"] for row in rows}
        labels = [row["label"] for row in rows]
        scores = {
            name: metrics.score(reference, prediction, spacing, labels, name, tolerances_mm=tolerances)
            for name, _ in FIGURES.values()
        }
        for row in rows:
            for key, (convention, figure) in FIGURES.items():
                if row.get(key) is not None and not math.isnan(row[key]):
                    assert scores[convention][row["label"]][figure] == pytest.approx(row[key], abs=1e-6), (key, row)
                    compared += 1
    assert compared > 300
