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


def write_official(root, labelled=3, tuning=2, without_label=1, unlabelled=2, seed=0):
    """The packages as they unpack: labelled cases, a tuning set that is labelled in part, unlabelled cases."""
    write(root / "FLARE22_LabeledCase50", labelled, seed=seed)
    for number in range(1, tuning + without_label + 1):
        image, labels = abdomen(seed * 1000 + 500 + number)
        nifti(root / "FLARE22_Tuning" / "images" / f"FLARETs_{number:04d}_0000.nii.gz", image, SPACING)
        if number <= tuning:
            nifti(root / "FLARE22_Tuning" / "labels" / f"FLARETs_{number:04d}.nii.gz", labels, SPACING)
    for number in range(1, unlabelled + 1):
        image, _ = abdomen(seed * 1000 + 900 + number)
        nifti(root / "FLARE22_UnlabeledCase1-500" / f"Case_{number:05d}_0000.nii.gz", image, SPACING)
    return root
