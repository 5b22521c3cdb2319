"""Tiny NUAA-SIRST and SIRST-5K with the lists of the published code."""

from __future__ import annotations

import numpy as np

from fake.writing import disc, noisy, png


def write_nuaa(root, lists="idx_427/trainval.txt idx_427/test.txt", suffix="_pixels0"):
    return _write(root, [f"Misc_{number}" for number in range(1, 7)], lists.split(), suffix)


def write_sirst5k(root):
    return _write(root, [f"{number:06d}" for number in range(1, 7)], ["50_50/train.txt", "50_50/test.txt"], "")


def _write(root, names, lists, suffix):
    for seed, name in enumerate(names):
        mask = disc((40, 56), (10 + 3 * seed, 20), 1.5)
        image = np.minimum(noisy((40, 56), seed).astype(int) + 150 * mask, 255).astype(np.uint8)
        png(root / "images" / f"{name}.png", image)
        png(root / "masks" / f"{name}{suffix}.png", (mask * 255).astype(np.uint8))
    for file, part in zip(lists, (names[:4], names[4:])):
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).write_text("\n".join(part) + "\n")
    return root
