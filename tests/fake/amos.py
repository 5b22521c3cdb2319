"""Tiny AMOS."""

from __future__ import annotations

import numpy as np

from fake.abdomen import abdomen
from fake.writing import nifti

AMOS_FROM_FLARE = {3: 1, 2: 2, 13: 3, 9: 4, 10: 5, 1: 6, 11: 7, 5: 8, 6: 9, 4: 10, 7: 11, 8: 12, 12: 13}


def write(root, cases=(("Tr", 1), ("Tr", 4), ("Tr", 507), ("Va", 8), ("Ts", 2))):
    """CT and MR cases; the test image has no label."""
    for part, number in cases:
        image, flare = abdomen(number)
        labels = np.zeros_like(flare)
        for old, new in AMOS_FROM_FLARE.items():
            labels[flare == old] = new
        labels[1:3, 10:14, 10:14] = 14
        labels[1:3, 20:24, 10:14] = 15
        nifti(root / f"images{part}" / f"amos_{number:04d}.nii.gz", image, (5.0, 0.7, 0.7))
        if part != "Ts":
            nifti(root / f"labels{part}" / f"amos_{number:04d}.nii.gz", labels, (5.0, 0.7, 0.7))
    return root
