"""One phantom patient by name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from samadapt.core.errors import InvalidGeometry
from samadapt.core.grid import Grid
from samadapt.core.image import LabelMap, Volume
from samadapt.core.rng import named_rng
from samadapt.data.phantoms.atlas import MISSING_CHANCE, ORGANS, Patient, paint_patient
from samadapt.data.phantoms.scanner import TISSUES, scan
from samadapt.data.phantoms.solids import Canvas, Space, Triple

Shape = tuple[int, int, int]
DEFAULT_SHAPE: Shape = (40, 128, 128)
DEFAULT_SPACING_MM: Triple = (5.0, 2.8, 2.8)
_SMALLEST: Shape = (4, 32, 32)


@dataclass(frozen=True, eq=False)
class PhantomCase:
    """A phantom with what was left out of it.

    Attributes
    ----------
    name : str
    volume : Volume
        int16 Hounsfield units, canonical LPS.
    labels : LabelMap
        0 background, 1..13 in the order of FLARE22.
    missing : tuple of str
        Organs that this patient lacks altogether (as opposed to organs outside the field of view).
    """

    name: str
    volume: Volume
    labels: LabelMap
    missing: tuple[str, ...]


def phantom(
    name: str, *, seed: int = 0, shape: Shape = DEFAULT_SHAPE, spacing_mm: Triple = DEFAULT_SPACING_MM
) -> tuple[Volume, LabelMap]:
    """Labelled phantom of an abdominal CT in the portal venous phase.

    Parameters
    ----------
    name : str
        Name of the patient. The result depends on the arguments alone.
    seed : int
    shape : tuple of int
        (Z, Y, X), at least (4, 32, 32).
    spacing_mm : tuple of float
        Mean voxel size (z, y, x); each patient's own differs by up to some ten percent.

    Returns
    -------
    volume : Volume
        int16 Hounsfield units, canonical LPS, modality "CT".
    labels : LabelMap
        uint8, 13 organs in the order of FLARE22 on the same grid.

    Raises
    ------
    InvalidGeometry
        If the shape is too small or the spacing is not positive.
    """
    case = make_case(name, seed=seed, shape=shape, spacing_mm=spacing_mm)
    return case.volume, case.labels


def make_case(
    name: str, *, seed: int = 0, shape: Shape = DEFAULT_SHAPE, spacing_mm: Triple = DEFAULT_SPACING_MM
) -> PhantomCase:
    """As `phantom`, with the list of missing organs."""
    patient, grid = paint_case(name, seed=seed, shape=shape, spacing_mm=spacing_mm)
    canvas = patient.canvas
    voxels = scan(named_rng("phantom", seed, name, "scanner"), canvas)
    volume = Volume(voxels, grid, modality="CT", source=name)
    return PhantomCase(name, volume, LabelMap(canvas.labels, grid, source=name), tuple(sorted(patient.missing)))


def paint_case(name: str, *, seed: int, shape: Shape, spacing_mm: Triple) -> tuple[Patient, Grid]:
    """Tissues and organs of a patient before any scan, and the grid they lie on."""
    _check(shape, spacing_mm)
    rng = named_rng("phantom", seed, name, "patient")
    spacing = _own_spacing(rng, spacing_mm)
    canvas = Canvas(shape, TISSUES)
    patient = Patient(rng, _pose(rng, shape, spacing), canvas, _missing(rng), float(rng.uniform(8, 28)))
    paint_patient(patient)
    return patient, _grid(rng, shape, spacing)


def _check(shape: Shape, spacing_mm: Triple) -> None:
    if len(shape) != 3 or any(n < least for n, least in zip(shape, _SMALLEST)):
        raise InvalidGeometry(f"a phantom needs a shape (Z, Y, X) of at least {_SMALLEST}, not {tuple(shape)}")
    if len(spacing_mm) != 3 or not all(np.isfinite(s) and s > 0 for s in spacing_mm):
        raise InvalidGeometry(f"spacing must be three positive numbers of millimetres, not {tuple(spacing_mm)}")


def _own_spacing(rng: np.random.Generator, mean: Triple) -> Triple:
    along, across = rng.uniform(0.88, 1.12), rng.uniform(0.95, 1.1)
    return round(mean[0] * along, 3), round(mean[1] * across, 5), round(mean[2] * across, 5)


def _pose(rng: np.random.Generator, shape: Shape, spacing: Triple) -> Space:
    size = float(np.exp(rng.normal(0, 0.06)))
    scale = tuple(float(v) for v in size * np.exp(rng.normal(0, 0.04, 3)))
    centre = (float(rng.uniform(-18, 18)), float(rng.normal(-8, 5)), float(rng.normal(0, 5)))
    return Space(rng, shape, spacing, centre, scale, float(rng.uniform(2.5, 6.0)))  # type: ignore[arg-type]


def _missing(rng: np.random.Generator) -> frozenset[str]:
    absent = {organ for organ, chance in MISSING_CHANCE.items() if rng.random() < chance}
    if {"left kidney", "right kidney"} <= absent:
        absent.discard("left kidney")
    assert absent <= set(ORGANS.values())
    return frozenset(absent)


def _grid(rng: np.random.Generator, shape: Shape, spacing: Triple) -> Grid:
    affine = Grid.from_spacing(shape, spacing).affine.copy()
    z, y, x = (-(n - 1) / 2 * s for n, s in zip(shape, spacing))
    affine[:3, 3] = np.round([x + rng.normal(0, 10), y + rng.normal(0, 10), z + rng.uniform(-900, 900)], 3)
    return Grid(shape, affine)
