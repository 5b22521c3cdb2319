"""Phantoms in the layout of FLARE22."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.atomic import atomic_path, write_json
from samadapt.core.errors import ConfigError
from samadapt.core.grid import Grid
from samadapt.core.rng import named_rng
from samadapt.data.phantoms.atlas import ORGANS
from samadapt.data.phantoms.case import DEFAULT_SHAPE, DEFAULT_SPACING_MM, PhantomCase, Shape, make_case
from samadapt.data.phantoms.solids import Triple

CASES_FILE = "cases.json"
_FLIPS: dict[str, tuple[int, int, int]] = {"LPS": (1, 1, 1), "RAS": (-1, -1, 1), "LAS": (1, -1, 1)}
"""Orientation of a file's array axes (x, y, z) and how each follows the canonical axis."""


def write_flare22(
    out: str | Path,
    cases: int,
    seed: int = 0,
    shape: Shape = DEFAULT_SHAPE,
    spacing_mm: Triple = DEFAULT_SPACING_MM,
) -> list[Path]:
    """Write labelled CT phantoms as FLARE22 names and stores its training cases.

    ``images/FLARE22_Tr_0001_0000.nii.gz`` (int16 HU), ``labels/FLARE22_Tr_0001.nii.gz`` (uint8, 13 organs) and
    ``cases.json``, which says what each patient lacks. Case n is the same however many there are.

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
        The image files.

    Raises
    ------
    ConfigError, InvalidGeometry, DiskFull
    """
    if cases < 1:
        raise ConfigError(f"cases must be at least 1, not {cases}", where=out)
    folder, images, facts = Path(out), [], []
    for number in range(1, cases + 1):
        case = make_case(f"FLARE22_Tr_{number:04d}", seed=seed, shape=shape, spacing_mm=spacing_mm)
        orientation = _orientation(case.name, seed)
        images.append(folder / "images" / f"{case.name}_0000.nii.gz")
        write_nifti(case.volume.voxels, case.volume.grid, orientation, images[-1])
        write_nifti(case.labels.values, case.labels.grid, orientation, folder / "labels" / f"{case.name}.nii.gz")
        facts.append(_facts(case, orientation))
    write_json(folder / CASES_FILE, {"format": "samadapt-phantoms", "version": 1, "seed": seed, "cases": facts})
    return images


def _orientation(name: str, seed: int) -> str:
    return str(named_rng("phantom", seed, name, "orientation").choice(list(_FLIPS)))


def write_nifti(voxels: NDArray[Any], grid: Grid, orientation: str, path: Path) -> None:
    """Write a canonical array (Z, Y, X) in an orientation of files: "LPS", "RAS" or "LAS"."""
    import nibabel

    array, affine = voxels.transpose(2, 1, 0), grid.affine[:, [2, 1, 0, 3]]
    for axis, sign in enumerate(_FLIPS[orientation]):
        if sign < 0:
            affine[:3, 3] += affine[:3, axis] * (array.shape[axis] - 1)
            affine[:3, axis] *= -1
            array = np.flip(array, axis)
    image = nibabel.Nifti1Image(np.ascontiguousarray(array), np.diag([-1.0, -1.0, 1.0, 1.0]) @ affine)
    image.header.set_xyzt_units("mm")
    with atomic_path(path) as temporary:
        nibabel.save(image, temporary)


def _facts(case: PhantomCase, orientation: str) -> dict[str, Any]:
    counts = np.bincount(case.labels.values.ravel(), minlength=len(ORGANS) + 1)
    return {
        "name": case.name,
        "missing": list(case.missing),
        "orientation": orientation,
        "spacing_mm": list(case.volume.grid.spacing_mm),
        "voxels": {organ: int(counts[value]) for value, organ in ORGANS.items()},
    }
