"""From tissues to Hounsfield units: contrast, partial volume, beam hardening, noise."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from samadapt.data.phantoms.solids import Canvas, Field, smooth_volume

LOWEST_HU, HIGHEST_HU = -1024, 1600

_HU: dict[str, tuple[float, float, float]] = {
    "air": (-1000, 0, 0), "skin": (20, 15, 10), "fat": (-104, 7, 8), "muscle": (58, 6, 7), "muscle fat": (-20, 25, 10),
    "visceral fat": (-98, 8, 16), "cortex": (420, 90, 60), "marrow": (190, 35, 45), "disc": (85, 12, 8),
    "canal": (28, 8, 5), "table": (20, 80, 20), "diaphragm": (60, 6, 6), "lung": (-845, 30, 45),
    "blood": (145, 18, 6), "bowel wall": (72, 14, 14), "bowel": (38, 22, 22), "gas": (-960, 10, 10),
    "liver": (108, 14, 5), "liver vessel": (148, 16, 6), "liver lesion": (62, 22, 8), "spleen": (118, 12, 5),
    "cortex of kidney": (182, 20, 10), "kidney": (158, 20, 12), "fluid": (9, 6, 4), "aorta": (150, 20, 5),
    "calcium": (480, 120, 60), "vena cava": (136, 20, 9), "vein": (146, 18, 6), "esophagus": (62, 9, 9),
    "stomach wall": (80, 12, 10), "food": (42, 22, 28), "water": (8, 6, 6), "contrast": (190, 50, 15),
    "pancreas": (92, 12, 12), "bile": (10, 7, 4), "adrenal": (78, 10, 7),
}  # fmt: skip
"""Tissue: mean in the portal venous phase, standard deviation between patients, and within one (texture)."""

TISSUES = tuple(_HU)


def scan(
    rng: np.random.Generator,
    canvas: Canvas,
    enhancement: Mapping[str, float] | None = None,
    noise: np.random.Generator | None = None,
) -> NDArray[np.int16]:
    """Hounsfield units (Z, Y, X), int16, of the painted tissues.

    Parameters
    ----------
    rng : Generator
        Draws the patient's tissues; equal for all phases of one patient.
    canvas : Canvas
    enhancement : mapping of tissue to float, optional
        HU above the portal venous phase.
    noise : Generator, optional
        Draws the noise of one scan; `rng` if not given.
    """
    means = np.array([mean + rng.normal(0, spread) for mean, spread, _ in _HU.values()], dtype=np.float32)
    means += np.array([(enhancement or {}).get(tissue, 0.0) for tissue in TISSUES], dtype=np.float32)
    means += np.where(_enhancing(), np.float32(rng.normal(0, 10)), np.float32(0))
    image = means[canvas.tissue] + _texture(rng, canvas)
    image = _partial_volume(rng, image)
    image = image + _hardening(rng, canvas)
    image = image + _noise(noise or rng, canvas.tissue.shape)
    stored: NDArray[np.int16] = np.clip(np.rint(image), LOWEST_HU, HIGHEST_HU).astype(np.int16)
    return stored


def _enhancing() -> NDArray[np.bool_]:
    names = {"liver", "liver vessel", "spleen", "cortex of kidney", "kidney", "aorta", "vena cava", "vein", "blood"}
    return np.array([tissue in names for tissue in TISSUES])


def _texture(rng: np.random.Generator, canvas: Canvas) -> Field:
    strength = np.array([within for _, _, within in _HU.values()], dtype=np.float32)[canvas.tissue]
    shape = canvas.tissue.shape
    fine = [max(8, n // 3) for n in shape]
    texture: Field = strength * (0.8 * _smooth_box(rng, shape, fine) + 0.6 * smooth_volume(rng, shape, 12))
    return texture


def _smooth_box(rng: np.random.Generator, shape: tuple[int, ...], cells: list[int]) -> Field:
    from samadapt.data.synthetic.fields import spline_basis

    small = rng.standard_normal(cells, dtype=np.float32)
    z, y, x = (spline_basis(n, c) for n, c in zip(shape, cells))
    plane = small @ x.T
    stack = y @ plane
    box: Field = np.tensordot(z, stack, (1, 0)).astype(np.float32)
    return box


def _partial_volume(rng: np.random.Generator, image: Field) -> Field:
    from scipy.ndimage import gaussian_filter

    across = rng.uniform(0.45, 0.8)
    blurred: Field = gaussian_filter(image, (rng.uniform(0.3, 0.55), across, across), truncate=2.5)
    return blurred


def _hardening(rng: np.random.Generator, canvas: Canvas) -> Field:
    """Darkening in the middle and between bones, and a slow drift."""
    from scipy.ndimage import uniform_filter1d

    body = ~canvas.where("air", "table")
    shape = canvas.tissue.shape
    y, x = np.linspace(-1, 1, shape[1], dtype=np.float32), np.linspace(-1, 1, shape[2], dtype=np.float32)
    cup = np.float32(rng.uniform(0, 10)) * (y[:, None] ** 2 + x[None] ** 2 - 0.4)
    bone = canvas.where("cortex").astype(np.float32)
    streak = uniform_filter1d(bone, shape[2] // 3, axis=2) * np.float32(-rng.uniform(10, 60))
    drift = np.float32(rng.uniform(1, 5)) * smooth_volume(rng, shape, 4)
    bias: Field = np.where(body, cup[None] + streak + drift, np.float32(0))
    return bias


def _noise(rng: np.random.Generator, shape: tuple[int, ...]) -> Field:
    from scipy.ndimage import gaussian_filter1d

    noise = rng.standard_normal(shape, dtype=np.float32)
    width = rng.uniform(0.4, 0.9)
    for axis in (1, 2):
        noise = gaussian_filter1d(noise, width, axis=axis, truncate=2.5)
    y, x = np.linspace(-1, 1, shape[1], dtype=np.float32), np.linspace(-1, 1, shape[2], dtype=np.float32)
    level = rng.uniform(8, 20) * (1.15 - 0.35 * (y[:, None] ** 2 + x[None] ** 2))
    scaled: Field = noise * (level / noise.std()).astype(np.float32)[None]
    return scaled
