"""Cross-sections of bodies: trunk, heart, brain and small curved structures, as layouts of tissues."""

from __future__ import annotations

import numpy as np

from samadapt.data.synthetic.fields import fractal, smooth
from samadapt.data.synthetic.layout import Layout
from samadapt.data.synthetic.shapes import Patch, Point, Space, ribbon, scaled, star, superellipse, tree, walk


def trunk(rng: np.random.Generator, size: int) -> Layout:
    """Axial slice of an abdomen or chest: skin, fat, muscle, spine, ribs, organs with lesions and vessels."""
    zoom = float(rng.choice([1.0, 1.0, 1.0, rng.uniform(1.3, 2.6)]))
    layout, space = Layout(size, "air"), Space.warped(rng, size, rng.uniform(0.005, 0.025))
    radius = size * rng.uniform(0.34, 0.46) * zoom
    shift = size * 0.12 * zoom if zoom > 1 else size * 0.03
    centre = (size / 2 + rng.normal(0, shift), size / 2 + rng.normal(0, shift))
    aspect = rng.uniform(1.1, 1.6)
    outline = star(space, rng, centre, radius, aspect=aspect, rough=0.03, waves=5)
    layout.paint(outline, "fat", target=False)
    wall = rng.uniform(0.8, 0.96)
    body = layout.paint(scaled(outline, wall), "muscle", target=False)
    cavity = layout.paint(scaled(outline, wall * rng.uniform(0.8, 0.92)), "mesentery", within=body, target=False)
    _ribs(layout, space, rng, centre, radius * wall * 0.93, aspect)
    _spine(layout, space, rng, (centre[0] + radius * rng.uniform(0.3, 0.5), centre[1]), radius)
    if rng.random() < 0.3:
        _lungs(layout, space, rng, centre, radius, cavity)
    _organs(layout, space, rng, centre, radius, aspect, cavity)
    if rng.random() < 0.4 and zoom == 1.0:
        _table(layout, space, rng, centre, radius)
    return layout


def _ribs(layout: Layout, space: Space, rng: np.random.Generator, centre: Point, radius: float, aspect: float) -> None:
    for angle in np.linspace(0, 2 * np.pi, int(rng.integers(5, 15)), endpoint=False) + rng.normal(0, 0.1):
        a = float(angle + rng.normal(0, 0.1))
        at = (centre[0] + radius / aspect**0.5 * np.sin(a), centre[1] + radius * aspect**0.5 * np.cos(a))
        size = radius * rng.uniform(0.03, 0.055)
        rib = superellipse(space, at, (size * rng.uniform(1.5, 3), size), a + np.pi / 2)
        number = layout.paint(rib, "bone", target=rng.random() < 0.3)
        layout.paint(scaled(rib, 0.5), "marrow", within=number, target=False)


def _spine(layout: Layout, space: Space, rng: np.random.Generator, at: Point, radius: float) -> None:
    for side in (-1, 1):
        muscle = (at[0] + radius * 0.2, at[1] + side * radius * 0.25)
        layout.paint(star(space, rng, muscle, radius * rng.uniform(0.13, 0.19), aspect=1.3, rough=0.06), "muscle")
        wing = np.array([[at[0] + radius * 0.12, at[1]], [at[0] + radius * 0.2, at[1] + side * radius * 0.3]])
        layout.paint(ribbon(space, wing, np.array([0.05, 0.02]) * radius), "bone", target=False)
    tail = np.array([[at[0] + radius * 0.14, at[1]], [at[0] + radius * 0.36, at[1]]])
    layout.paint(ribbon(space, tail, np.array([0.05, 0.03]) * radius), "bone", target=False)
    vertebra = star(space, rng, at, radius * rng.uniform(0.12, 0.16), aspect=1.25, rough=0.04)
    number = layout.paint(vertebra, "bone")
    layout.paint(scaled(vertebra, 0.82), "marrow", within=number, target=False)
    layout.paint(superellipse(space, (at[0] + radius * 0.17, at[1]), (radius * 0.06, radius * 0.05)), "fluid")


