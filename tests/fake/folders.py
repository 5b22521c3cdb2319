"""Tiny datasets of images and masks in folders: Kvasir-SEG, SIRST, GID-MTL5, Dubai, DSB2018, spleen crop."""

from __future__ import annotations

import numpy as np
import tifffile

from fake.abdomen import abdomen
from fake.writing import disc, jpeg, nifti, noisy, png

COLOURS = [(0x3C, 0x10, 0x98), (0x84, 0x29, 0xF6), (0x6E, 0xC1, 0xE4), (0xFE, 0xDD, 0x3A), (0xE2, 0xA9, 0x29)]
UNLABELLED = (0x9B, 0x9B, 0x9B)
SCENES = ("builtup", "farmland", "forest", "meadow", "water")
SEQUENCES = ("S20210407_S2_15", "S20210407_S2_40", "20210725-S1-10", "Misc_1", "Misc_2")


def write_kvasir(root, cases=3):
    number = 0
    for split in ("train", "validation", "test"):
        for _ in range(cases):
            number += 1
            mask = disc((64, 64), (30 + number % 5, 28 + number % 7), 12)
            image = noisy((64, 64, 3), number) + (mask[..., None] * np.array([120, 60, 40])).astype(np.uint8)
            jpeg(root / split / "images" / f"{number}.jpg", image)
            jpeg(root / split / "masks" / f"{number}.jpg", (mask * 255).astype(np.uint8))
    return root


def write_sirst(root, images="mixed", masks="annotations/masks"):
    """The second image has no target; modes L, RGB and RGBA."""
    for number, name in enumerate(SEQUENCES):
        mask = disc((40, 56), (10 + 3 * number, 20), 1.5)
        if number == 1:
            mask[:] = False
        grey = np.minimum(noisy((40, 56), number).astype(int) + 150 * mask, 255).astype(np.uint8)
        picture = [grey, np.dstack([grey] * 3), np.dstack([grey] * 3 + [np.full_like(grey, 255)])][number % 3]
        png(root / images / f"{name}.png", picture)
        png(root / masks / f"{name}_pixels0.png", (mask * 255).astype(np.uint8))
    (root / "splits").mkdir(parents=True)
    (root / "splits" / "train_v1.txt").write_text("Misc_1\nS20210407_S2_15\n")
    (root / "splits" / "test_v1.txt").write_text("Misc_2\n")
    return root


def write_gid(root, images="image", labels="label_gray"):
    for value, scene in enumerate(SCENES):
        for number in (1, 4):
            label = np.full((32, 32), value, np.uint8)
            label[:, 20:] = (value + number) % 5
            label[:4] = 5
            base = np.array([[150, 60], [90, 120], [40, 80], [110, 190], [20, 30], [70, 70]], np.uint8)
            image = noisy((32, 32, 3), value * 10 + number, 0, 30)
            image[..., 0] += base[label, 0]
            image[..., 1] += base[label, 1]
            for folder, array in ((images, image), (labels, label)):
                (root / folder).mkdir(parents=True, exist_ok=True)
                tifffile.imwrite(root / folder / f"{scene}_{number}.tif", array)
    return root


def write_dubai(root, tiles=3, parts=2, flat=False):
    for tile in range(1, tiles + 1):
        for part in range(1, parts + 1):
            classes = (np.mgrid[:30, :40][1] // 8 + tile + part) % 5
            mask = np.array(COLOURS, np.uint8)[classes]
            mask[:3] = UNLABELLED
            image = noisy((30, 40, 3), tile * 10 + part) + (classes * 30)[..., None].astype(np.uint8)
            name = f"image_part_{part:03d}"
            folder = root if flat else root / f"Tile {tile}"
            name = f"Tile{tile}_{name}" if flat else name
            jpeg(folder / "images" / f"{name}.jpg", image)
            png(folder / "masks" / f"{name}.png", mask)
    return root


def nuclei(seed):
    """RGBA image (H, W, 4) and instance map uint16 with three nuclei."""
    instances = np.zeros((48, 40), np.uint16)
    for number, centre in enumerate([(12, 10), (30, 14), (24, 30)], start=1):
        instances[disc((48, 40), (centre[0] + seed, centre[1]), 6)] = number
    grey = noisy((48, 40), seed) + (instances > 0).astype(np.uint8) * 120
    return np.dstack([grey, grey, grey, np.full_like(grey, 255)]), instances


def write_dsb2018(root, cases=2, published=False):
    for number in range(cases):
        name = f"{number:064x}"
        image, instances = nuclei(number)
        if published:
            png(root / name / "images" / f"{name}.png", image)
            for value in (1, 2, 3):
                mask = (instances == value).astype(np.uint8) * 255
                png(root / name / "masks" / f"{number}{value:063x}.png", mask)
            continue
        png(root / "images" / f"{name}.png", image)
        png(root / "masks" / f"{name}.png", (instances > 0).astype(np.uint8) * 255)
        png(root / "instances" / f"{name}.png", instances)
    return root


def write_spleen(root):
    image, labels = abdomen(1)
    nifti(root / "images" / "sub-spleen2_ct.nii.gz", image, (5.0, 0.8, 0.8))
    nifti(root / "labels" / "sub-spleen2_ct_seg-manual.nii.gz", (labels == 3).astype(np.uint8), (5.0, 0.8, 0.8))
    return root
