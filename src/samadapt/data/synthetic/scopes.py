"""Surfaces under a lamp and shadows on a film: endoscopy, skin, fundus, radiographs."""

from __future__ import annotations

from typing import Any

import numpy as np

from samadapt.data.synthetic.fields import Field, fractal, grain, reduced, smooth, texture
from samadapt.data.synthetic.layout import Layout, Picture
from samadapt.data.synthetic.looks import textured
from samadapt.data.synthetic.patterns import branches
from samadapt.data.synthetic.shapes import Patch, Space, ribbon, scaled, star, superellipse, walk


def polyp(rng: np.random.Generator, size: int) -> Picture:
    """Mucosa with one to three bumps of nearly its own colour: shading, vessels, folds, glints, a dark lumen."""
    layout, space = Layout(size, "ground"), Space.warped(rng, size, rng.uniform(0.005, 0.03))
    height = np.float32(size * rng.uniform(0.01, 0.06)) * fractal(rng, size, 3, 2, 0.4)
    if rng.random() < 0.6:
        fold = np.abs(smooth(rng, size, (int(rng.integers(3, 8)), int(rng.integers(2, 6)))))
        height = height - np.float32(size * rng.uniform(0.01, 0.06)) * np.sqrt(fold + np.float32(0.02))
    tone = np.zeros((size, size), dtype=np.float32)
    for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
        outline = _bump(rng, space)
        layout.paint(outline, "polyp")
        _raise(rng, outline, height)
        view = tone[outline.window]
        view[outline.inside] = np.float32(rng.normal(0.03, 0.09))
    if rng.random() < 0.15:
        _instrument(rng, layout, space)
    image = _mucosa(rng, layout, height, reduced(tone, int(rng.integers(40, 128))))
    return Picture(image, layout, "endoscopy", finest_px=64)


def _bump(rng: np.random.Generator, space: Space) -> Patch:
    size = space.size
    at = (float(rng.uniform(0.2, 0.8) * size), float(rng.uniform(0.2, 0.8) * size))
    extent = size * float(np.exp(rng.uniform(np.log(0.05), np.log(0.3))))
    return star(space, rng, at, extent, aspect=rng.uniform(1, 1.8), angle=rng.uniform(0, 3.1),
                rough=rng.uniform(0.03, 0.14), waves=int(rng.integers(3, 9)))  # fmt: skip


def _raise(rng: np.random.Generator, outline: Patch, height: Field) -> None:
    """Lift the surface within the outline to a dome, smooth or in lobes, that hides the folds below."""
    dome = np.clip(1 - outline.level**2, 0, 1) ** np.float32(rng.uniform(0.45, 1.4))
    extent = 0.5 * np.sqrt(outline.inside.sum())
    if rng.random() < 0.4:
        lobes = texture(rng, height.shape[0], "medium", rng.uniform(0.5, 1.2) * 20 / max(extent, 6.0))[outline.window]
        dome = dome * (1 + np.float32(rng.uniform(0.05, 0.3)) * lobes)
    view = height[outline.window]
    above = np.minimum(3 * dome, 1)
    floor = np.float32(view[outline.inside].mean()) if outline.inside.any() else np.float32(0)
    height[outline.window] = view + above * (floor - view) + dome * np.float32(extent * rng.uniform(0.2, 0.9))


def _instrument(rng: np.random.Generator, layout: Layout, space: Space) -> None:
    size = space.size
    start = (size * 1.05, float(rng.uniform(0, size)))
    points = walk(rng, start, -np.pi / 2 + rng.normal(0, 0.5), size * rng.uniform(0.3, 0.8), 3, 0.05)
    layout.paint(ribbon(space, points, np.full(4, size * rng.uniform(0.02, 0.06))), "tool")


def _mucosa(rng: np.random.Generator, layout: Layout, height: Field, tone: Field) -> Field:
    size = layout.size
    bumps = np.float32(rng.uniform(0.0, 0.7) ** 2) * texture(rng, size, str(rng.choice(["medium", "coarse", "ridges"])))
    slope_y, slope_x = _slopes(height + bumps)
    light = rng.normal(0, 0.4, 2).astype(np.float32)
    shade = (1 + light[0] * slope_y + light[1] * slope_x) / np.sqrt(1 + slope_y**2 + slope_x**2)
    distance = _lamp(rng, size) * (1 + np.float32(rng.uniform(0, 1.5) / size) * np.clip(height, 0, None))
    polyps = layout.where("polyp").astype(np.float32)
    hollow = reduced(polyps, int(rng.integers(16, 48))) * (1 - polyps)
    distance = distance * (1 - np.float32(rng.uniform(0, 0.9)) * hollow)
    shade = np.clip(shade, 0.05, 1.6) * distance
    base = np.array([rng.uniform(0.65, 0.95), rng.uniform(0.3, 0.55), rng.uniform(0.2, 0.45)], dtype=np.float32)
    vessels = np.clip(texture(rng, size, "ridges", rng.uniform(0.7, 1.2)), 0.3, 2) - 0.3
    red = tone + np.float32(rng.uniform(0, 0.08)) * smooth(rng, size, 6) + np.float32(rng.uniform(0, 0.12)) * vessels
    mix = np.array([-0.15, -1.0, -0.9], dtype=np.float32)
    image = (base + red[..., None] * mix) * shade[..., None]
    if "tool" in layout.materials:
        metal = layout.where("tool")[..., None]
        image = np.where(metal, rng.uniform(0.3, 0.9) * shade[..., None] * np.float32(0.9), image)
    glint = shade + np.float32(0.25) * texture(rng, size, "medium") + np.float32(0.25) * texture(rng, size, "coarse")
    return np.where((glint > rng.uniform(1.6, 2.3))[..., None], np.float32(rng.uniform(0.85, 1.0)), image)


