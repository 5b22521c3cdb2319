"""All axis orders of a volume, as NIfTI affines."""

from __future__ import annotations

from itertools import permutations, product

import numpy as np

AXES = [tuple(zip(p, s)) for p in permutations((0, 1, 2)) for s in product((1, -1), repeat=3)]
RAS_FROM_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def oriented_affine(axes, steps=(0.75, 1.5, 2.25), origin=(-31.5, 12.25, 7.0), tilt=None) -> np.ndarray:
    """RAS affine whose file axis k runs along world axis axes[k][0] with sign axes[k][1]."""
    affine = np.eye(4)
    affine[:3, :3] = 0
    for k, (world, sign) in enumerate(axes):
        affine[world, k] = sign * steps[k]
    if tilt is not None:
        affine[:3, :3] = tilt @ affine[:3, :3]
    affine[:3, 3] = origin
    return affine


def rotation(degrees: float, axis: int) -> np.ndarray:
    angle = np.deg2rad(degrees)
    i, j = [k for k in range(3) if k != axis]
    matrix = np.eye(3)
    matrix[[i, i, j, j], [i, j, i, j]] = np.cos(angle), -np.sin(angle), np.sin(angle), np.cos(angle)
    return matrix
