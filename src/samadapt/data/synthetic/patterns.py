"""Scenes without a subject: random partitions, piles of shapes, layers. They teach edges of every kind."""

from __future__ import annotations

import numpy as np

from samadapt.data.synthetic.fields import fractal, smooth
from samadapt.data.synthetic.layout import Layout
from samadapt.data.synthetic.shapes import (
    Patch,
    Point,
    Space,
    convex,
    ribbon,
    scaled,
    star,
    superellipse,
    tree,
    walk,
)


def partition(rng: np.random.Generator, size: int) -> Layout:
    """Frame divided by the largest of several smooth noises, as in SynthMorph and UniverSeg, with parts inside."""
    layout, count = Layout(size, "any"), int(rng.integers(3, 9))
    first, octaves = int(rng.integers(3, 7)), int(rng.integers(1, 4))
    fields = np.stack([fractal(rng, size, first, octaves, 0.5) for _ in range(count)])
    winner = fields.argmax(0)
    base = [layout.paint(winner == index, "any") for index in range(count)]
    detail = smooth(rng, size, int(rng.integers(5, 14)))
    for region in rng.choice(base, int(rng.integers(1, 3)), replace=False):
        layout.paint(detail > rng.uniform(0.6, 1.4), "any", within=int(region))
    return layout


def pile(rng: np.random.Generator, size: int) -> Layout:
    """Shapes of all sizes dropped on one another ("dead leaves"), some with parts, holes and rims."""
    layout, space = Layout(size, "any"), Space.warped(rng, size)
    largest = rng.uniform(0.12, 0.42) * size
    for _ in range(int(rng.integers(3, 30))):
        at = (float(rng.uniform(0, size)), float(rng.uniform(0, size)))
        extent = float(max(2.0, largest * rng.uniform(0.05, 1.0) ** 1.7))
        outline = any_shape(rng, space, at, extent)
        whole = layout.paint(outline, "any")
        if extent > 6 and rng.random() < 0.4:
            part = layout.paint(scaled(outline, rng.uniform(0.3, 0.9)), "any", within=whole)
            layout.add_object({whole})
            if rng.random() < 0.3:
                layout.paint(scaled(outline, rng.uniform(0.1, 0.3)), "any", within=part)
        if extent > 12 and rng.random() < 0.3:
            spot = (at[0] + rng.normal(0, extent * 0.35), at[1] + rng.normal(0, extent * 0.35))
            layout.paint(any_shape(rng, space, spot, extent * rng.uniform(0.1, 0.4)), "any", within=whole)
    return layout


def any_shape(rng: np.random.Generator, space: Space, at: Point, extent: float) -> Patch:
    """One random outline of about `extent` pixels radius."""
    draw = rng.random()
    if draw < 0.45:
        return star(space, rng, at, extent, aspect=rng.uniform(1, 3), angle=rng.uniform(0, np.pi),
                    rough=rng.uniform(0, 0.35), waves=int(rng.integers(2, 14)))  # fmt: skip
    if draw < 0.7:
        radii = (extent, extent * rng.uniform(0.25, 1))
        return superellipse(space, at, radii, rng.uniform(0, np.pi), float(rng.choice([1.0, 2.0, 2.0, 4.0, 99.0])))
    if draw < 0.85:
        return convex(space, rng, at, extent, int(rng.integers(3, 8)))
    points = walk(rng, at, rng.uniform(0, 6.3), extent * rng.uniform(1.5, 4), 6, 0.4)
    return ribbon(space, points, np.exp(rng.normal(0, 0.2, 7)) * extent * rng.uniform(0.08, 0.35))


def layers(rng: np.random.Generator, size: int) -> Layout:
    """Stack of bands with pockets of fluid, as in optical coherence tomography, skin or rock."""
    layout, space = Layout(size, "void"), Space.warped(rng, size, rng.uniform(0.01, 0.06), int(rng.integers(3, 6)))
    edges = np.sort(rng.uniform(0.15, 0.85, int(rng.integers(3, 10)))) * size
    bands = [layout.paint(space.y > edge, "any", target=False) for edge in edges]
    for band in bands:
        layout.add_object({band})
    for _ in range(int(rng.integers(0, 5))):
        at = (float(rng.uniform(edges[0], edges[-1])), float(rng.uniform(0.1, 0.9) * size))
        pocket = star(space, rng, at, size * rng.uniform(0.02, 0.1), aspect=rng.uniform(1, 2.5), rough=0.15)
        layout.paint(pocket, "fluid", over=bands)
    if rng.random() < 0.5:
        layout.regions = np.ascontiguousarray(layout.regions.T)
    return layout


def branches(rng: np.random.Generator, size: int) -> Layout:
    """Trees of vessels or fibres on a ground with patches; the whole tree and a thick branch are objects."""
    layout, space = Layout(size, "ground"), Space.warped(rng, size, rng.uniform(0, 0.02))
    if rng.random() < 0.6:
        layout.paint(fractal(rng, size, 3, 3) > rng.uniform(0.3, 1.0), "patch", target=False)
    if rng.random() < 0.6:
        disc = (size * rng.uniform(0.2, 0.8), size * rng.uniform(0.2, 0.8))
        whole = layout.paint(star(space, rng, disc, size * rng.uniform(0.04, 0.14), rough=0.03), "disc")
        if rng.random() < 0.6:
            layout.paint(star(space, rng, disc, size * rng.uniform(0.02, 0.05), rough=0.05), "cup", within=whole)
    for _ in range(int(rng.integers(1, 3))):
        edge = (float(rng.uniform(0, size)), float(rng.choice([0.0, size - 1.0])))
        edge = edge if rng.random() < 0.5 else (edge[1], edge[0])
        heading = float(np.arctan2(size / 2 - edge[0], size / 2 - edge[1]) + rng.normal(0, 0.4))
        grown = tree(rng, edge, heading, size * rng.uniform(0.2, 0.4), rng.uniform(1.2, 7.0), int(rng.integers(2, 5)))
        parts = [layout.paint(ribbon(space, p, w), "vessel", target=i < 2) for i, (p, w) in enumerate(grown)]
        layout.add_object(parts)
    return layout
