"""Livers with tumours in four registered contrast phases, in the layout of nnU-Net."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.atomic import write_json
from samadapt.core.errors import ConfigError
from samadapt.core.rng import named_rng
from samadapt.data.phantoms.atlas import LABEL, Patient
from samadapt.data.phantoms.case import DEFAULT_SHAPE, DEFAULT_SPACING_MM, Shape, paint_case
from samadapt.data.phantoms.flare22 import CASES_FILE, write_nifti
from samadapt.data.phantoms.scanner import scan
from samadapt.data.phantoms.solids import Triple, ellipsoid

PHASES = ("arterial", "portal", "venous", "delayed")
"""About 30, 45, 70 and 180 s after the injection."""

LABELS = {"background": 0, "liver": 1, "tumour": 2}

_ENHANCEMENT: dict[str, tuple[float, float, float, float]] = {
    "aorta": (150, 60, 0, -45), "blood": (90, 40, 0, -40), "cortex of kidney": (25, 20, 0, -30),
    "kidney": (-80, -30, 0, 5), "spleen": (10, 12, 0, -25), "liver": (-42, -15, 0, -16),
    "liver vessel": (-70, 5, 0, -40), "vein": (-65, 0, 0, -38), "vena cava": (-85, -40, 0, -30),
    "pancreas": (15, 18, 0, -20), "bowel wall": (5, 8, 0, -12), "stomach wall": (5, 8, 0, -12),
    "muscle": (-8, -4, 0, 3), "adrenal": (10, 8, 0, -12),
}  # fmt: skip
"""HU of a tissue in each phase above its venous phase; round figures of textbooks, not taken from any data set."""

_TUMOURS: dict[str, tuple[float, float, float, float]] = {
    "arterial enhancing": (62, 50, 18, -8),
    "hypovascular": (-14, -8, -4, 6),
}
"""The same for a tumour: bright early and washed out late as hepatocellular carcinoma, or dark as many metastases."""


def write_multiphase(
    out: str | Path,
    cases: int,
    seed: int = 0,
    shape: Shape = DEFAULT_SHAPE,
    spacing_mm: Triple = DEFAULT_SPACING_MM,
) -> list[Path]:
    """Write livers with tumours in four contrast phases, one channel each, as nnU-Net stores its raw data.

    ``imagesTr/liver_0001_0000.nii.gz`` to ``_0003`` (int16 HU, in the order of `PHASES`),
    ``labelsTr/liver_0001.nii.gz`` (1 liver, 2 tumour), ``dataset.json``, and ``cases.json``, which says that they are
    generated and which kind of tumour each patient has. The phases share anatomy and grid; enhancement and noise
    differ. Case n is the same however many there are.

    Parameters
    ----------
    out : path
        Folder; made if absent.
    cases : int
        How many, at least 1.
    seed : int
    shape : tuple of int
        (Z, Y, X) of each volume.
    spacing_mm : tuple of float
        Mean voxel size (z, y, x).

    Returns
    -------
    list of Path
        The image files, phase by phase.

    Raises
    ------
    ConfigError, InvalidGeometry, DiskFull
    """
    if cases < 1:
        raise ConfigError(f"cases must be at least 1, not {cases}", where=out)
    folder, images, facts = Path(out), [], []
    for number in range(1, cases + 1):
        name = f"liver_{number:04d}"
        written, said = _write_case(folder, name, seed, shape, spacing_mm)
        images += written
        facts.append(said)
    channels = {str(i): f"CT {phase}" for i, phase in enumerate(PHASES)}
    header = {"channel_names": channels, "labels": LABELS, "numTraining": cases, "file_ending": ".nii.gz"}
    write_json(folder / "dataset.json", header)
    write_json(folder / CASES_FILE, {"format": "samadapt-multiphase", "version": 1, "seed": seed, "cases": facts})
    return images


def _write_case(
    folder: Path, name: str, seed: int, shape: Shape, spacing_mm: Triple
) -> tuple[list[Path], dict[str, Any]]:
    patient, grid = paint_case(name, seed=seed, shape=shape, spacing_mm=spacing_mm)
    rng = named_rng("phantom", seed, name, "tumours")
    count, kind = _paint_tumours(rng, patient), str(rng.choice(list(_TUMOURS)))
    images = []
    for number, phase in enumerate(PHASES):
        enhancement = {tissue: values[number] for tissue, values in _ENHANCEMENT.items()}
        enhancement["liver lesion"] = _TUMOURS[kind][number]
        tissues, noise = (named_rng("phantom", seed, name, *what) for what in (("scanner",), ("noise", phase)))
        voxels = scan(tissues, patient.canvas, enhancement, noise)
        images.append(folder / "imagesTr" / f"{name}_{number:04d}.nii.gz")
        write_nifti(voxels, grid, "RAS", images[-1])
    labels = _labels(patient)
    write_nifti(labels, grid, "RAS", folder / "labelsTr" / f"{name}.nii.gz")
    return images, {"name": name, "tumours": count, "kind": kind, "tumour_voxels": int((labels == 2).sum())}


def _paint_tumours(rng: np.random.Generator, patient: Patient) -> int:
    """One to three tumours of 8 to 25 mm radius around voxels of the liver, beside those that are there."""
    inside = np.argwhere(patient.canvas.where("liver"))
    count = int(rng.integers(1, 4)) if len(inside) else 0
    for place in inside[rng.integers(0, len(inside), count)] if count else ():
        centre = tuple(float(axis[tuple(place)]) for axis in patient.space.axes)
        radii = tuple(float(v) for v in rng.uniform(8, 25) * rng.uniform(0.8, 1.25, 3))
        angles = tuple(float(v) for v in rng.uniform(-60, 60, 3))
        solid = ellipsoid(patient.space, centre, radii, angles)  # type: ignore[arg-type]
        patient.canvas.paint(solid, "liver lesion", LABEL["liver"], over=("liver", "liver vessel"))
    return count


def _labels(patient: Patient) -> NDArray[np.uint8]:
    liver = patient.canvas.labels == LABEL["liver"]
    tumour = liver & patient.canvas.where("liver lesion")
    values: NDArray[np.uint8] = liver.astype(np.uint8) + tumour.astype(np.uint8)
    return values
