"""Best, median and worst slice as pictures: the image, the truth and the prediction as contours on it."""

from __future__ import annotations

import base64
import io
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.colors import color_of
from samadapt.core.errors import RunFolderError
from samadapt.report.grid import joined
from samadapt.report.runs import Run

SMALLEST_PX, LARGEST_PX = 288, 720


@dataclass(frozen=True)
class Picture:
    """One slice: three PNGs as data addresses, what they show, and the labels seen."""

    ranks: str
    case: str
    z: int
    dice: float
    image: str
    truth: str
    prediction: str
    width: int
    height: int
    labels: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Gallery:
    """The pictures of a run with what they answer to."""

    run: str
    caption: str
    pictures: tuple[Picture, ...]
    legend: tuple[tuple[str, str], ...]


def gallery(run: Run, caption: str) -> Gallery | None:
    """Pictures of a run; a case that is best, median and worst at once is shown once.

    Raises
    ------
    RunFolderError
        If a file of overlays/ cannot be read.
    """
    names = {int(key): str(name) for key, name in dict(run.facts.get("label_set") or {}).items()}
    ranks: dict[str, list[str]] = {}
    paths: dict[str, Path] = {}
    for path in run.overlays:
        rank, _, case = path.stem.partition("_")
        ranks.setdefault(case, []).append(rank)
        paths[case] = path
    pictures = tuple(_picture(paths[case], found, names) for case, found in ranks.items())
    order = {name: value for value, name in names.items()}
    seen = {entry for picture in pictures for entry in picture.labels}
    legend = tuple(sorted(seen, key=lambda entry: (order.get(entry[0], len(order)), entry)))
    return Gallery(run.name, caption, pictures, legend) if pictures else None


def _picture(path: Path, ranks: list[str], names: dict[int, str]) -> Picture:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            image, truth, answer = (np.asarray(arrays[key]) for key in ("image", "truth", "prediction"))
            case, z, dice = str(arrays["case"]), int(arrays["z"]), float(arrays["dice"])
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise RunFolderError(f"the overlay cannot be read: {error}", where=path, remedy="Repeat the run.") from error
    base = _scaled(np.broadcast_to(image[..., None], (*image.shape, 3)) if image.ndim == 2 else image)
    seen = sorted({int(value) for value in np.unique(truth)} | {int(value) for value in np.unique(answer)})
    labels = tuple((names.get(value, f"label {value}"), _css(value)) for value in seen if value)
    return Picture(
        *(joined(ranks), case, z, dice),
        image=_png(base),
        truth=_png(contours(base, truth)),
        prediction=_png(contours(base, answer)),
        width=base.shape[1],
        height=base.shape[0],
        labels=labels,
    )


def contours(base: NDArray[Any], labels: NDArray[Any]) -> NDArray[np.uint8]:
    """Draw the border of every label on a picture (H, W, 3) uint8 that may be of another size than `labels`."""
    height, width = base.shape[:2]
    rows = np.arange(height) * labels.shape[0] // height
    columns = np.arange(width) * labels.shape[1] // width
    enlarged = labels[rows][:, columns]
    border = _border(enlarged)
    drawn = base.copy()
    for value in (int(v) for v in np.unique(enlarged) if v):
        drawn[border & (enlarged == value)] = color_of(value)
    return drawn


def _border(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Pixels of a label within two pixels of another value."""
    padded = np.pad(labels, 2, constant_values=0)
    height, width = labels.shape
    border = np.zeros(labels.shape, dtype=bool)
    for dy, dx in (
        (0, 1),
        (1, 0),
        (0, -1),
        (-1, 0),
        (1, 1),
        (-1, -1),
        (1, -1),
        (-1, 1),
        (0, 2),
        (2, 0),
        (0, -2),
        (-2, 0),
    ):
        border |= padded[2 + dy : 2 + dy + height, 2 + dx : 2 + dx + width] != labels
    return border & (labels > 0)


def _css(label: int) -> str:
    return "#{:02x}{:02x}{:02x}".format(*color_of(label))


def _scaled(image: NDArray[Any]) -> NDArray[np.uint8]:
    """Enlarged by a whole number with nearest neighbour, or reduced where very large."""
    from PIL import Image

    height, width = image.shape[:2]
    factor = -(-SMALLEST_PX // min(width, height)) if max(width, height) < SMALLEST_PX else 1
    factor = max(1, min(factor, LARGEST_PX // max(width, height)))
    pixels = np.ascontiguousarray(image, dtype=np.uint8).repeat(factor, axis=0).repeat(factor, axis=1)
    if max(pixels.shape[:2]) > LARGEST_PX:
        share = LARGEST_PX / max(pixels.shape[:2])
        size = max(1, round(width * share)), max(1, round(height * share))
        pixels = np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS))
    return pixels


def _png(pixels: NDArray[np.uint8]) -> str:
    from PIL import Image

    grey = bool((pixels == pixels[..., :1]).all())
    buffer = io.BytesIO()
    Image.fromarray(pixels[..., 0] if grey else pixels).save(buffer, format="PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()
