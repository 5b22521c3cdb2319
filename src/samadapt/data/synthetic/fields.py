"""Random fields: smooth noise by sparse products and a pool of periodic textures that is filtered once.

No product here is large enough for a threaded BLAS: scenes are made in many worker processes at once, where its
waiting threads cost several times what the products do.
"""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.rng import named_rng

Field = NDArray[np.float32]
POOL_SIDE = 512
"""Side of the periodic textures."""

_BANDS = {"fine": (0.12, 0.45), "medium": (0.03, 0.12), "coarse": (0.006, 0.03)}
_POWERS = {"pink": 1.0, "cloud": 1.6, "smooth": 2.4}


def single(values: Any) -> Field:
    """The values in single precision, in which all fields are kept."""
    out: Field = np.asarray(values, dtype=np.float32)
    return out


@lru_cache(maxsize=512)
def spline_basis(size: int, cells: int) -> Field:
    """Weights (size, cells) that spread `cells` numbers over `size` pixels as a cubic B-spline.

    Scaled so that independent normal numbers give a field of unit variance.
    """
    position = np.linspace(0.0, cells - 1.0, size)
    start = np.floor(position).astype(int)
    t = position - start
    weights = np.stack([(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]) / 6.0
    out = np.zeros((size, cells))
    for offset, weight in zip(range(-1, 3), weights):
        np.add.at(out, (np.arange(size), np.clip(start + offset, 0, cells - 1)), weight)
    return single(out / np.sqrt((out**2).sum(1).mean()))


@lru_cache(maxsize=512)
def _sparse_basis(size: int, cells: int, norm: str) -> Any:
    from scipy.sparse import csr_array

    basis = spline_basis(size, cells)
    if norm == "down":
        basis = (basis / basis.sum(0, keepdims=True)).T
    elif norm == "up":
        basis = basis / basis.sum(1, keepdims=True)
    return csr_array(basis)


def _both_axes(rows: Any, image: Field, columns: Any) -> Field:
    across = np.ascontiguousarray((columns @ np.ascontiguousarray(image.T)).T)
    return single(rows @ across)


def reduced(image: Field, cells: int) -> Field:
    """The image seen through `cells` x `cells` smooth detectors (a blur whose cost falls with its width)."""
    down, up = (_sparse_basis(image.shape[0], cells, way) for way in ("down", "up"))
    return _both_axes(up, _both_axes(down, image, down), up)


def smooth(rng: np.random.Generator, size: int, cells: int | tuple[int, int]) -> Field:
    """Smooth noise (size, size) of unit variance with about `cells` independent values (rows, columns) a side."""
    rows, columns = (cells, cells) if isinstance(cells, int) else cells
    small = rng.standard_normal((rows, columns), dtype=np.float32)
    return _both_axes(_sparse_basis(size, rows, "unit"), small, _sparse_basis(size, columns, "unit"))


def fractal(rng: np.random.Generator, size: int, first: int = 3, octaves: int = 5, gain: float = 0.6) -> Field:
    """Sum of smooth noises (size, size), each twice as fine and `gain` times as strong as the one before."""
    total = np.zeros((size, size), dtype=np.float32)
    for octave in range(octaves):
        total += np.float32(gain**octave) * smooth(rng, size, min(first * 2**octave, size))
    return total / np.float32(np.sqrt(sum(gain ** (2 * octave) for octave in range(octaves))))


def unit(field: Field) -> Field:
    """The field stretched to 0..1."""
    low, high = float(field.min()), float(field.max())
    return (field - np.float32(low)) * np.float32(1.0 / max(high - low, 1e-6))


def _frequencies() -> tuple[Field, Field]:
    line = np.fft.fftfreq(POOL_SIDE).astype(np.float32)
    return line[:, None], line[None, : POOL_SIDE // 2 + 1] * np.float32(1.0)


def _filtered(name: str, gain: Field) -> Field:
    noise = named_rng("synthetic texture", name).standard_normal((POOL_SIDE, POOL_SIDE))
    field = np.fft.irfft2(np.fft.rfft2(noise) * gain, s=(POOL_SIDE, POOL_SIDE))
    return np.asarray((field - field.mean()) / field.std(), dtype=np.float32)


def _band(low: float, high: float) -> Field:
    fy, fx = _frequencies()
    radius = np.hypot(fy, fx)
    return np.asarray(np.exp(-((radius / high) ** 2)) - np.exp(-((radius / low) ** 2)), dtype=np.float32)


def _standard(field: NDArray[np.floating]) -> Field:
    return np.asarray((field - field.mean()) / field.std(), dtype=np.float32)


def _speckle() -> Field:
    parts = [_filtered(f"speckle {part}", _band(0.02, 0.2)) for part in ("real", "imaginary")]
    return _standard(np.hypot(*parts))


def _fibres() -> Field:
    fy, fx = _frequencies()
    return _filtered("fibres", np.exp(-((fx / 0.2) ** 2) - (fy / 0.012) ** 2).astype(np.float32))


def _crackle() -> Field:
    from scipy.spatial import cKDTree

    points = named_rng("synthetic texture", "crackle").uniform(0, POOL_SIDE, (900, 2))
    tree = cKDTree(points, boxsize=np.full(2, float(POOL_SIDE)))
    grid = np.stack(np.meshgrid(np.arange(POOL_SIDE), np.arange(POOL_SIDE), indexing="ij"), -1).reshape(-1, 2)
    near = np.asarray(tree.query(grid, k=2)[0])
    return _standard(np.minimum(near[:, 1] - near[:, 0], 6.0).reshape(POOL_SIDE, POOL_SIDE))


@cache
def texture_pool() -> dict[str, Field]:
    """Periodic textures (512, 512) of zero mean and unit variance, by name; made once a process."""
    fy, fx = _frequencies()
    radius = np.maximum(np.hypot(fy, fx), 1.0 / POOL_SIDE)
    pool = {name: _filtered(name, radius ** np.float32(-power)) for name, power in _POWERS.items()}
    pool |= {name: _filtered(name, _band(*band)) for name, band in _BANDS.items()}
    pool["white"] = _filtered("white", np.ones_like(radius))
    pool["speckle"], pool["fibres"], pool["crackle"] = _speckle(), _fibres(), _crackle()
    pool["ridges"] = _standard(-np.abs(pool["medium"] + 0.6 * pool["coarse"]))
    pool["folds"] = _standard(np.sin(2.5 * pool["coarse"] + 0.5 * pool["medium"]))
    pool["spots"] = _standard(np.maximum(pool["medium"] - 1.2, 0.0))
    return pool


TEXTURES = ("pink", "cloud", "smooth", "fine", "medium", "coarse", "white", "speckle", "fibres", "crackle", "ridges",
            "folds", "spots")  # fmt: skip
"""Names in the pool, in the order that `texture` draws from."""


def texture(rng: np.random.Generator, size: int, name: str = "", scale: float | None = None) -> Field:
    """A random part (size, size) of a pool texture, turned and scaled; unit variance, zero mean."""
    field = texture_pool()[name or TEXTURES[int(rng.integers(len(TEXTURES)))]]
    step = float(scale if scale is not None else rng.uniform(0.8, 2.2))
    angle = rng.uniform(0, 2 * np.pi)
    cosine, sine = np.float32(step * np.cos(angle)), np.float32(step * np.sin(angle))
    line = np.arange(size, dtype=np.float32)
    oy, ox = rng.uniform(POOL_SIDE, 2 * POOL_SIDE, 2).astype(np.float32) + np.float32(POOL_SIDE * 16)
    rows = ((cosine * line + oy)[:, None] - (sine * line)[None]).astype(np.int32) & (POOL_SIDE - 1)
    columns = ((sine * line + ox)[:, None] + (cosine * line)[None]).astype(np.int32) & (POOL_SIDE - 1)
    return single(field.ravel().take(rows * POOL_SIDE + columns))


def grain(rng: np.random.Generator, size: int, name: str = "white") -> Field:
    """An upright part (size, size) of a pool texture at its own scale: the cheapest noise there is."""
    field = texture_pool()[name]
    top, left = (int(v) for v in rng.integers(POOL_SIDE, size=2))
    if size > POOL_SIDE // 2:  # too large for a choice of places without crossing the border
        rows, columns = ((np.arange(size) + start) % POOL_SIDE for start in (top, left))
        part = field[rows][:, columns]
    else:
        top, left = top % (POOL_SIDE - size), left % (POOL_SIDE - size)
        part = field[top : top + size, left : left + size]
    return part[:, ::-1] if rng.random() < 0.5 else part
