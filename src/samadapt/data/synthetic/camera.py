"""What happens between a scene and a file: crop, resolution, compression, burnt-in marks, padding."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from samadapt.data.synthetic.fields import Field, grain, reduced, single
from samadapt.data.synthetic.layout import Picture

Regions = NDArray[np.int16]
HIDDEN = -1
"""Region number of pixels that show nothing of the scene: padding, marks, the edge of a scope."""

_GLYPHS = (0x7B6F, 0x2C97, 0x73E7, 0x73CF, 0x5BC9, 0x79CF, 0x79EF, 0x7249, 0x7BEF, 0x7BCF, 0x2BED,
           0x79A7, 0x4927, 0x5BFD, 0x6BAE, 0x7927, 0x2A00, 0x0410)  # fmt: skip
"""Digits and a few letters as 3 x 5 bits."""


@dataclass(frozen=True, eq=False)
class Shot:
    """`image` (H, W, C) in 0..1 and `regions` (H, W), with the names of what was done."""

    image: Field
    regions: Regions
    effects: tuple[str, ...] = ()

    def after(self, effect: str, image: Field | None = None, regions: Regions | None = None) -> Shot:
        """The shot with one more effect."""
        return Shot(
            self.image if image is None else image,
            self.regions if regions is None else regions,
            (*self.effects, effect),
        )


def shoot(rng: np.random.Generator, picture: Picture) -> Shot:
    """Pass a picture through a random camera."""
    image = picture.image if picture.image.ndim == 3 else picture.image[..., None]
    shot = Shot(np.clip(image, 0, 1).astype(np.float32, copy=False), picture.layout.regions)
    if rng.random() < 0.45:
        shot = _crop(rng, shot, picture.layout.objects)
    shot = _turn(rng, shot)
    shot = _tone(rng, shot, picture.look)
    if rng.random() < picture.reduce_chance:
        shot = _resolution(rng, shot, picture.finest_px)
    if rng.random() < 0.3 and shot.image.shape[0] % 8 == 0:
        shot = shot.after("compressed", _compress(shot.image, rng.uniform(0.01, 0.12)))
    shot = _marks(rng, shot, picture.look)
    if rng.random() < 0.15:
        shot = _pad(rng, shot)
    return shot


def _crop(rng: np.random.Generator, shot: Shot, objects: list[set[int]]) -> Shot:
    size, side = shot.regions.shape[0], rng.uniform(0.4, 0.95)
    wanted = objects[int(rng.integers(len(objects)))] if objects else {0}
    lookup = np.zeros(int(shot.regions.max()) + 1, dtype=bool)
    lookup[[r for r in wanted if r < len(lookup)]] = True
    inside = np.flatnonzero(lookup[shot.regions])
    at = int(rng.choice(inside)) if len(inside) else size * size // 2
    length = side * size
    y, x = (float(np.clip(c - rng.uniform(0.2, 0.8) * length, 0, size - length)) for c in divmod(at, size))
    rows, columns = _positions(y, length, size), _positions(x, length, size)
    nearest = [np.minimum(np.rint(p).astype(int), size - 1) for p in (rows, columns)]
    image = _interpolate(_interpolate(shot.image, rows, 0), columns, 1)
    return shot.after("crop", image, shot.regions[nearest[0]][:, nearest[1]])


def _positions(start: float, length: float, size: int) -> Field:
    line = start + (np.arange(size) + 0.5) * (length / size) - 0.5
    return single(np.clip(line, 0, size - 1))


def _interpolate(image: Field, position: Field, axis: int) -> Field:
    low = np.floor(position).astype(int)
    high = np.minimum(low + 1, image.shape[axis] - 1)
    weight = (position - low).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
    first = image.take(low, axis)
    return np.asarray(first + weight * (image.take(high, axis) - first), dtype=np.float32)


def _turn(rng: np.random.Generator, shot: Shot) -> Shot:
    image, regions = shot.image, shot.regions
    if rng.random() < 0.5:
        image, regions = image[:, ::-1], regions[:, ::-1]
    if rng.random() < 0.3:
        image, regions = image[::-1], regions[::-1]
    if rng.random() < 0.3:
        image, regions = image.transpose(1, 0, 2), regions.T
    return Shot(np.ascontiguousarray(image), np.ascontiguousarray(regions), shot.effects)


def _tone(rng: np.random.Generator, shot: Shot, look: str) -> Shot:
    image = shot.image
    if image.shape[2] == 3 and rng.random() < 0.1:
        image = (image @ np.array([0.3, 0.59, 0.11], dtype=np.float32))[..., None]
    if image.shape[2] == 1 and look not in ("infrared", "fluorescence") and rng.random() < 0.1:
        image = 1 - image
    if rng.random() < 0.6:
        image = np.maximum(image, 0) ** np.float32(np.exp(rng.normal(0, 0.3)))
    if rng.random() < 0.25:
        low, high = rng.uniform(-0.1, 0.15), rng.uniform(0.75, 1.2)
        image = (image - np.float32(low)) * np.float32(1 / (high - low))
    return Shot(image, shot.regions, shot.effects)


def _resolution(rng: np.random.Generator, shot: Shot, finest: int) -> Shot:
    size = shot.regions.shape[0]
    least = min(size, max(finest, size // 8))
    cells = int(np.exp(rng.uniform(np.log(least), np.log(size))))
    if cells >= size:
        return shot
    noise = np.float32(rng.exponential(0.015))
    blocky = rng.random() < 0.12
    step = (np.arange(size) * cells) // size
    channels = []
    for channel in np.moveaxis(shot.image, -1, 0):
        seen = reduced(channel, cells)
        if blocky:
            centre = np.minimum(((np.arange(cells) + 0.5) * size / cells).astype(int), size - 1)
            channels.append((seen[centre][:, centre] + noise * grain(rng, cells))[step][:, step])
        else:
            channels.append(seen + noise * reduced(grain(rng, size), cells) * np.float32(size / cells))
    return shot.after("blocky" if blocky else "low resolution", np.stack(channels, -1))


@cache
def _cosines() -> Field:
    k, n = np.arange(8)[:, None], np.arange(8)[None]
    basis = np.cos(np.pi * (2 * n + 1) * k / 16) * np.where(k == 0, np.sqrt(0.125), 0.5)
    return basis.astype(np.float32)


def _compress(image: Field, coarse: float) -> Field:
    size, basis = image.shape[0], _cosines()
    order = np.arange(8)
    step = np.float32(coarse) * (1 + 0.5 * (order[:, None] + order[None])).astype(np.float32)
    channels = []
    for channel in np.moveaxis(image, -1, 0):
        rows = np.matmul(basis, channel.reshape(-1, 8, size)).reshape(size, -1, 8)
        both = np.matmul(rows, basis.T).reshape(size // 8, 8, size // 8, 8)
        both = np.rint(both / step[None, :, None, :]) * step[None, :, None, :]
        back = np.matmul(both.reshape(size, -1, 8), basis).reshape(-1, 8, size)
        channels.append(np.matmul(basis.T, back).reshape(size, size))
    return np.stack(channels, -1)


def _marks(rng: np.random.Generator, shot: Shot, look: str) -> Shot:
    scope = look == "endoscopy"
    if rng.random() < (0.6 if scope else 0.2 if look in ("skin", "fundus", "mr", "ct") else 0.03):
        shot = _vignette(rng, shot)
    if rng.random() < (0.45 if scope else 0.08):
        shot = _text(rng, shot)
    if rng.random() < (0.3 if scope else 0.03):
        shot = _corner_box(rng, shot)
    return shot


def _vignette(rng: np.random.Generator, shot: Shot) -> Shot:
    line = np.linspace(-1, 1, shot.regions.shape[0], dtype=np.float32)
    y, x = np.abs(line)[:, None] / np.float32(rng.uniform(0.92, 1.1)), np.abs(line)[None]
    reach = np.float32(rng.uniform(0.97, 1.25))
    outside = (np.maximum(np.maximum(y, x), (y + x) / 1.45) if rng.random() < 0.5 else np.hypot(y, x)) > reach
    level = np.float32(rng.choice([0.0, 0.02, 0.06]))
    return shot.after("vignette", np.where(outside[..., None], level, shot.image), _hide(shot.regions, outside))


def _hide(regions: Regions, where: NDArray[np.bool_]) -> Regions:
    return np.where(where, np.int16(HIDDEN), regions)


def _corner_box(rng: np.random.Generator, shot: Shot) -> Shot:
    size = shot.regions.shape[0]
    h, w = (int(v * size) for v in rng.uniform(0.12, 0.34, 2))
    image, regions = shot.image.copy(), shot.regions.copy()
    rows = slice(size - h, size) if rng.random() < 0.7 else slice(0, h)
    columns = slice(0, w) if rng.random() < 0.7 else slice(size - w, size)
    image[rows, columns] = np.float32(rng.choice([0.0, 0.0, 0.3]))
    regions[rows, columns] = HIDDEN
    return shot.after("corner box", image, regions)


def _text(rng: np.random.Generator, shot: Shot) -> Shot:
    size = shot.regions.shape[0]
    image, regions = shot.image.copy(), shot.regions.copy()
    ink = np.float32(rng.choice([1.0, 0.85, 0.0]))
    scale = int(rng.integers(1, 1 + max(1, size // 100)))
    left, top = (int(v * size) for v in rng.choice([0.02, 0.6, 0.8], 2))
    for row in range(int(rng.integers(1, 5))):
        bits = _line(rng, int(rng.integers(2, 12))).repeat(scale, 0).repeat(scale, 1)
        y = top + row * 7 * scale
        view = image[y : y + bits.shape[0], left : left + bits.shape[1]]
        bits = bits[: view.shape[0], : view.shape[1]]
        view[bits] = ink
        regions[y : y + bits.shape[0], left : left + bits.shape[1]][bits] = HIDDEN
    return shot.after("text", image, regions)


def _line(rng: np.random.Generator, letters: int) -> NDArray[np.bool_]:
    codes = [_GLYPHS[int(i)] for i in rng.integers(0, len(_GLYPHS), letters)]
    glyphs = [np.array([code >> bit & 1 for bit in range(14, -1, -1)], dtype=bool).reshape(5, 3) for code in codes]
    return np.concatenate([np.pad(glyph, ((0, 0), (0, 1))) for glyph in glyphs], 1)


def _pad(rng: np.random.Generator, shot: Shot) -> Shot:
    size = shot.regions.shape[0]
    keep = int(size * rng.uniform(0.55, 0.97))
    shift = 0 if rng.random() < 0.6 else (size - keep) // 2
    outside = np.ones(size, dtype=bool)
    outside[shift : shift + keep] = False
    where = outside[:, None] | np.zeros(size, bool) if rng.random() < 0.5 else outside[None] | np.zeros((size, 1), bool)
    return shot.after("padding", np.where(where[..., None], np.float32(0), shot.image), _hide(shot.regions, where))
