"""Tiny TotalSegmentator data: subject folders with one mask a structure, or a label map that names its values."""

from __future__ import annotations

import nibabel
import numpy as np

from fake.abdomen import abdomen
from fake.writing import nifti

SPACING = (3.0, 3.0, 3.0)
STRUCTURES = {"liver": 1, "kidney_right": 2, "spleen": 3}
_TABLE = (
    '<?xml version="1.0" encoding="UTF-8"?> <CaretExtension><VolumeInformation Index="0"><LabelTable>'
    '<Label Key="1" Red="1.0" Green="0" Blue="0" Alpha="1"><![CDATA[spleen]]></Label>'
    '<Label Key="2" Red="0" Green="1.0" Blue="0" Alpha="1"><![CDATA[kidney_right]]></Label>'
    '<Label Key="5" Red="0" Green="0" Blue="1.0" Alpha="1"><![CDATA[liver]]></Label>'
    '<Label Key="90" Red="0" Green="0" Blue="1.0" Alpha="1"><![CDATA[brain]]></Label>'
    "</LabelTable></VolumeInformation></CaretExtension>"
)


def write_subjects(root, subjects=("s0000", "s0001", "s0287")):
    for seed, subject in enumerate(subjects):
        image, labels = abdomen(seed)
        nifti(root / subject / "ct.nii.gz", image, SPACING)
        for name, value in STRUCTURES.items():
            nifti(root / subject / "segmentations" / f"{name}.nii.gz", (labels == value).astype(np.uint8), SPACING)
    table = ["image_id;age;split", *(f"{s};50;{split}" for s, split in zip(subjects, ("train", "val", "test")))]
    (root / "meta.csv").write_text("\n".join(table) + "\n")
    return root


def write_map(root):
    """An image, its label map with a table of names, and a larger image of the same name without a label."""
    image, labels = abdomen(1)
    nifti(root / "example_ct_sm.nii.gz", image, SPACING)
    nifti(root / "example_ct.nii.gz", np.concatenate([image, image]), SPACING)
    named = np.zeros_like(labels)
    for old, new in ((3, 1), (2, 2), (1, 5)):
        named[labels == old] = new
    nifti(root / "example_seg.nii.gz", named.astype(np.uint8), SPACING)
    path = root / "example_seg.nii.gz"
    volume = nibabel.load(path)
    volume = nibabel.Nifti1Image(np.asarray(volume.dataobj), volume.affine, volume.header)
    volume.header.extensions.append(nibabel.nifti1.Nifti1Extension(0, _TABLE.encode()))
    nibabel.save(volume, path)
    return root