def _lungs(layout: Layout, space: Space, rng: np.random.Generator, centre: Point, radius: float, cavity: int) -> None:
    for side in (-1, 1):
        at = (centre[0] + radius * rng.normal(-0.05, 0.08), centre[1] + side * radius * rng.uniform(0.45, 0.62))
        outline = star(space, rng, at, radius * rng.uniform(0.36, 0.5), aspect=0.72, rough=0.07)
        lung = layout.paint(outline, "lung", over=[cavity])
        for _ in range(int(rng.integers(4, 12))):
            spot = _inside(rng, at, radius * 0.38)
            layout.paint(superellipse(space, spot, (rng.uniform(0.8, 3), rng.uniform(0.8, 1.6)), rng.uniform(0, 3)),
                         "vessel", within=lung, target=False)  # fmt: skip
        if rng.random() < 0.5:
            nodule = star(space, rng, _inside(rng, at, radius * 0.3), radius * rng.uniform(0.02, 0.12), rough=0.2)
            layout.paint(nodule, "lesion", within=lung)


def _inside(rng: np.random.Generator, centre: Point, radius: float) -> Point:
    r, a = radius * np.sqrt(rng.random()), rng.uniform(0, 2 * np.pi)
    return float(centre[0] + r * np.sin(a)), float(centre[1] + r * np.cos(a))


def _organs(
    layout: Layout, space: Space, rng: np.random.Generator, centre: Point, radius: float, aspect: float, cavity: int
) -> None:
    free = {cavity}
    for index in range(int(rng.integers(5, 18))):
        at = _inside(rng, (0, 0), radius * 0.72)
        at = (centre[0] + at[0] / aspect**0.5, centre[1] + at[1] * aspect**0.5)
        extent = radius * (rng.uniform(0.25, 0.55) if index < 2 else rng.uniform(0.03, 0.26))
        organ(layout, space, rng, at, extent, free)


def organ(layout: Layout, space: Space, rng: np.random.Generator, at: Point, extent: float, over: set[int]) -> int:
    """Paint one organ (solid, hollow or tube) on the regions `over`, often with a thin rim of fat and with parts."""
    outline = star(space, rng, at, extent, aspect=rng.uniform(1, 2.4), angle=rng.uniform(0, np.pi),
                   rough=rng.uniform(0.03, 0.22), waves=int(rng.integers(3, 9)))  # fmt: skip
    if rng.random() < 0.5:
        gap = 1.0 + rng.uniform(1.0, 4.0) / max(extent, 4.0)
        layout.paint(scaled(outline, gap), "mesentery", over=over, target=False)
        over = over | {len(layout.materials) - 1}
    kind = str(rng.choice(["solid", "hollow", "vessel", "fluid"], p=[0.6, 0.2, 0.12, 0.08]))
    number = layout.paint(outline, {"solid": "organ", "hollow": "wall"}.get(kind, kind), over=over)
    if kind == "hollow":
        lumen = layout.paint(scaled(outline, rng.uniform(0.5, 0.88)), str(rng.choice(["bowel", "fluid", "gas"])),
                             within=number)  # fmt: skip
        if rng.random() < 0.4:
            layout.paint(superellipse(space, (at[0] - extent * 0.2, at[1]), (extent * 0.5, extent * 0.25)), "gas",
                         within=lumen, target=False)  # fmt: skip
    elif kind == "solid" and extent > 10:
        _parts(layout, space, rng, at, extent, number, outline)
    return number


def _parts(
    layout: Layout, space: Space, rng: np.random.Generator, at: Point, extent: float, number: int, outline: Patch
) -> None:
    if rng.random() < 0.3:
        layout.paint(scaled(outline, rng.uniform(0.3, 0.75)), "core", within=number)
    for _ in range(int(rng.integers(0, 4))):
        lesion = star(space, rng, _inside(rng, at, extent * 0.7), extent * rng.uniform(0.05, 0.4), rough=0.15)
        spot = layout.paint(lesion, "lesion", within=number)
        if rng.random() < 0.25:
            layout.paint(scaled(lesion, rng.uniform(0.4, 0.8)), "core", within=spot)
    if extent > 25 and rng.random() < 0.5:
        for points, widths in tree(rng, at, rng.uniform(0, 6.3), extent * 0.45, extent * 0.045, 2):
            layout.paint(ribbon(space, points, widths), "vessel", within=number, target=False)


def _table(layout: Layout, space: Space, rng: np.random.Generator, centre: Point, radius: float) -> None:
    below = centre[0] + radius * rng.uniform(0.95, 1.1)
    for offset in (0.0, rng.uniform(4, 12)):
        x = np.linspace(0.05, 0.95, 7) * space.size
        y = below + offset - 0.0012 * (x - space.size / 2) ** 2
        layout.paint(ribbon(space, np.stack([y, x], 1), np.full(7, 1.2)), "table", over=[0], target=False)


