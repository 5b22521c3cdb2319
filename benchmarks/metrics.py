"""Surface metrics of 13 organs in a 512 x 512 x 100 volume: ours against MONAI, DeepMind and MedPy.

Every side computes on one thread and every figure that two sides share is asserted to be equal.

    pip install -c constraints.txt -e '.[bench]'
    OMP_NUM_THREADS=1 python benchmarks/metrics.py
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import alternate, compare, record
from samadapt import metrics

SHAPE, SPACING_MM, LABELS, TOLERANCE_MM = (100, 512, 512), (2.5, 0.8, 0.8), tuple(range(1, 14)), 2.0
MEDPY_LABELS = (5, 9)
CENTRE_LINES: tuple[tuple[tuple[float, ...], ...], ...] = (  # z, y, x, and semi-axes, in mm
    ((150, 190, 110, 80, 75, 65), (165, 150, 190, 45, 45, 45)),  # liver
    ((100, 250, 130, 55, 27, 25),),  # right kidney
    ((160, 250, 300, 50, 30, 40),),  # spleen
    ((120, 180, 170, 14, 16, 14), (130, 190, 215, 11, 11, 14), (140, 215, 270, 10, 10, 12)),  # pancreas
    ((20, 225, 210, 11, 11, 11), (120, 230, 215, 12, 12, 12), (230, 245, 212, 13, 13, 13)),  # aorta
    ((20, 225, 180, 11, 11, 13), (130, 220, 178, 12, 12, 14), (225, 190, 170, 12, 12, 14)),  # inferior vena cava
    ((152, 232, 165, 12, 4, 9),),  # right adrenal gland
    ((152, 232, 245, 12, 4, 9),),  # left adrenal gland
    ((110, 140, 140, 28, 16, 16),),  # gallbladder
    ((175, 232, 225, 8, 8, 8), (240, 240, 208, 8, 8, 8)),  # esophagus
    ((185, 170, 290, 35, 30, 32), (140, 130, 250, 30, 22, 28), (120, 150, 190, 18, 15, 18)),  # stomach
    ((115, 165, 165, 12, 12, 13), (80, 190, 150, 12, 12, 13), (65, 200, 190, 12, 12, 13), (85, 205, 240, 11, 11, 12)),
    ((105, 255, 300, 55, 27, 25),),  # left kidney
)
Labels = NDArray[np.uint8]
Figures = dict[int, dict[str, float]]


def organs(shift: float) -> Labels:
    """13 organs of roughly human size and shape; `shift` deforms their surfaces by a few voxels."""
    volume = np.zeros(SHAPE, dtype=np.uint8)
    for label, line in enumerate(CENTRE_LINES, start=1):
        points = np.array(line, dtype=float)
        steps = np.linspace(0, len(points) - 1, 40 if len(points) > 1 else 1)
        for t in steps:
            row = np.array([np.interp(t, range(len(points)), points[:, k]) for k in range(6)])
            _paint_ball(volume, label, row[:3] / SPACING_MM, row[3:] / SPACING_MM, shift)
    return volume


def _paint_ball(
    volume: Labels, label: int, centre: NDArray[np.float64], radii: NDArray[np.float64], shift: float
) -> None:
    low = np.maximum(np.floor(centre - 1.2 * radii).astype(int), 0)
    high = np.minimum(np.ceil(centre + 1.2 * radii).astype(int) + 1, SHAPE)
    box = tuple(slice(a, b) for a, b in zip(low, high))
    z, y, x = np.ogrid[box]
    dz, dy, dx = ((axis - c) / r for axis, c, r in zip((z, y, x), centre, radii))
    wave = np.sin(0.21 * y + 0.13 * z + label) * np.cos(0.19 * x - 0.17 * z)
    edge = 1 + 0.05 * wave + shift * (0.06 * np.cos(3 * np.arctan2(dy, dx) + label) + 0.04 * wave)
    volume[box][dz**2 + dy**2 + dx**2 <= edge**2] = label


def crops(truth: Labels, answer: Labels) -> dict[int, tuple[NDArray[np.bool_], NDArray[np.bool_]]]:
    """Both masks of every label, cut to their common box and one voxel more."""
    found = {}
    for label in LABELS:
        where = np.argwhere((truth == label) | (answer == label))
        low, high = np.maximum(where.min(axis=0) - 1, 0), where.max(axis=0) + 2
        box = tuple(slice(a, b) for a, b in zip(low, high))
        found[label] = (truth[box] == label, answer[box] == label)
    return found


def ours(truth: Labels, answer: Labels, convention: str, labels: tuple[int, ...] = LABELS) -> Figures:
    scores = metrics.score(
        truth, answer, spacing_mm=SPACING_MM, labels=labels, convention=convention, tolerances_mm=TOLERANCE_MM
    )
    return {label: {name: float(row[name]) for name in metrics.METRICS} for label, row in scores.items()}


def monai(pairs: dict[int, tuple[NDArray[np.bool_], NDArray[np.bool_]]]) -> Figures:
    import torch
    from monai.metrics import compute_dice, compute_hausdorff_distance, compute_surface_dice

    figures = {}
    for label, masks in pairs.items():
        truth, answer = (torch.from_numpy(mask)[None, None].float() for mask in masks)
        common: dict[str, Any] = {"include_background": True, "spacing": SPACING_MM}
        figures[label] = {
            "dice": float(compute_dice(answer, truth)),
            "hd95": float(compute_hausdorff_distance(answer, truth, percentile=95, **common)),
            "nsd": float(compute_surface_dice(answer, truth, [TOLERANCE_MM], **common)),
        }
    return figures


def deepmind(truth: Labels, answer: Labels) -> Figures:
    setattr(np, "Inf", np.inf)  # the package was written for NumPy 1  # noqa: B010
    import surface_distance

    figures = {}
    for label in LABELS:
        distances = surface_distance.compute_surface_distances(truth == label, answer == label, SPACING_MM)
        figures[label] = {
            "hd95": float(surface_distance.compute_robust_hausdorff(distances, 95)),
            "nsd": float(surface_distance.compute_surface_dice_at_tolerance(distances, TOLERANCE_MM)),
        }
    return figures


def medpy(truth: Labels, answer: Labels) -> Figures:
    from medpy.metric.binary import hd95

    return {label: {"hd95": float(hd95(answer == label, truth == label, SPACING_MM))} for label in MEDPY_LABELS}


def require_equal(mine: Figures, theirs: Figures, tolerance: float) -> float:
    """Largest difference of the figures of both; stops the benchmark where it exceeds `tolerance`."""
    differences = [abs(mine[label][name] - value) for label, row in theirs.items() for name, value in row.items()]
    if not differences or max(differences) > tolerance:
        raise SystemExit(f"the figures differ by {max(differences, default=float('nan'))}")
    return max(differences)


def require_one_thread() -> None:
    """Both sides must have the same cores: the thread pools read the variable when they load."""
    if os.environ.get("OMP_NUM_THREADS") != "1":
        raise SystemExit("set OMP_NUM_THREADS=1 first, so that both sides compute on one core")


def measure(sides: dict[str, Callable[[], object]], theirs: str, rounds: int) -> dict[str, float]:
    return compare(alternate(sides, rounds), "ours", theirs)


def main(rounds: int = 5) -> None:
    warnings.simplefilter("ignore")
    require_one_thread()
    truth, answer = organs(0.0), organs(0.9)
    pairs = crops(truth, answer)
    equal = {
        "monai": require_equal(ours(truth, answer, "monai"), monai(pairs), 1e-5),
        "deepmind": require_equal(ours(truth, answer, "deepmind"), deepmind(truth, answer), 1e-9),
    }
    against_monai = measure(
        {"ours": lambda: ours(truth, answer, "monai"), "monai": lambda: monai(pairs)}, "monai", rounds
    )
    against_deepmind = measure(
        {"ours": lambda: ours(truth, answer, "deepmind"), "deepmind": lambda: deepmind(truth, answer)},
        "deepmind",
        rounds,
    )
    start = time.perf_counter()
    slow = medpy(truth, answer)
    medpy_s = time.perf_counter() - start
    quick = alternate({"ours": lambda: ours(truth, answer, "medpy", MEDPY_LABELS)}, rounds)["ours"]
    equal["medpy"] = require_equal(ours(truth, answer, "medpy", MEDPY_LABELS), slow, 1e-9)
    counts = np.bincount(truth.ravel(), minlength=14)[1:]
    record(
        "metrics",
        {
            "volume": f"{SHAPE[2]} x {SHAPE[1]} x {SHAPE[0]}, 13 labels of {counts.min()} to {counts.max()} voxels",
            "ours_computes": "Dice, IoU, HD, HD95, ASSD and NSD of 13 labels from the whole volume, one thread",
            "all_conventions_s": {
                name: float(np.median(alternate({name: lambda: ours(truth, answer, name)}, 3)[name]))  # noqa: B023
                for name in metrics.conventions()
            },
            "monai": against_monai | {"computes": "Dice, HD95, NSD; crops given"},
            "deepmind": against_deepmind | {"computes": "HD95, NSD; whole volume"},
            "medpy": {"labels": list(MEDPY_LABELS), "medpy_s": medpy_s, "ours_s": float(np.median(quick))}
            | {"computes": "HD95 of two labels; whole volume, timed once"},
            "largest_difference": equal,
            "times_faster_than_monai": against_monai["ratio"],
            "times_faster_than_deepmind": against_deepmind["ratio"],
            "times_faster_than_medpy": medpy_s / float(np.median(quick)),
        },
        {
            "times_faster_than_monai": (">=", 10.0),
            "times_faster_than_deepmind": (">=", 2.0),
            "times_faster_than_medpy": (">=", 100.0),
        },
    )


if __name__ == "__main__":
    main()
