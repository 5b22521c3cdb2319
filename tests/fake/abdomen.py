"""A tiny abdomen with the 13 organs of FLARE22 where they belong, in LPS order."""

from __future__ import annotations

import numpy as np

# label: (z, y, x) as a share of the body, radius as a share, HU. x grows to the patient's left.
ORGANS = {
    1: ((0.62, 0.42, 0.27), 0.17, 110),
    2: ((0.35, 0.68, 0.28), 0.09, 160),
    3: ((0.68, 0.62, 0.80), 0.10, 130),
    4: ((0.50, 0.45, 0.57), 0.06, 90),
    5: ((0.50, 0.68, 0.55), 0.06, 230),
    6: ((0.50, 0.62, 0.44), 0.06, 180),
    7: ((0.58, 0.68, 0.36), 0.05, 60),
    8: ((0.58, 0.70, 0.66), 0.05, 60),
    9: ((0.42, 0.30, 0.36), 0.06, 10),
    10: ((0.85, 0.62, 0.56), 0.05, 40),
    11: ((0.72, 0.32, 0.68), 0.11, 30),
    12: ((0.38, 0.42, 0.45), 0.06, 50),
    13: ((0.35, 0.68, 0.72), 0.09, 160),
}


def abdomen(seed, shape=(24, 40, 48)):
    """Image (Z, Y, X) int16 in HU and labels uint8 of one patient."""
    rng = np.random.default_rng(seed)
    grid = [(np.arange(n) + 0.5) / n for n in shape]
    zz, yy, xx = np.meshgrid(*grid, indexing="ij")
    image = np.full(shape, -1000.0)
    image[((yy - 0.5) / 0.46) ** 2 + ((xx - 0.5) / 0.48) ** 2 <= 1] = 0
    labels = np.zeros(shape, np.uint8)
    for value, ((z, y, x), radius, hu) in ORGANS.items():
        shift = rng.normal(0, 0.01, 3)
        r = radius * rng.uniform(0.95, 1.05)
        inside = (zz - z - shift[0]) ** 2 + (yy - y - shift[1]) ** 2 + (xx - x - shift[2]) ** 2 <= r**2
        inside &= labels == 0
        image[inside] = hu
        labels[inside] = value
    image += rng.normal(0, 10, shape)
    return image.astype(np.int16), labels