def heart(rng: np.random.Generator, size: int) -> Layout:
    """Short-axis slice of a heart: a pool in a muscular ring with papillary muscles, right ventricle, lungs, wall."""
    layout, space = Layout(size, "mesentery"), Space.warped(rng, size, rng.uniform(0.003, 0.015))
    zoom = rng.uniform(0.6, 2.2)
    middle = (size * rng.uniform(0.4, 0.6), size * rng.uniform(0.4, 0.6))
    radius = size * 0.11 * zoom
    for _ in range(int(rng.integers(3, 9))):
        around = _inside(rng, (size / 2, size / 2), size * 0.6)
        name = str(rng.choice(["lung", "lung", "organ", "fat", "muscle", "vessel", "air"]))
        blob = star(space, rng, around, size * rng.uniform(0.08, 0.4), aspect=rng.uniform(1, 2), rough=0.2)
        layout.paint(blob, name, target=name != "air")
    layout.paint(star(space, rng, middle, radius * rng.uniform(1.9, 2.4), aspect=1.3, rough=0.08), "fat", target=False)
    _right_ventricle(layout, space, rng, middle, radius)
    ring = star(space, rng, middle, radius, aspect=rng.uniform(1, 1.25), angle=rng.uniform(0, 3.1), rough=0.04, waves=5)
    wall = layout.paint(ring, "muscle")
    reach = rng.uniform(0.45, 0.82)
    pool = layout.paint(scaled(ring, reach), "vessel", within=wall)
    layout.add_object({wall})
    _muscles_in_pool(layout, space, rng, middle, radius * reach, pool)
    return layout


def _muscles_in_pool(
    layout: Layout, space: Space, rng: np.random.Generator, middle: Point, radius: float, pool: int
) -> None:
    """Papillary muscles near the wall, small ones anywhere, and trabeculae along it: all counted to the pool.

    Half of the hearts have large muscles that have grown together with the wall, as at the end of systole.
    """
    large, fine = int(rng.integers(0, 3)), int(rng.choice([0, 0, int(rng.integers(6, 20))]))
    where = [(0.55, 1.0, 0.12, 0.45)] * large + [(0.0, 0.9, 0.08, 0.2)] * int(rng.integers(0, 3))
    where += [(0.75, 1.1, 0.3, 0.65)] * int(rng.choice([0, 0, 1, 2]))
    for nearest, farthest, least, most in where + [(0.85, 1.1, 0.05, 0.18)] * fine:
        angle, away = rng.uniform(0, 2 * np.pi), radius * rng.uniform(nearest, farthest)
        at = (middle[0] + away * np.sin(angle), middle[1] + away * np.cos(angle))
        extent = radius * rng.uniform(least, most)
        muscle = star(space, rng, at, extent, aspect=rng.uniform(1.0, 1.8), angle=angle, rough=0.1)
        layout.paint(muscle, "muscle", within=pool, target=False)


def _right_ventricle(layout: Layout, space: Space, rng: np.random.Generator, at: Point, radius: float) -> None:
    heading = rng.uniform(0, 2 * np.pi)
    beside = (at[0] + radius * 1.05 * np.sin(heading), at[1] + radius * 1.05 * np.cos(heading))
    shell = star(space, rng, beside, radius * rng.uniform(0.85, 1.15), aspect=1.4, angle=heading + np.pi / 2, rough=0.1)
    wall = layout.paint(shell, "muscle", target=False)
    layout.paint(scaled(shell, 0.88), "vessel", within=wall)


def curved(rng: np.random.Generator, size: int) -> Layout:
    """Crop about a curved elongated structure of two parts, of low contrast, among patches of grey and white."""
    layout, space = Layout(size, "grey"), Space.warped(rng, size, rng.uniform(0.01, 0.03))
    field = fractal(rng, size, int(rng.integers(3, 6)), 3, 0.5)
    layout.paint(field > rng.uniform(0.1, 0.6), "white", target=False)
    if rng.random() < 0.7:
        gap = np.abs(smooth(rng, size, int(rng.integers(3, 7))))
        layout.paint((gap < rng.uniform(0.03, 0.12)) & (field < 0.3), "fluid", target=False)
        layout.paint(smooth(rng, size, int(rng.integers(4, 8))) > rng.uniform(1.2, 2.0), "fluid", target=False)
    for _ in range(int(rng.integers(0, 4))):
        blob = star(
            space, rng, _inside(rng, (size / 2, size / 2), size * 0.6), size * rng.uniform(0.05, 0.2), rough=0.15
        )
        layout.paint(blob, str(rng.choice(["white", "organ", "fluid", "vessel"])))
    _curved_body(layout, space, rng)
    return layout