def _slopes(height: Field) -> tuple[Field, Field]:
    down, right = np.zeros_like(height), np.zeros_like(height)
    down[1:-1] = (height[2:] - height[:-2]) * 0.5
    right[:, 1:-1] = (height[:, 2:] - height[:, :-2]) * 0.5
    return down, right


def _lamp(rng: np.random.Generator, size: int) -> Field:
    line = np.linspace(-1, 1, size, dtype=np.float32)
    y, x = line[:, None] - np.float32(rng.normal(0, 0.4)), line[None] - np.float32(rng.normal(0, 0.4))
    radius = y * y + x * x
    light = np.float32(1.15) / (1 + np.float32(rng.uniform(0.1, 1.2)) * radius)
    if rng.random() < 0.35:
        y, x = line[:, None] - np.float32(rng.uniform(-0.7, 0.7)), line[None] - np.float32(rng.uniform(-0.7, 0.7))
        light = light * (1 - np.float32(rng.uniform(0.5, 0.95)) * np.exp(-(y * y + x * x) / rng.uniform(0.03, 0.25)))
    return np.asarray(light, dtype=np.float32)


def skin(rng: np.random.Generator, size: int) -> Picture:
    """Pigmented patch on skin with ragged weak border, darker core, hairs, vignette."""
    layout, space = Layout(size, "ground"), Space.warped(rng, size, rng.uniform(0.01, 0.03), int(rng.integers(6, 16)))
    at = (size * rng.uniform(0.35, 0.65), size * rng.uniform(0.35, 0.65))
    outline = star(space, rng, at, size * rng.uniform(0.08, 0.38), aspect=rng.uniform(1, 1.7), rough=0.15)
    whole = layout.paint(outline, "lesion")
    if rng.random() < 0.5:
        layout.paint(scaled(outline, rng.uniform(0.3, 0.75)), "core", within=whole)
    ground = np.array([rng.uniform(0.6, 0.95), rng.uniform(0.42, 0.75), rng.uniform(0.35, 0.7)])
    dark = ground * (1 - rng.uniform(0.12, 0.75) * np.array([0.7, 0.95, 1.0]))
    colour = {"ground": ground, "lesion": dark, "core": dark * rng.uniform(0.5, 1.2)}
    image = layout.colours([colour[m] for m in layout.materials])
    cells = int(rng.integers(20, 160))
    image = np.stack([reduced(image[..., c], cells) for c in range(3)], -1)
    relief = textured(rng, layout, np.ones((size, size), dtype=np.float32), 0.16)
    image = image * (relief * (1 + np.float32(0.05) * smooth(rng, size, 4)))[..., None]
    if rng.random() < 0.35:
        for _ in range(int(rng.integers(2, 9))):
            start = (float(rng.uniform(0, size)), float(rng.uniform(0, size)))
            hair = ribbon(space, walk(rng, start, rng.uniform(0, 6.3), size * 0.6, 5, 0.1), np.full(6, 0.7))
            image[hair.window][hair.inside] *= np.float32(0.35)
    return Picture(image, layout, "skin", finest_px=48)


def fundus(rng: np.random.Generator, size: int) -> Picture:
    """Vessel trees over an eye ground in colour, an angiogram in grey, or bright filaments on black."""
    layout = branches(rng, size)
    look = str(rng.choice(["fundus", "angiogram", "filaments"]))
    light = np.clip(1 + 0.15 * smooth(rng, size, 3) + 0.04 * texture(rng, size), 0, None)
    if look == "fundus":
        base = np.array([rng.uniform(0.6, 0.95), rng.uniform(0.25, 0.5), rng.uniform(0.05, 0.25)])
        tints: dict[str, Any] = {"ground": base, "patch": base * rng.uniform(0.9, 1.05), "disc": [0.98, 0.8, 0.45],
                 "cup": [1.0, 0.92, 0.7], "vessel": base * [0.75, 0.5, 0.6] * rng.uniform(0.7, 1.25)}  # fmt: skip
        image = layout.colours([tints[m] for m in layout.materials])
        image = np.stack([reduced(image[..., c], 150) for c in range(3)], -1) * light[..., None]
    else:
        sign, ground = (-1, rng.uniform(0.4, 0.8)) if look == "angiogram" else (1, rng.uniform(0.02, 0.25))
        depth = sign * rng.uniform(0.12, 0.5 if look == "angiogram" else 0.8)
        table = {"ground": 0.0, "patch": 0.08 * sign, "disc": 0.6 * depth, "cup": 0.8 * depth, "vessel": depth}
        image = layout.table([ground + table[m] * rng.uniform(0.6, 1.1) for m in layout.materials])
        image = reduced(image, 170) * light + np.float32(rng.uniform(0.005, 0.07)) * grain(rng, size, "fine")
    return Picture(np.asarray(image, dtype=np.float32), layout, look, finest_px=128)


