"""Cells, tissue sections and glands with the looks of fluorescence, bright field, phase contrast and stains."""

from __future__ import annotations

import numpy as np

from samadapt.data.synthetic.fields import Field, fractal, grain, reduced, single, smooth, texture
from samadapt.data.synthetic.layout import Layout, Picture
from samadapt.data.synthetic.looks import soften, textured
from samadapt.data.synthetic.shapes import Point, Space, scaled, star

_STAINS = np.array([[0.65, 0.70, 0.29], [0.10, 0.95, 0.25], [0.27, 0.57, 0.78]])
"""Optical density of haematoxylin, eosin and diaminobenzidine in R, G, B (Ruifrok and Johnston 2001)."""


def cells(rng: np.random.Generator, size: int) -> Picture:
    """Nuclei or cells, apart, clustered or touching, in one of four looks."""
    layout, level = _cells(rng, size)
    look = str(rng.choice(["fluorescence", "stain", "brightfield", "phase"], p=[0.45, 0.3, 0.12, 0.13]))
    render = {"fluorescence": fluorescence, "stain": stain, "brightfield": brightfield, "phase": phase}[look]
    return Picture(render(rng, layout, level), layout, look, finest_px=96)


def _cells(rng: np.random.Generator, size: int) -> tuple[Layout, Field]:
    layout, space = Layout(size, "ground"), Space.warped(rng, size, rng.uniform(0, 0.01))
    radius = size * float(np.exp(rng.uniform(np.log(0.012), np.log(0.13))))
    wanted = int(np.clip(rng.uniform(0.05, 0.8) * size**2 / (3.2 * radius**2), 2, 90))
    level = np.full((size, size), 2.0, dtype=np.float32)
    sheet, rough, aspect = rng.random() < 0.3, rng.uniform(0.02, 0.13), rng.uniform(1, 1.8)
    body, heading = rng.random() < 0.2, rng.uniform(0, np.pi)
    for at in centres(rng, size, radius, wanted, 0.8 if sheet else rng.uniform(0.5, 1.0)):
        extent = radius * float(np.exp(rng.normal(0, 0.2)))
        angle = heading + rng.normal(0, 0.3) if sheet else rng.uniform(0, np.pi)
        outline = star(space, rng, at, extent, aspect=1 + (aspect - 1) * rng.uniform(0.3, 1.5), angle=angle,
                       rough=rough, waves=6)  # fmt: skip
        whole = None
        if body:
            shell = star(space, rng, at, extent * rng.uniform(1.5, 2.2), rough=0.12)
            whole = layout.paint(shell, "cytoplasm", over=[0])
        layout.paint(outline, "nucleus", within=whole, over=[0] if whole is None and rng.random() < 0.7 else None)
        view = level[outline.window]
        np.minimum(view, outline.level, out=view)
    return layout, level


