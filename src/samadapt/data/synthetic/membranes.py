"""Thin walls: tissue divided by membranes, and rings packed side by side."""

from __future__ import annotations

import numpy as np

from samadapt.data.synthetic.fields import Field, grain, single, smooth, texture
from samadapt.data.synthetic.layout import Layout, Picture
from samadapt.data.synthetic.looks import shaded, soften, textured
from samadapt.data.synthetic.microscopy import centres
from samadapt.data.synthetic.shapes import Space, scaled, star

_MOST = 60


def walls(rng: np.random.Generator, size: int) -> Picture:
    """Cells whose thin walls are all that tells them apart, as in electron microscopy, or rings with thin walls."""
    layout = network(rng, size) if rng.random() < 0.6 else rings(rng, size)
    return Picture(_render(rng, layout), layout, str(rng.choice(["electron", "grey"])), finest_px=112)


def network(rng: np.random.Generator, size: int) -> Layout:
    """Frame divided by the zero lines of smooth noises, some cells with a body inside."""
    from scipy import ndimage

    layout, space = Layout(size, "wall"), Space.warped(rng, size, 0.01)
    detail, width = int(rng.integers(4, 15)), rng.uniform(1.0, 3.5)
    wall = np.zeros((size, size), dtype=bool)
    for _ in range(int(rng.integers(2, 4))):
        wall |= np.abs(smooth(rng, size, detail)) < width * detail / size
    codes, _ = ndimage.label(~wall)
    areas = np.bincount(codes.ravel())
    areas[0] = 0
    largest = [int(code) for code in np.argsort(areas)[::-1][:_MOST] if areas[code] > 0.0006 * size**2]
    start = len(layout.materials)
    layout.paint_pieces(codes, dict.fromkeys(largest, "cell"))
    spots = rng.permutation(np.flatnonzero(layout.regions >= start))[: int(rng.integers(0, 14))]
    for spot in spots:
        at = (float(spot // size), float(spot % size))
        extent = size / detail * rng.uniform(0.05, 0.25)
        layout.paint(star(space, rng, at, extent, aspect=rng.uniform(1, 1.8), rough=0.08), "body",
                     within=int(layout.regions.flat[spot]))  # fmt: skip
    return layout


def rings(rng: np.random.Generator, size: int) -> Layout:
    """Rings of about one size side by side: a wall, what it encloses, at times a body in it."""
    layout, space = Layout(size, "ground"), Space.warped(rng, size, rng.uniform(0.003, 0.02))
    radius = size * float(np.exp(rng.uniform(np.log(0.03), np.log(0.2))))
    inner = rng.uniform(0.6, 0.92)
    for at in centres(rng, size, radius, int(np.clip(0.35 * (size / radius) ** 2, 2, 60)), rng.uniform(0.8, 1.05)):
        outline = star(space, rng, at, radius * float(np.exp(rng.normal(0, 0.2))), aspect=rng.uniform(1, 1.7),
                       angle=rng.uniform(0, np.pi), rough=0.07)  # fmt: skip
        whole = layout.paint(outline, "wall")
        cell = layout.paint(scaled(outline, inner * rng.uniform(0.95, 1.03)), "cell", within=whole)
        if rng.random() < 0.2:
            layout.paint(scaled(outline, inner * rng.uniform(0.2, 0.6)), "body", within=cell)
    return layout


def _render(rng: np.random.Generator, layout: Layout) -> Field:
    """Inside like outside, walls darker or brighter; grey or in one tint."""
    inside, contrast = rng.uniform(0.3, 0.8), rng.uniform(0.15, 0.5) * (1 if rng.random() < 0.3 else -1)
    jitter = rng.uniform(0, 0.08) if rng.random() < 0.7 else rng.uniform(0.05, 0.25)
    values = {"wall": contrast, "body": contrast * rng.uniform(-0.3, 0.9), "ground": rng.normal(0, 0.12), "cell": 0.0}
    image = soften(rng, layout.table([inside + values[m] + rng.normal(0, jitter) for m in layout.materials]), 2.0)
    image = image + np.float32(rng.uniform(0, 0.09)) * texture(rng, layout.size, str(rng.choice(["medium", "fine"])))
    image = shaded(rng, textured(rng, layout, image, 0.05), rng.uniform(0, 0.25))
    image = image + np.float32(rng.uniform(0.005, 0.07)) * grain(rng, layout.size)
    if rng.random() < 0.75:
        return single(image)
    tint = rng.uniform(0.3, 1.0, 3)
    return single(1 - (1 - image[..., None]) * tint) if rng.random() < 0.5 else single(image[..., None] * tint)
