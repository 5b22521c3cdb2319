"""Contact sheet of scenes, to look at them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samadapt.core.atomic import atomic_path
from samadapt.data.synthetic.scene import scene

_COLOURS = np.array([[255, 60, 60], [60, 255, 60], [70, 130, 255], [255, 220, 0], [255, 80, 255], [0, 240, 240]])


def contact_sheet(
    path: str | Path,
    *,
    rows: int = 6,
    columns: int = 10,
    size: int = 256,
    seed: int = 0,
    kind: str | None = None,
    outlines: bool = True,
) -> Path:
    """Write a PNG of `rows` x `columns` scenes, each beside itself with the outlines of its objects.

    Raises
    ------
    ConfigError
        As `scene` does.
    """
    from PIL import Image

    tiles = []
    for row in range(rows):
        line = [_tile(size, seed, row * columns + column, kind, outlines) for column in range(columns)]
        tiles.append(np.concatenate(line, 1))
    with atomic_path(path) as temporary:
        Image.fromarray(np.concatenate(tiles, 0)).save(temporary, format="PNG")
    return Path(path)


def _tile(size: int, seed: int, index: int, kind: str | None, outlines: bool) -> NDArray[np.uint8]:
    made = scene("contact sheet", seed, index, size=size, kind=kind)
    if not outlines:
        return made.image
    drawn = made.image.copy()
    for number, mask in enumerate(made.masks):
        edge = mask & ~(np.roll(mask, 1, 0) & np.roll(mask, -1, 0) & np.roll(mask, 1, 1) & np.roll(mask, -1, 1))
        drawn[edge] = _COLOURS[number % len(_COLOURS)]
    return np.concatenate([made.image, drawn], 1)
