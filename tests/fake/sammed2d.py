"""Tiny SAM-Med2D demo: two training images, one test image, one image without mask, overlapping objects."""

from __future__ import annotations

import json

import numpy as np

from fake.writing import disc, noisy, png

HW = (48, 64)
TRAIN = {
    "amos_0001_10": {"liver_000": ((20, 20), 10), "aorta_000": ((30, 40), 4)},
    "s0114_111": {"lung_left_000": ((20, 44), 10), "lung_left_001": ((40, 50), 4), "heart_000": ((24, 36), 8)},
}
TEST = {"amos_0002_33": {"liver_000": ((22, 22), 11)}}


def write(root):
    prefix = root.name
    for name, objects in (TRAIN | TEST).items():
        image = noisy((*HW, 3), len(name) + sum(map(ord, name)))
        for kind, (centre, radius) in objects.items():
            mask = disc(HW, centre, radius)
            image[mask] += 100
            png(root / "masks" / f"{name}_{kind}.png", mask.astype(np.uint8) * 255)
        png(root / "images" / f"{name}.png", image)
    png(root / "images" / "amos_0507_31.png", noisy((*HW, 3), 5))
    train = {
        f"{prefix}/images/{n}.png": [f"{prefix}/masks/{n}_{k}.png" for k in objects] for n, objects in TRAIN.items()
    }
    test = {f"{prefix}/masks/{n}_{k}.png": f"{prefix}/images/{n}.png" for n, objects in TEST.items() for k in objects}
    (root / "image2label_train.json").write_text(json.dumps(train))
    (root / "label2image_test.json").write_text(json.dumps(test))
    return root
