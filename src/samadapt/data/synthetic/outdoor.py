"""Views from far away: land from the air in colour, small hot targets in infrared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from samadapt.data.synthetic.fields import Field, fractal, grain, reduced, single, smooth, texture
from samadapt.data.synthetic.layout import Layout, Picture
from samadapt.data.synthetic.looks import shaded, soften
from samadapt.data.synthetic.shapes import Space, ribbon, superellipse, walk

_LAND: dict[str, tuple[tuple[float, float, float], float, float]] = {
    "soil": ((0.55, 0.46, 0.36), 0.10, 0.05), "sand": ((0.80, 0.75, 0.66), 0.08, 0.04),
    "crop": ((0.40, 0.50, 0.28), 0.12, 0.05), "meadow": ((0.35, 0.52, 0.25), 0.08, 0.06),
    "wood": ((0.14, 0.27, 0.13), 0.05, 0.14), "water": ((0.14, 0.25, 0.30), 0.12, 0.012),
    "road": ((0.45, 0.44, 0.43), 0.12, 0.02), "roof": ((0.62, 0.56, 0.54), 0.22, 0.03),
    "shadow": ((0.08, 0.09, 0.10), 0.02, 0.02), "mark": ((0.85, 0.83, 0.75), 0.06, 0.01),
    "town": ((0.45, 0.42, 0.40), 0.08, 0.22),
}  # fmt: skip
"""Material: colour, spread of the colour from region to region, strength of the texture."""
_GROUNDS = ("soil", "sand", "crop", "meadow", "wood", "town")


def aerial(rng: np.random.Generator, size: int) -> Picture:
    """Fields, woods, water, roads and buildings with shadows, seen from above."""
    layout, space = Layout(size, str(rng.choice(_GROUNDS))), Space.warped(rng, size, rng.uniform(0, 0.015))
    if rng.random() < 0.6:
        _fields(rng, layout, space)
    if rng.random() < 0.5:
        _cover(rng, layout, str(rng.choice(["wood", "wood", "meadow", "sand", "town"])), rng.uniform(0.2, 1.2))
    if rng.random() < 0.5:
        _water(rng, layout, space)
    roads = _roads(rng, layout, space) if rng.random() < 0.65 else []
    if rng.random() < 0.65:
        build = _town if rng.random() < 0.4 else _buildings
        build(rng, layout, space, roads)
    if rng.random() < 0.4:
        _trees(rng, layout, space)
    if not layout.objects:
        _cover(rng, layout, "wood", 0.5)
    for material in ("roof", "wood", "water"):
        if rng.random() < 0.4:
            layout.add_object(layout.of(material))
    return Picture(_land(rng, layout), layout, "aerial", finest_px=112)


def _fields(rng: np.random.Generator, layout: Layout, space: Space) -> None:
    codes, edge = _grid(rng, space, rng.uniform(0.12, 0.5, 2) * space.size)
    codes = np.where(edge > rng.uniform(0, 2.5), codes, 0)
    present = np.flatnonzero(np.bincount(codes.ravel())[1:]) + 1
    kinds = ["crop", "soil", "meadow", "sand"] if rng.random() < 0.7 else [str(rng.choice(_GROUNDS))]
    kept = rng.permutation(present)[: int(rng.integers(3, 50))]
    layout.paint_pieces(codes, {int(code): str(rng.choice(kinds)) for code in kept})


def _grid(rng: np.random.Generator, space: Space, pitch: NDArray[np.floating]) -> tuple[NDArray[np.int32], Field]:
    """Numbers from 1 of rectangles of about `pitch` pixels in shifted rows, and the distance from their borders."""
    angle = rng.uniform(0, np.pi)
    c, s = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    u = (c * space.x + s * space.y + 4 * space.size) / np.float32(pitch[0])
    row = np.floor(u).astype(np.int32)
    shift = rng.uniform(0, 1, 4096).astype(np.float32)[row & 4095]
    v = (c * space.y - s * space.x + 4 * space.size) / np.float32(pitch[1]) + shift
    column = np.floor(v).astype(np.int32)
    column -= column.min()
    codes = (row - row.min()) * (int(column.max()) + 1) + column + 1
    edge = np.minimum(np.abs(u - np.rint(u)) * pitch[0], np.abs(v - np.rint(v)) * pitch[1])
    return codes, single(edge)


def _cover(rng: np.random.Generator, layout: Layout, material: str, threshold: float) -> None:
    first, gain = int(rng.integers(3, 6)), rng.uniform(0.35, 0.75)
    layout.paint(fractal(rng, layout.size, first, 5, gain) > threshold, material)


def _water(rng: np.random.Generator, layout: Layout, space: Space) -> None:
    size = layout.size
    if rng.random() < 0.5:
        _cover(rng, layout, "water", rng.uniform(-0.2, 1.2))
        return
    start = (float(rng.uniform(0, size)), -4.0)
    points = walk(rng, start, rng.normal(0, 0.5), size * 1.4, 10, 0.35)
    widths = size * rng.uniform(0.01, 0.07) * np.exp(rng.normal(0, 0.15, 11))
    layout.paint(ribbon(space, points, widths), "water")


def _roads(rng: np.random.Generator, layout: Layout, space: Space) -> list[int]:
    size, parts = layout.size, []
    heading = rng.uniform(0, np.pi)
    for index in range(int(rng.integers(1, 6))):
        middle = rng.uniform(0.1, 0.9, 2) * size
        course = heading + (np.pi / 2 if index % 2 else 0) + rng.normal(0, 0.06)
        back = (float(middle[0] - size * np.sin(course)), float(middle[1] - size * np.cos(course)))
        points = walk(rng, back, course, 2 * size, 8, rng.choice([0.0, 0.02, 0.12]))
        width = size * float(rng.choice([0.006, 0.01, 0.02, 0.035]))
        parts.append(layout.paint(ribbon(space, points, np.full(9, width)), "road", target=False))
        if width > 0.015 * size and rng.random() < 0.6:
            line = layout.paint(ribbon(space, points, np.full(9, 0.6)), "mark", within=parts[-1], target=False)
            parts.append(line)
    layout.add_object(parts)
    return parts


def _buildings(rng: np.random.Generator, layout: Layout, space: Space, roads: list[int]) -> None:
    size, heading = layout.size, rng.uniform(0, np.pi)
    extent, count = size * float(np.exp(rng.uniform(np.log(0.012), np.log(0.09)))), int(rng.integers(3, 45))
    sun = rng.uniform(0, 2 * np.pi)
    reach = extent * rng.uniform(0.2, 0.9)
    middle, spread = rng.uniform(0.2, 0.8, 2) * size, rng.uniform(0.15, 0.6) * size
    free = set(range(len(layout.materials))) - set(roads)
    for _ in range(count):
        y, x = middle + rng.normal(0, spread, 2)
        y, x = (np.round(np.array([y, x]) / (2.6 * extent)) + rng.uniform(-0.1, 0.1, 2)) * 2.6 * extent
        radii = (extent * rng.uniform(0.6, 1.25), extent * rng.uniform(0.5, 1.0))
        at, dark = (float(y), float(x)), (float(y + reach * np.sin(sun)), float(x + reach * np.cos(sun)))
        layout.paint(superellipse(space, dark, radii, heading, 99.0), "shadow", over=free, target=False)
        free.add(len(layout.materials) - 1)
        roof = layout.paint(superellipse(space, at, radii, heading, 99.0), "roof", over=free)
        if extent > 8 and rng.random() < 0.6:
            half = (at[0] + 0.5 * radii[1] * np.cos(heading), at[1] - 0.5 * radii[1] * np.sin(heading))
            layout.paint(superellipse(space, half, (radii[0], radii[1] * 0.5), heading, 99.0), "roof", within=roof,
                         target=False)  # fmt: skip


def _town(rng: np.random.Generator, layout: Layout, space: Space, roads: list[int]) -> None:
    """Houses in dense rows with shadows on one side; some of them and all together are objects."""
    size = layout.size
    pitch = size * float(np.exp(rng.uniform(np.log(0.03), np.log(0.12)))) * rng.uniform(0.75, 1.3, 2)
    codes, edge = _grid(rng, space, pitch)
    ground = ~np.isin(layout.regions, roads) & (fractal(rng, size, 3, 3) > rng.uniform(-1.2, 0.4))
    house = (edge > pitch.min() * rng.uniform(0.08, 0.25)) & ground
    tone = rng.integers(0, 10, int(codes.max()) + 1)  # 0 and 1: an empty lot
    built = house & (tone[codes] > 1)
    sun, reach = rng.uniform(0, 2 * np.pi), pitch.min() * rng.uniform(0.1, 0.35)
    shadow = np.roll(built, (round(reach * np.sin(sun)), round(reach * np.cos(sun))), (0, 1)) & ground & ~built
    layout.paint(shadow, "shadow", target=False)
    parts = [layout.paint(built & (tone[codes] == kind), "roof", target=False) for kind in range(2, 10)]
    present = np.flatnonzero(np.bincount(codes[built], minlength=2))
    alone = [int(code) for code in rng.permutation(present)[:24]]
    start = len(layout.materials)
    layout.paint_pieces(np.where(built, codes, 0), dict.fromkeys(alone, "roof"))
    layout.add_object([*parts, *range(start, len(layout.materials))])


def _trees(rng: np.random.Generator, layout: Layout, space: Space) -> None:
    size, radius = layout.size, layout.size * rng.uniform(0.005, 0.02)
    middle, spread = rng.uniform(0.1, 0.9, 2) * size, rng.uniform(0.1, 0.5) * size
    for _ in range(int(rng.integers(5, 40))):
        y, x = middle + rng.normal(0, spread, 2)
        crown = radius * rng.uniform(0.6, 1.4)
        for name, shift in (("shadow", 0.7 * crown), ("wood", 0.0)):
            layout.paint(superellipse(space, (float(y + shift), float(x + shift)), (crown, crown)), name, target=False)


def _land(rng: np.random.Generator, layout: Layout) -> Field:
    size, tint, dull = layout.size, rng.normal(0, 0.035, 3), rng.uniform(0.4, 1.1)
    colours, amounts, rows = [], [], []
    common = {m: np.array(_LAND[m][0]) + rng.normal(0, 0.06) + rng.normal(0, 0.03, 3) for m in _LAND}
    for material in layout.materials:
        _, spread, rough = _LAND[material]
        colour = common[material] + rng.normal(0, spread) + rng.normal(0, spread / 4, 3) + tint
        colours.append(colour.mean() + dull * (colour - colour.mean()))
        amounts.append(rough * rng.uniform(0.4, 1.4))
        rows.append(rng.uniform(0, 0.06) if material == "crop" and rng.random() < 0.5 else 0.0)
    image = layout.colours(colours)
    relief = layout.table(amounts) * (0.6 * texture(rng, size, "pink") + 0.6 * texture(rng, size, "medium"))
    relief += layout.table([0.4 * a for a in amounts]) * grain(rng, size, str(rng.choice(["white", "fine"])))
    relief += layout.table(rows) * texture(rng, size, "fibres", 2.0)
    relief += np.float32(0.025) * smooth(rng, size, 4)
    image = (image + relief[..., None]) * np.float32(rng.uniform(0.7, 1.25))
    return image if rng.random() < 0.8 else 0.85 * image + 0.15


def targets(rng: np.random.Generator, size: int) -> Picture:
    """One to six warm spots of a few pixels before sky, cloud, sea or ground."""
    image = _scenery(rng, size)
    layout, noise = Layout(size, "ground"), np.float32(rng.uniform(0.003, 0.05))
    dark, space = rng.random() < 0.08, Space.warped(rng, size, 0.0, 3)
    for _ in range(int(rng.choice([1, 1, 1, 2, 3, 6]))):
        at = _place(rng, image, dark)
        extent = float(np.exp(rng.uniform(np.log(1.2), np.log(6.0))))
        spot = superellipse(space, at, (extent * 2.2, extent * rng.uniform(0.9, 2.2)), rng.uniform(0, 3.1))
        profile = np.exp(-spot.level * np.float32(2.2))
        contrast = rng.uniform(0.15, 0.9) + 2 * noise
        view = image[spot.window]
        view += profile * np.float32(-contrast if dark else contrast)
        mask = np.zeros((size, size), dtype=bool)
        mask[spot.window] = profile > rng.uniform(0.35, 0.5)
        layout.paint(mask, "target")
    image = image + noise * grain(rng, size, str(rng.choice(["white", "white", "fine"])))
    return Picture(image, layout, "infrared", finest_px=size)


def _place(rng: np.random.Generator, image: Field, dark: bool) -> tuple[float, float]:
    size = image.shape[0]
    for _ in range(30):
        y, x = rng.integers(int(0.03 * size), int(0.97 * size), 2)
        if (image[y, x] > 0.5) if dark else (image[y, x] < 0.75):
            break
    return float(y), float(x)


def _scenery(rng: np.random.Generator, size: int) -> Field:
    line = np.linspace(0, 1, size, dtype=np.float32)[:, None]
    image = np.float32(rng.uniform(0.05, 0.5)) + np.float32(rng.normal(0, 0.25)) * line + np.zeros((size, size), "f4")
    draw = rng.random()
    if draw < 0.5:
        cloud = fractal(rng, size, 3, 6, rng.uniform(0.4, 0.65))
        image = image + np.float32(rng.uniform(0.05, 0.6)) * np.clip(cloud + np.float32(rng.normal(0, 0.7)), 0, None)
    elif draw < 0.7:
        sea = smooth(rng, size, (int(rng.integers(30, 90)), int(rng.integers(5, 20))))
        image = image + np.float32(rng.uniform(0.02, 0.12)) * sea
    elif draw < 0.85:
        image = image + np.float32(rng.uniform(0.02, 0.2)) * texture(rng, size, "cloud")
    if rng.random() < 0.4:
        ridge = rng.uniform(0.3, 0.9) + 0.05 * smooth(rng, size, int(rng.integers(4, 20)))[:1]
        ground = rng.uniform(0, 0.9) + np.float32(rng.uniform(0.02, 0.25)) * texture(rng, size)
        image = np.where(line > ridge, ground, soften(rng, image))
    if rng.random() < 0.2:
        image = image * np.float32(rng.uniform(1.5, 3))
    image = np.clip(reduced(image, size // 2), 0, np.float32(rng.uniform(0.7, 1.0)))
    return np.ascontiguousarray(shaded(rng, image, 0.1), dtype=np.float32)
