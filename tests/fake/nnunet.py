"""Tiny nnU-Net v2 raw dataset with two MR channels."""

from __future__ import annotations

import json

import numpy as np

from fake.writing import ball, nifti

SHAPE = (6, 12, 10)


def write(root, cases=3, test=True, labels=None):
    content = {
        "channel_names": {"0": "T1", "1": "FLAIR"},
        "labels": labels or {"background": 0, "tumour": 1, "oedema": 2},
        "numTraining": cases,
        "file_ending": ".nii.gz",
    }
    root.mkdir(parents=True, exist_ok=True)
    (root / "dataset.json").write_text(json.dumps(content))
    for number in range(cases):
        case(root, "imagesTr", "labelsTr", f"BRATS_{number:03d}", number)
    if test:
        case(root, "imagesTs", None, "BRATS_900", 900)
    return root


def case(root, images, labels, name, seed):
    rng = np.random.default_rng(seed)
    label = np.zeros(SHAPE, np.uint8)
    label[ball(SHAPE, (3, 6, 5), 3.4)] = 2
    label[ball(SHAPE, (3, 6, 5), 1.6)] = 1
    for channel in (0, 1):
        image = rng.normal(100, 5, SHAPE) + 60 * (label == channel + 1) + 30 * (label > 0)
        nifti(root / images / f"{name}_{channel:04d}.nii.gz", image.astype(np.float32))
    if labels:
        nifti(root / labels / f"{name}.nii.gz", label)