def radiograph(rng: np.random.Generator, size: int) -> Picture:
    """Projection: every body adds to the attenuation, so objects overlap and all of them stay visible."""
    space = Space.warped(rng, size, rng.uniform(0.005, 0.02))
    bodies = _chest(rng, space) if rng.random() < 0.6 else _bones(rng, space)
    layout, depth = Layout(size, "air"), np.zeros((size, size), dtype=np.float32)
    code = np.zeros((size, size), dtype=np.int16)
    for bit, (patch, weight) in enumerate(bodies):
        code[patch.window] |= patch.inside.astype(np.int16) << bit
        depth[patch.window] += np.float32(weight) * np.sqrt(np.clip(1 - patch.level, 0, 1))
    layout.regions = code
    layout.materials = ["air"] * (1 << len(bodies))
    present = np.unique(code)
    for bit in range(1, len(bodies)):
        layout.add_object(int(v) for v in present if v >> bit & 1)
    depth = reduced(depth, int(rng.integers(90, 250))) + 0.05 * smooth(rng, size, 4) + 0.03 * texture(rng, size, "pink")
    for x in np.arange(0.1, 1, rng.uniform(0.06, 0.12)) if rng.random() < 0.5 else ():
        rib = np.array([[x, 0.1], [x - 0.08, 0.3], [x - 0.05, 0.5], [x - 0.08, 0.7], [x, 0.9]]) * size
        band = ribbon(space, rib, np.full(5, size * 0.015))
        depth[band.window] += 0.08 * band.inside
    image = 1 - np.exp(-np.clip(depth, 0, None))
    return Picture(image + np.float32(rng.uniform(0.002, 0.04)) * grain(rng, size), layout, "x-ray", finest_px=64)


def _chest(rng: np.random.Generator, space: Space) -> list[tuple[Patch, float]]:
    s = space.size
    trunk = star(space, rng, (s * 0.6, s * 0.5), s * 0.62, aspect=0.9, rough=0.04)
    bodies = [(trunk, rng.uniform(1.0, 1.6))]
    for side in (-1, 1):
        lung = star(space, rng, (s * 0.47, s * (0.5 + side * rng.uniform(0.18, 0.24))), s * rng.uniform(0.18, 0.27),
                    aspect=0.55, rough=0.07)  # fmt: skip
        bodies.append((lung, -rng.uniform(0.5, 0.9)))
        collar = np.array([[s * 0.17, s * (0.5 + side * 0.05)], [s * 0.12, s * (0.5 + side * 0.36)]])
        bodies.append((ribbon(space, collar, np.full(2, s * 0.017)), 0.3))
    bodies.append((star(space, rng, (s * 0.6, s * 0.55), s * rng.uniform(0.13, 0.2), aspect=1.2, rough=0.06), 0.6))
    bodies.append((superellipse(space, (s * 0.5, s * 0.5), (s * 0.045, s * 0.6), 0.0, 8.0), 0.25))
    if rng.random() < 0.5:
        spot = (float(rng.uniform(0.3, 0.65) * s), float(rng.uniform(0.2, 0.8) * s))
        bodies.append((star(space, rng, spot, s * rng.uniform(0.015, 0.08), rough=0.15), 0.35))
    return bodies


def _bones(rng: np.random.Generator, space: Space) -> list[tuple[Patch, float]]:
    s = space.size
    flesh = star(space, rng, (s * 0.5, s * 0.5), s * rng.uniform(0.4, 0.6), aspect=rng.uniform(0.5, 1), rough=0.1)
    bodies = [(flesh, rng.uniform(0.3, 0.8))]
    for _ in range(int(rng.integers(2, 7))):
        start = (float(rng.uniform(0.0, 1) * s), float(rng.uniform(0.1, 0.9) * s))
        points = walk(rng, start, np.pi / 2 + rng.normal(0, 0.5), s * rng.uniform(0.2, 0.7), 6, 0.08)
        widths = s * rng.uniform(0.02, 0.08) * (1 + 0.6 * np.abs(np.linspace(-1, 1, 7)) ** 3)
        bodies.append((ribbon(space, points, widths), rng.uniform(0.4, 1.2)))
    return bodies
