"""Tiny GID scenes with the published palette, and LoveDA."""

from __future__ import annotations

import numpy as np
import tifffile

from fake.writing import noisy, png

PALETTE = np.array([(0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 255, 255), (255, 255, 0), (0, 0, 255)], np.uint8)
SCENES = ("GF2_PMS1__L1A0000564539-MSS1", "GF2_PMS2__L1A0000607677-MSS2", "GF2_PMS1__L1A0001680858-MSS1")


def gid_scene(seed, hw=(150, 170)):
    """RGB image and classes 0 (unlabelled) to 5 in stripes and blocks."""
    yy, xx = np.mgrid[: hw[0], : hw[1]]
    classes = ((yy // 30 + xx // 34 + seed) % 6).astype(np.uint8)
    image = noisy((*hw, 3), seed, 0, 40) + (classes[..., None] * np.array([35, 20, 10])).astype(np.uint8)
    return image, classes


def write_gid(root, scenes=SCENES, hw=(150, 170)):
    for seed, name in enumerate(scenes):
        image, classes = gid_scene(seed, hw)
        for folder, array, end in (("image_RGB", image, ""), ("label_5classes", PALETTE[classes], "_label")):
            (root / folder).mkdir(parents=True, exist_ok=True)
            tifffile.imwrite(root / folder / f"{name}{end}.tif", array, photometric="rgb", rowsperstrip=8)
    return root


def write_loveda(root):
    number = 0
    for part, domain in (("Train", "Rural"), ("Train", "Urban"), ("Val", "Rural"), ("Val", "Urban")):
        for _ in range(2):
            classes = (np.mgrid[:32, :32][1] // 4 % 8).astype(np.uint8)
            png(root / part / domain / "images_png" / f"{number}.png", noisy((32, 32, 3), number) + classes[..., None])
            png(root / part / domain / "masks_png" / f"{number}.png", classes)
            number += 1
    png(root / "Test" / "Urban" / "images_png" / f"{number}.png", noisy((32, 32, 3), number))
    return root
