"""Appearance: from a layout of materials to intensities, as CT, MR, ultrasound, infrared or nothing on earth."""

from __future__ import annotations

import numpy as np

from samadapt.data.synthetic.fields import Field, grain, reduced, single, smooth, spline_basis, texture, unit
from samadapt.data.synthetic.layout import Layout, Picture

Range = tuple[float, float]

_CT: dict[str, Range] = {
    "air": (0, 0), "gas": (0, 0.02), "lung": (0, 0.1), "fat": (0.1, 0.28), "mesentery": (0.12, 0.3),
    "muscle": (0.45, 0.56), "organ": (0.48, 0.72), "wall": (0.45, 0.65), "bowel": (0.35, 0.6), "fluid": (0.36, 0.46),
    "vessel": (0.55, 0.9), "bone": (0.85, 1), "marrow": (0.62, 0.85), "lesion": (0.36, 0.62), "core": (0.4, 0.8),
    "table": (0.3, 0.9), "grey": (0.5, 0.58), "white": (0.44, 0.52), "edema": (0.38, 0.46), "structure": (0.46, 0.6),
}  # fmt: skip
_DARK = {"air": (0.0, 0.03), "gas": (0.0, 0.05), "lung": (0.0, 0.12), "void": (0.0, 0.08), "table": (0.0, 0.05)}
_ROUGH = {"lung": 1.6, "bowel": 2.2, "mesentery": 1.8, "marrow": 1.5, "lesion": 1.4, "air": 0.15, "void": 0.2}


def values_of(rng: np.random.Generator, layout: Layout, ranges: dict[str, Range], spread: float) -> list[float]:
    """One value per region: its material's own value plus a jitter of `spread` (standard deviation)."""
    centre = {name: rng.uniform(*ranges.get(name, (0.1, 1.0))) for name in sorted(set(layout.materials))}
    quiet = {"air", "void", "gas"}
    return [centre[m] + (0.0 if m in quiet else rng.normal(0, spread)) for m in layout.materials]


def soften(rng: np.random.Generator, image: Field, strongest: float = 3.0) -> Field:
    """Blur borders unevenly: sharp here, weak or missing there."""
    draw = rng.random()
    if draw < 0.25:
        return image
    size = image.shape[0]
    cells = int(size / rng.uniform(1.0, strongest if draw < 0.7 else 2.5 * strongest))
    blurred = reduced(image, max(cells, 16))
    if draw < 0.6:
        return blurred
    weight = np.clip(0.5 + 0.6 * smooth(rng, size, 5), 0.0, 1.0)
    return single(image + weight * (blurred - image))


def textured(rng: np.random.Generator, layout: Layout, image: Field, strength: float) -> Field:
    """Add one or two textures whose amplitude differs from region to region."""
    for _ in range(int(rng.integers(1, 3))):
        amounts = [_ROUGH.get(m, 1.0) * strength * rng.uniform(0.0, 1.0) ** 2 for m in layout.materials]
        image = image + layout.table(amounts) * texture(rng, layout.size)
    return image


def shaded(rng: np.random.Generator, image: Field, strength: float) -> Field:
    """Multiply by a smooth bias field."""
    return single(image * np.exp(np.float32(strength) * smooth(rng, image.shape[0], int(rng.integers(2, 5)))))


def ct(rng: np.random.Generator, layout: Layout) -> Field:
    """Computed tomography in a soft-tissue window, sometimes a wide one; noise of medium scale, at times streaks."""
    image = soften(rng, layout.table(values_of(rng, layout, _CT, 0.035)), 2.5)
    image = textured(rng, layout, image, 0.02)
    noise = grain(rng, layout.size, str(rng.choice(["fine", "medium", "white"])))
    image = image + np.float32(rng.uniform(0.0, 0.06)) * noise
    if rng.random() < 0.1:
        image = image + np.float32(0.05) * texture(rng, layout.size, "fibres", 1.0)
    if rng.random() < 0.25:
        low, width = rng.uniform(-0.6, 0.1), rng.uniform(1.0, 2.2)
        image = (image - np.float32(low)) / np.float32(width)
    return image


def mr(rng: np.random.Generator, layout: Layout) -> Field:
    """Magnetic resonance: any order of tissue intensities, coil shading, Rician noise."""
    water = float(rng.choice([0.05, 0.85]))
    ranges: dict[str, Range] = dict(_DARK) | {"bone": (0.0, 0.2), "fat": (0.1, 1.0), "fluid": (water, water + 0.15)}
    if rng.random() < 0.5:
        ranges |= {"vessel": (0.7, 1.0), "muscle": (0.1, 0.4), "mesentery": (0.1, 0.5)}
    if "structure" in layout.materials:
        low = rng.uniform(0.3, 0.6)
        ranges |= {"grey": (low, low + 0.1), "structure": (low - 0.1, low + 0.2), "core": (low - 0.1, low + 0.2),
                   "white": (low + 0.12, 1.0), "fluid": (0.0, low - 0.1)}  # fmt: skip
    image = soften(rng, layout.table(values_of(rng, layout, ranges, 0.04)), 2.5)
    image = textured(rng, layout, image, 0.05)
    image = shaded(rng, image, rng.uniform(0.0, 0.4))
    level = np.float32(rng.uniform(0.005, 0.07))
    return single(np.hypot(image + level * grain(rng, layout.size), level * grain(rng, layout.size, "fine")))