def centres(rng: np.random.Generator, size: int, radius: float, count: int, apart: float) -> list[Point]:
    """At most `count` places at least `apart` diameters from one another, spread evenly or in clusters."""
    clusters = rng.uniform(0, size, (max(1, count // 8), 2)) if rng.random() < 0.5 else None
    spread, closest = radius * rng.uniform(2, 5), (2 * radius * apart) ** 2
    kept = np.empty((0, 2))
    for _ in range(4 * count):
        if clusters is None:
            at = rng.uniform(0, size, 2)
        else:
            at = clusters[int(rng.integers(len(clusters)))] + rng.normal(0, spread, 2)
        inside = (at >= 0).all() and (at < size).all()
        if inside and (len(kept) == 0 or ((kept - at) ** 2).sum(1).min() > closest):
            kept = np.concatenate([kept, at[None]])
            if len(kept) == count:
                break
    return [(float(y), float(x)) for y, x in kept]


def fluorescence(rng: np.random.Generator, layout: Layout, level: Field) -> Field:
    """Bright cells of very different brightness on a dark, hazy ground; shot noise; sometimes in false colour."""
    dim, size = rng.uniform(0.05, 0.5), layout.size
    bright = [0.0 if m == "ground" else rng.uniform(dim, 1.0) * (0.3 if m == "cytoplasm" else 1)
              for m in layout.materials]  # fmt: skip
    image = layout.table(bright)
    falloff = np.clip(1.25 - np.float32(rng.uniform(0, 0.7)) * level**2, 0, 1.2)
    image = image * np.where(level < 1, falloff, 1)
    image = image * np.exp(np.float32(rng.uniform(0.02, 0.3)) * texture(rng, size))
    haze = reduced(image, int(rng.integers(8, 30)))
    image = soften(rng, image, 2.5) + np.float32(rng.uniform(0, 0.4)) * haze + np.float32(rng.uniform(0, 0.12))
    image = image + np.float32(rng.uniform(0.002, 0.15)) * np.sqrt(np.abs(image) + 0.01) * grain(rng, size)
    image = image * np.float32(np.exp(rng.uniform(np.log(0.15), 0.3)))
    if rng.random() < 0.75:
        return image
    tint = rng.choice([0.0, 0.3, 1.0], 3) + 0.05
    return single(image[..., None] * (tint / tint.max()))


def stain(rng: np.random.Generator, layout: Layout, level: Field) -> Field:
    """Tissue section in transmitted light: nuclei in one dye, the rest in another, by Beer and Lambert."""
    size = layout.size
    nuclear, other = (0, 1) if rng.random() < 0.75 else (2, 0)
    vectors = np.clip(_STAINS[[nuclear, other]] + rng.normal(0, 0.07, (2, 3)), 0.02, 1.1)
    dark = rng.uniform(0.5, 1.6)
    first = layout.table([dark * rng.uniform(0.6, 1.2) if m == "nucleus" else rng.uniform(0, 0.15)
                          for m in layout.materials])  # fmt: skip
    first = soften(rng, first, 2.0) * np.exp(np.float32(rng.uniform(0.05, 0.35)) * texture(rng, size))
    first = first * np.where(level < 1, 0.75 + 0.35 * level, 1)
    ground = np.clip(0.45 + 0.35 * fractal(rng, size, 4, 5, 0.7), 0.02, 2)
    ground = ground * (1 + 0.25 * texture(rng, size, str(rng.choice(["fibres", "ridges", "cloud", "crackle"]))))
    second = np.float32(rng.uniform(0.2, 0.9)) * ground * np.where(level < 1, np.float32(0.6), 1)
    density = np.stack([first, np.clip(second, 0, None)], -1) @ vectors.astype(np.float32)
    return single(rng.uniform(0.88, 1.0) * np.exp(-density) + np.float32(0.01) * grain(rng, size)[..., None])


def brightfield(rng: np.random.Generator, layout: Layout, level: Field) -> Field:
    """Grey transmitted light: dark cells with darker rims on an unevenly lit ground."""
    size, rim = layout.size, rng.uniform(0, 0.25)
    image = layout.table([0.0 if m == "ground" else -rng.uniform(0.1, 0.45) for m in layout.materials])
    image = soften(rng, image, 2.0) - np.float32(rim) * np.exp(-(((level - 0.97) / 0.12) ** 2))
    image = textured(rng, layout, image, 0.08) + np.float32(rng.uniform(0.55, 0.95))
    return single(image + 0.06 * smooth(rng, size, 3) + rng.uniform(0.003, 0.04) * grain(rng, size))


def phase(rng: np.random.Generator, layout: Layout, level: Field) -> Field:
    """Phase or interference contrast: inside like outside, with halos or a shadow on one side."""
    size = layout.size
    height = np.clip(1 - level, 0, 1) ** 0.5
    if rng.random() < 0.5:
        halo = np.exp(-(((level - rng.uniform(1.02, 1.2)) / 0.12) ** 2)) * np.float32(rng.uniform(0.15, 0.5))
        image = 0.45 + halo - np.float32(rng.uniform(0, 0.25)) * height
    else:
        slope = height - np.roll(height, 2, axis=int(rng.integers(2)))
        image = 0.5 + np.float32(rng.uniform(0.5, 1.5)) * slope
    return textured(rng, layout, image.astype(np.float32), 0.1) + np.float32(0.03) * grain(rng, size)


def glands(rng: np.random.Generator, size: int) -> Picture:
    """Glands: a pale lumen in a wall of nuclei, in stained tissue."""
    layout, space = Layout(size, "ground"), Space.warped(rng, size, rng.uniform(0.01, 0.03))
    radius = size * rng.uniform(0.08, 0.28)
    for at in centres(rng, size, radius, int(rng.integers(1, 9)), 0.95):
        outline = star(space, rng, at, radius * rng.uniform(0.6, 1.1), aspect=rng.uniform(1, 1.8),
                       angle=rng.uniform(0, 3), rough=0.15)  # fmt: skip
        whole = layout.paint(outline, "wall", over=[0])
        inner = layout.paint(scaled(outline, rng.uniform(0.6, 0.8)), "cytoplasm", within=whole, target=False)
        layout.paint(scaled(outline, rng.uniform(0.2, 0.55)), "lumen", within=inner)
    dots = texture(rng, size, "medium", rng.uniform(0.8, 1.4)) > rng.uniform(0.9, 1.3)
    amounts = {"wall": rng.uniform(0.6, 1.0), "ground": rng.uniform(0.2, 0.6), "cytoplasm": 0.1, "lumen": 0.0}
    first = layout.table([amounts[m] for m in layout.materials]) * dots
    pale = {"ground": rng.uniform(0.4, 0.9), "wall": 0.5, "cytoplasm": rng.uniform(0.1, 0.5), "lumen": 0.02}
    second = layout.table([pale[m] for m in layout.materials])
    second = second * np.clip(1 + 0.4 * texture(rng, size, "cloud") + 0.2 * texture(rng, size), 0, None)
    vectors = np.clip(_STAINS[:2] + rng.normal(0, 0.06, (2, 3)), 0.02, 1.1).astype(np.float32)
    image = np.exp(-(np.stack([soften(rng, first, 2.0), second], -1) @ vectors))
    return Picture(np.asarray(image, dtype=np.float32), layout, "stain", finest_px=96)