def _curved_body(layout: Layout, space: Space, rng: np.random.Generator) -> None:
    size = space.size
    steps, heading, length = int(rng.integers(4, 8)), rng.uniform(0, 2 * np.pi), size * rng.uniform(0.2, 0.7)
    start = (size / 2 - length / 2 * np.sin(heading), size / 2 - length / 2 * np.cos(heading))
    points = walk(rng, start, heading, length, steps, 0.3)
    widths = length * rng.uniform(0.1, 0.24) * np.linspace(1.0, rng.uniform(0.4, 1.0), steps + 1)
    widths *= np.exp(rng.normal(0, 0.12, steps + 1))
    if rng.random() < 0.6:
        layout.paint(ribbon(space, points, widths * rng.uniform(1.15, 1.6)), str(rng.choice(["white", "fluid"])),
                     target=False)  # fmt: skip
    whole = layout.paint(ribbon(space, points, widths), "structure")
    if rng.random() < 0.7:
        cut = int(rng.integers(2, steps))
        half = ribbon(space, points[cut - 1 :], widths[cut - 1 :] * 1.3)
        layout.paint(half, str(rng.choice(["structure", "core"])), within=whole)
        layout.add_object({whole})


def brain(rng: np.random.Generator, size: int) -> Layout:
    """Slice of a head: skin, skull, folded grey and white matter, ventricles, deep nuclei, a tumour in layers."""
    layout, space = Layout(size, "air"), Space.warped(rng, size, rng.uniform(0.005, 0.02))
    radius, aspect = size * rng.uniform(0.32, 0.46), rng.uniform(1.0, 1.35)
    middle, angle = (size / 2 + rng.normal(0, 4), size / 2 + rng.normal(0, 4)), np.pi / 2 + rng.normal(0, 0.15)
    head = star(space, rng, middle, radius, aspect=aspect, angle=angle, rough=0.03, waves=4)
    layout.paint(head, "fat", target=False)
    layout.paint(scaled(head, 0.95), "bone", target=False)
    inner = layout.paint(scaled(head, rng.uniform(0.85, 0.9)), "fluid")
    folds = smooth(rng, size, int(rng.integers(14, 26)))
    level = _full(head, size) + 0.035 * folds + np.float32(0.05) * np.abs(smooth(rng, size, 20))
    grey = layout.paint(level < 0.84, "grey", within=inner)
    layout.paint((level + 0.04 * folds < 0.75), "white", within=grey)
    for side in (-1, 1):
        _ventricle(layout, space, rng, middle, radius, side, grey)
    if rng.random() < 0.65:
        at = _inside(rng, middle, radius * 0.6)
        edema = star(space, rng, at, radius * rng.uniform(0.1, 0.4), rough=0.2)
        lesion = layout.paint(edema, "edema", within=inner)
        core = layout.paint(scaled(edema, rng.uniform(0.4, 0.8)), "lesion", within=lesion)
        if rng.random() < 0.5:
            layout.paint(scaled(edema, rng.uniform(0.15, 0.4)), "core", within=core)
    return layout


def _ventricle(
    layout: Layout, space: Space, rng: np.random.Generator, middle: Point, radius: float, side: int, grey: int
) -> None:
    x = middle[1] + side * radius * rng.uniform(0.06, 0.14)
    path = np.array([[middle[0] - radius * 0.35, x + side * radius * 0.1], [middle[0], x],
                     [middle[0] + radius * 0.3, x + side * radius * 0.2]])  # fmt: skip
    for name, offset, extent in (("structure", 0.3, 0.13), ("core", 0.18, 0.1)):
        at = (middle[0] + radius * rng.uniform(-0.1, 0.1), middle[1] + side * radius * offset)
        layout.paint(star(space, rng, at, radius * extent, aspect=0.6, rough=0.08), name, within=grey)
    layout.paint(ribbon(space, path, np.array([0.05, 0.04, 0.05]) * radius * rng.uniform(0.5, 2.0)), "fluid",
                 within=grey)  # fmt: skip


def _full(patch: Patch, size: int) -> np.ndarray:
    level = np.full((size, size), 9.0, dtype=np.float32)
    level[patch.window] = patch.level
    return level
