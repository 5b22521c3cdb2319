"""Tiny FLARE22: images/FLARE22_Tr_0001_0000.nii.gz and labels/FLARE22_Tr_0001.nii.gz."""

from __future__ import annotations

from fake.abdomen import abdomen
from fake.writing import nifti

SPACING = (2.5, 1.0, 1.0)


def write(root, cases=4, folders=("images", "labels"), seed=0):
    for number in range(1, cases + 1):
        image, labels = abdomen(seed * 1000 + number)
        nifti(root / folders[0] / f"FLARE22_Tr_{number:04d}_0000.nii.gz", image, SPACING)
        nifti(root / folders[1] / f"FLARE22_Tr_{number:04d}.nii.gz", labels, SPACING)
    return root
