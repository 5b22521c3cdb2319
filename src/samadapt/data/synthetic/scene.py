"""One random scene by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import ConfigError
from samadapt.core.rng import named_rng
from samadapt.data.synthetic import anatomy, membranes, microscopy, outdoor, patterns, scopes
from samadapt.data.synthetic.camera import shoot
from samadapt.data.synthetic.layout import Layout, Picture, visible_masks
from samadapt.data.synthetic.looks import dress

SMALLEST_SIDE = 64
_ATTEMPTS = 20
_FAINTEST = 0.004
"""Standard deviation (of 0..1) below which nothing can be seen."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A synthetic image with the objects one may ask for.

    Attributes
    ----------
    image : ndarray of shape (H, W, 3), uint8
    masks : ndarray of shape (K, H, W), bool
        The visible pixels of each object, K >= 1. Objects may contain one another (part and whole) and, in a
        projection, overlap.
    kind : tuple of str
        Layout, look, then the camera's effects.
    """

    image: NDArray[np.uint8]
    masks: NDArray[np.bool_]
    kind: tuple[str, ...]


@dataclass(frozen=True)
class _Kind:
    weight: float
    layout: Callable[[np.random.Generator, int], Layout] | None = None
    looks: tuple[tuple[str, float], ...] = ()
    finest: int = 0
    reduce_chance: float = 0.5
    picture: Callable[[np.random.Generator, int], Picture] | None = None

    def render(self, rng: np.random.Generator, size: int) -> Picture:
        if self.picture is not None:
            return self.picture(rng, size)
        assert self.layout is not None
        names, weights = zip(*self.looks)
        picture = dress(rng, self.layout(rng, size), str(rng.choice(names, p=weights)))
        return Picture(picture.image, picture.layout, picture.look, self.finest, self.reduce_chance)


_GREY = (("grey", 0.55), ("colour", 0.3), ("ultrasound", 0.15))
_KINDS: dict[str, _Kind] = {
    "trunk": _Kind(0.17, anatomy.trunk, (("ct", 0.55), ("mr", 0.25), ("grey", 0.15), ("ultrasound", 0.05)), 80),
    "heart": _Kind(0.12, anatomy.heart, (("mr", 0.75), ("ct", 0.1), ("grey", 0.1), ("ultrasound", 0.05)), 64),
    "curved": _Kind(0.10, anatomy.curved, (("mr", 0.8), ("grey", 0.2)), 28, 0.85),
    "brain": _Kind(0.06, anatomy.brain, (("mr", 0.7), ("ct", 0.2), ("grey", 0.1)), 80),
    "partition": _Kind(0.07, patterns.partition, _GREY, 48),
    "pile": _Kind(0.12, patterns.pile, _GREY, 96),
    "layers": _Kind(0.03, patterns.layers, (("grey", 0.4), ("ultrasound", 0.5), ("colour", 0.1)), 64),
    "vessels": _Kind(0.04, picture=scopes.fundus),
    "cells": _Kind(0.10, picture=microscopy.cells),
    "walls": _Kind(0.05, picture=membranes.walls),
    "glands": _Kind(0.02, picture=microscopy.glands),
    "polyp": _Kind(0.07, picture=scopes.polyp),
    "skin": _Kind(0.02, picture=scopes.skin),
    "radiograph": _Kind(0.03, picture=scopes.radiograph),
    "aerial": _Kind(0.08, picture=outdoor.aerial),
    "targets": _Kind(0.06, picture=outdoor.targets),
}
_SHARES = np.array([kind.weight for kind in _KINDS.values()]) / sum(kind.weight for kind in _KINDS.values())
KINDS = tuple(_KINDS)
"""Names of the layouts that `scene` draws from."""


def scene(*names: object, size: int = 256, kind: str | None = None, limit: int = 32) -> Scene:
    """Random scene that depends on `names` (and the arguments) alone.

    Random label maps with random appearance, after SynthSeg [1]_ and UniverSeg [2]_, with layouts and looks that
    resemble what medical, microscopic, aerial and infrared images have in common. No file is read.

    Parameters
    ----------
    *names : object
        Seed, epoch, index: anything with a stable `str`.
    size : int
        Side of the square image in pixels, at least 64.
    kind : str, optional
        One of `KINDS`; drawn by weight if not given.
    limit : int
        At most so many objects are returned, chosen at random.

    Returns
    -------
    Scene

    Raises
    ------
    ConfigError
        If `kind` is unknown or `size` or `limit` is too small.

    References
    ----------
    .. [1] Billot et al. 2023, Medical Image Analysis 86:102789.
    .. [2] Butoi et al. 2023, ICCV, arXiv:2304.06131.
    """
    _check(size, kind, limit)
    for attempt in range(_ATTEMPTS):
        rng = named_rng("synthetic scene", *names, attempt)
        drawn = kind or KINDS[int(rng.choice(len(KINDS), p=_SHARES))]
        picture = _KINDS[drawn].render(rng, size)
        shot = shoot(rng, picture)
        masks = visible_masks(shot.regions, picture.layout.objects, rng, limit)
        if len(masks) and shot.image.std() > _FAINTEST:
            return Scene(_bytes(shot.image), masks, (drawn, picture.look, *shot.effects))
    raise RuntimeError(f"no object stayed visible in {_ATTEMPTS} scenes named {names}")


def _check(size: int, kind: str | None, limit: int) -> None:
    if size < SMALLEST_SIDE:
        raise ConfigError(f"size must be at least {SMALLEST_SIDE} pixels, not {size}", where="synthetic scene")
    if kind is not None and kind not in _KINDS:
        raise ConfigError(f"kind {kind!r} is unknown; choose from {', '.join(KINDS)}", where="synthetic scene")
    if limit < 1:
        raise ConfigError(f"limit must be at least 1, not {limit}", where="synthetic scene")


def _bytes(image: NDArray[np.float32]) -> NDArray[np.uint8]:
    levels = (np.clip(image, 0, 1) * 255 + 0.5).astype(np.uint8)
    return levels if levels.shape[2] == 3 else np.repeat(levels, 3, axis=2)
