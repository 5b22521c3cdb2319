"""Contact sheet of scenes, to look at them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from samadapt.core.atomic import atomic_path
from samadapt.data.synthetic.scene import KINDS, scene

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
    shrink: int = 1,
) -> Path:
    """Write a picture of `rows` x `columns` scenes, each beside itself with the outlines of its objects.

    Parameters
    ----------
    path : str or Path
        JPEG if it ends in .jpg, else PNG.
    rows, columns : int
    size, seed : int
        Of the scenes.
    kind : str, optional
        One of `KINDS`, or "each": one row of every kind, whatever `rows` says.
    outlines : bool
    shrink : int
        How many times smaller the scenes are shown than they were made.

    Raises
    ------
    ConfigError
        As `scene` does.
    """
    from PIL import Image

    kinds = list(KINDS) if kind == "each" else [kind] * rows
    tiles = [
        np.concatenate([_tile(size, seed, row * columns + column, name, outlines) for column in range(columns)], 1)
        for row, name in enumerate(kinds)
    ]
    sheet = Image.fromarray(np.concatenate(tiles, 0)).reduce(shrink)
    jpeg = Path(path).suffix.lower() in (".jpg", ".jpeg")
    with atomic_path(path) as temporary:
        sheet.save(temporary, format="JPEG" if jpeg else "PNG", quality=82)
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
