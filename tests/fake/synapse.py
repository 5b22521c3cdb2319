"""Tiny Synapse: raw BTCV NIfTI, and TransUNet's npz slices and h5 volumes in either order of labels."""

from __future__ import annotations

import h5py
import numpy as np

from fake.abdomen import abdomen
from fake.writing import nifti

SPACING = (3.0, 0.8, 0.8)
BTCV_FROM_FLARE = {3: 1, 2: 2, 13: 3, 9: 4, 10: 5, 1: 6, 11: 7, 5: 8, 6: 9, 4: 11, 7: 12, 8: 13}
SAMED_FROM_BTCV = {1: 1, 2: 2, 3: 3, 4: 4, 6: 5, 7: 6, 8: 7, 11: 8}
TRANSUNET_FROM_BTCV = {8: 1, 4: 2, 3: 3, 2: 4, 6: 5, 11: 6, 1: 7, 7: 8}


def case(seed):
    """HU (Z, Y, X) int16 and BTCV's 13 labels; the aorta runs through all slices."""
    image, flare = abdomen(seed)
    labels = remap(flare, BTCV_FROM_FLARE)
    labels[2:5, 30:34, 20:24] = 10
    labels[:, 27:29, 25:28] = 8
    image[labels == 8] = 230
    return image, labels


def remap(labels, table):
    found = np.zeros_like(labels)
    for old, new in table.items():
        found[labels == old] = new
    return found


def write_raw(root, numbers=(1, 2, 5, 6, 7), order=None):
    """Training/img and Training/label; `order` gives the labels numbers they should not have."""
    for number in numbers:
        image, labels = case(number)
        labels = remap(labels, order) if order else labels
        nifti(root / "Training" / "img" / f"img{number:04d}.nii.gz", image, SPACING)
        nifti(root / "Training" / "label" / f"label{number:04d}.nii.gz", labels, SPACING)
    nifti(root / "Testing" / "img" / "img0061.nii.gz", case(61)[0], SPACING)
    return root


def write_npz(root, train=(5, 6), test=(1,), table=SAMED_FROM_BTCV, lists=True):
    names = []
    for number in train:
        image, labels = scaled(number, table)
        for z in range(0, len(image), 2):
            names.append(f"case{number:04d}_slice{z:03d}")
            (root / "train_npz").mkdir(parents=True, exist_ok=True)
            np.savez_compressed(root / "train_npz" / f"{names[-1]}.npz", image=image[z], label=labels[z])
    for number in test:
        image, labels = scaled(number, table)
        (root / "test_vol_h5").mkdir(parents=True, exist_ok=True)
        with h5py.File(root / "test_vol_h5" / f"case{number:04d}.npy.h5", "w") as file:
            file["image"], file["label"] = image, labels
    if lists:
        folder = root / "lists" / "lists_Synapse"
        folder.mkdir(parents=True)
        (folder / "train.txt").write_text("\n".join(names) + "\n")
        (folder / "test_vol.txt").write_text("\n".join(f"case{number:04d}" for number in test) + "\n")
    return root


def scaled(number, table):
    """Image 0..1 float32 and labels float32, as the published files hold them."""
    image, labels = case(number)
    clipped = (np.clip(image, -125, 275).astype(np.float32) + 125) / 400
    return clipped, remap(labels, table).astype(np.float32)
