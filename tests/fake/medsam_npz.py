"""Tiny MedSAM npz files: imgs uint8, gts, spacing in x, y, z order."""

from __future__ import annotations

import numpy as np

from fake.writing import ball, noisy

SHAPE = (5, 32, 28)


def write(root, cases=2):
    root.mkdir(parents=True, exist_ok=True)
    for number in range(1, cases + 1):
        label = ball(SHAPE, (2, 14, 12), 7).astype(np.uint8)
        image = noisy(SHAPE, number) + label * 90
        path = root / f"CT_Lesion_{number:06d}_01_02_003-007.npz"
        np.savez_compressed(path, imgs=image, gts=label, spacing=np.array([0.8, 0.8, 5.0]))
    return root
