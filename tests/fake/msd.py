"""Tiny Decathlon task with 4-D images, and the bare hippocampus layout."""

from __future__ import annotations

import json

import numpy as np

from fake.writing import ball, nifti

SHAPE = (6, 12, 10)


def write(root, cases=3, channels=2):
    names = [f"BRATS_{number:03d}" for number in range(1, cases + 1)]
    content = {
        "name": "BRATS",
        "modality": {str(c): name for c, name in enumerate(["FLAIR", "T1w"][:channels])},
        "labels": {"0": "background", "1": "edema", "2": "tumour"},
        "numTraining": cases,
        "training": [{"image": f"./imagesTr/{n}.nii.gz", "label": f"./labelsTr/{n}.nii.gz"} for n in names],
        "test": ["./imagesTs/BRATS_485.nii.gz"],
    }
    root.mkdir(parents=True, exist_ok=True)
    (root / "dataset.json").write_text(json.dumps(content))
    for seed, name in enumerate(names):
        image, label = _case(seed, channels)
        nifti(root / "imagesTr" / f"{name}.nii.gz", image)
        nifti(root / "labelsTr" / f"{name}.nii.gz", label)
    nifti(root / "imagesTs" / "BRATS_485.nii.gz", _case(99, channels)[0])
    return root


def _case(seed, channels):
    rng = np.random.default_rng(seed)
    label = np.zeros(SHAPE, np.uint8)
    label[ball(SHAPE, (3, 6, 5), 3.4)] = 1
    label[ball(SHAPE, (3, 6, 5), 1.6)] = 2
    image = rng.normal(100, 5, (*SHAPE, channels)) + 50.0 * (label > 0)[..., None]
    image = image.astype(np.float32)
    return (image if channels > 1 else image[..., 0]), label


def write_hippocampus(root, cases=8):
    for number in range(1, cases + 1):
        image, label = hippocampus(number)
        nifti(root / "images" / f"hippocampus_{number:03d}.nii.gz", image)
        nifti(root / "labels" / f"hippocampus_{number:03d}.nii.gz", label)
    return root


def hippocampus(seed):
    """Anterior (small y in LPS) and posterior half of a bent body."""
    rng = np.random.default_rng(seed)
    shape = (24 + seed % 3, 30 + seed % 4, 20 + seed % 2)
    label = np.zeros(shape, np.uint8)
    label[ball(shape, (8 + rng.normal(0, 0.3), 9 + rng.normal(0, 0.3), 9), 5.5)] = 1
    posterior = ball(shape, (14 + rng.normal(0, 0.3), 20, 12 + rng.normal(0, 0.3)), 4.6) & (label == 0)
    label[posterior] = 2
    image = rng.normal(100, 6, shape) + 45 * (label == 1) + 30 * (label == 2)
    return (image * 10.0 ** (seed % 3)).astype(np.float32), label
