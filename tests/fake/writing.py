"""Small helpers of the fake datasets: deterministic pictures, volumes and files."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
from PIL import Image


def disc(hw, centre, radius):
    """Bool (H, W), True inside a circle."""
    yy, xx = np.mgrid[: hw[0], : hw[1]]
    return (yy - centre[0]) ** 2 + (xx - centre[1]) ** 2 <= radius**2


def ball(shape, centre, radius):
    """Bool (Z, Y, X), True inside a ball."""
    zz, yy, xx = np.mgrid[: shape[0], : shape[1], : shape[2]]
    return (zz - centre[0]) ** 2 + (yy - centre[1]) ** 2 + (xx - centre[2]) ** 2 <= radius**2


def png(path: Path, array) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array)).save(path)


def jpeg(path: Path, array) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(array)).save(path, quality=85)


def nifti(path: Path, zyx, spacing=(1.0, 1.0, 1.0), affine=None) -> None:
    """Save a canonical LPS array (Z, Y, X[, C]) as a RAS+ NIfTI file would store it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    array = np.asarray(zyx)
    data = array.transpose(2, 1, 0, *range(3, array.ndim))
    if affine is None:
        affine = np.diag([-spacing[2], -spacing[1], spacing[0], 1.0])
    image = nibabel.Nifti1Image(data, affine)
    nibabel.save(image, path)


def noisy(shape, seed, low=20, high=60):
    """uint8 noise, the same for the same seed."""
    return np.random.default_rng(seed).integers(low, high, shape, dtype=np.uint8)