def any_grey(rng: np.random.Generator, layout: Layout) -> Field:
    """No physics: every region its own intensity, textures of any strength, bias, noise."""
    spread = rng.uniform(0.08, 0.5)
    base = rng.uniform(0.2, 0.8)
    values = [base + rng.uniform(-spread, spread) for _ in layout.materials]
    image = soften(rng, layout.table(values), 4.0)
    image = textured(rng, layout, image, 0.3 * spread + 0.02)
    image = shaded(rng, image, rng.uniform(0, 0.4))
    return image + np.float32(rng.exponential(0.03)) * grain(rng, layout.size)


def any_colour(rng: np.random.Generator, layout: Layout) -> Field:
    """No physics, in colour: every region a colour near or far from a common one, textured, shaded."""
    spread, base = rng.uniform(0.08, 0.5), rng.uniform(0.2, 0.8, 3)
    colours = base + rng.uniform(-1, 1, (len(layout.materials), 3)) * spread
    image = layout.colours(colours)
    light = np.float32(1.0) + textured(rng, layout, np.zeros(image.shape[:2], dtype=np.float32), 0.5 * spread)
    image = image * shaded(rng, light, rng.uniform(0, 0.35))[..., None]
    tint = rng.normal(0, 0.06, 3).astype(np.float32)
    return image + tint * texture(rng, layout.size)[..., None]


def ultrasound(rng: np.random.Generator, layout: Layout) -> Field:
    """Ultrasound: multiplicative speckle, log compression, bright borders, shadows, a sector or a rectangle."""
    size = layout.size
    ranges = {
        "fluid": (0.0, 0.12),
        "vessel": (0.0, 0.15),
        "gas": (0.8, 1.0),
        "bone": (0.8, 1.0),
        "air": (0.1, 0.4),
        "any": (0.03, 1.0),
    }
    values = values_of(rng, layout, ranges, 0.12)
    values = [rng.uniform(*ranges["any"]) if m == "any" else v for v, m in zip(values, layout.materials)]
    image = soften(rng, np.clip(layout.table(values), 0.02, 1.2), 3.0)
    image = shaded(rng, image, rng.uniform(0.2, 0.6))
    image = single(image + rng.uniform(0, 0.8) * np.abs(np.diff(image, axis=0, prepend=image[:1])))
    name = str(rng.choice(["speckle", "fine", "medium"]))
    image = image * np.exp(np.float32(rng.uniform(0.15, 0.45)) * grain(rng, size, name))
    image = np.log1p(5 * np.clip(image, 0, None)) / np.float32(np.log(rng.uniform(6, 10)))
    if rng.random() < 0.5:
        beams = spline_basis(size, 24) @ (rng.random(24) < 0.2).astype(np.float32)
        depth = np.linspace(0, 1, size, dtype=np.float32)[:, None] > rng.uniform(0.2, 0.7)
        image = image * (1 - np.float32(0.5) * depth * np.clip(beams, 0, 1)[None])
    return single(image)


def sector(rng: np.random.Generator, size: int) -> np.ndarray:
    """(size, size) bool inside a probe's fan."""
    line = np.arange(size, dtype=np.float32)
    y, x = line[:, None] + size * rng.uniform(0.02, 0.3), line[None] - size * rng.uniform(0.45, 0.55)
    distance = np.hypot(y, x)
    wide = np.abs(x) < y * np.float32(rng.uniform(0.6, 1.6))
    return np.asarray(wide & (distance < size * rng.uniform(1.0, 1.25)) & (distance > size * rng.uniform(0.05, 0.3)))


def dress(rng: np.random.Generator, layout: Layout, look: str) -> Picture:
    """Render a layout in one of the generic looks."""
    render = {"ct": ct, "mr": mr, "ultrasound": ultrasound, "grey": any_grey, "colour": any_colour}[look]
    image = render(rng, layout)
    if look == "ultrasound" and rng.random() < 0.6:
        outside = ~sector(rng, layout.size)
        if outside.mean() < 0.6:
            image = np.where(outside, np.float32(0), image)
            layout.regions[outside] = 0
            layout.objects = [o for o in layout.objects if 0 not in o]
    if look in ("grey", "ct") and rng.random() < 0.08:
        image = unit(image)
    return Picture(image, layout, look)
