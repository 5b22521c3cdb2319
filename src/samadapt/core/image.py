"""Arrays that travel with their grid. The type decides interpolation: an image may, a label map never."""

from __future__ import annotations

from collections.abc import Sized
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import LabelError, ShapeMismatch
from samadapt.core.grid import Grid

Orientation = tuple[tuple[int, int], ...]
"""For each axis of the canonical array: (axis in the file's array, +1 or -1 if flipped)."""


@dataclass(frozen=True, eq=False)
class Image:
    """A 2-D image in its original pixels and intensities.

    Attributes
    ----------
    pixels : ndarray of shape (H, W) or (H, W, C)
        Intensities as stored (HU, counts, 0..255); never rescaled on reading.
    grid : Grid
        Of shape (H, W).
    modality : str
        "CT", "MR", "RGB", "grey", "infrared", ... or "" where unknown.
    source : str
        Path or name it came from.
    window : tuple of float or None
        (low, high) intensities that map to 0 and 255 for display and for models; None: 8-bit as is,
        else the range of the data.
    channels : tuple of str
        Names along the last axis of (H, W, C); empty where unknown.
    windows : tuple of tuple of float
        (low, high) of every channel by itself; empty where all have that of the image.
    """

    pixels: NDArray[Any]
    grid: Grid
    modality: str = ""
    source: str = ""
    window: tuple[float, float] | None = None
    channels: tuple[str, ...] = ()
    windows: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        if self.pixels.ndim not in (2, 3) or self.pixels.shape[:2] != self.grid.shape:
            raise ShapeMismatch(f"pixels {self.pixels.shape} do not fit the grid {self.grid.shape}", where=self.source)
        _require_one_a_channel(self.pixels.shape[2:], self.channels, self.windows, self.source)

    @property
    def shape(self) -> tuple[int, int]:
        """(H, W)."""
        return self.pixels.shape[0], self.pixels.shape[1]


@dataclass(frozen=True, eq=False)
class Volume:
    """A 3-D image in canonical LPS order: z to the head, y to the back, x to the patient's left.

    Attributes
    ----------
    voxels : ndarray of shape (Z, Y, X) or (Z, Y, X, C)
        Intensities as stored, after the file's own slope and intercept.
    grid : Grid
        Of shape (Z, Y, X).
    orientation : Orientation
        How the file's own axis order is restored on writing.
    modality, source, window, channels, windows : see `Image`
    """

    voxels: NDArray[Any]
    grid: Grid
    orientation: Orientation = ((0, 1), (1, 1), (2, 1))
    modality: str = ""
    source: str = ""
    window: tuple[float, float] | None = None
    channels: tuple[str, ...] = ()
    windows: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        if self.voxels.ndim not in (3, 4) or self.voxels.shape[:3] != self.grid.shape:
            raise ShapeMismatch(f"voxels {self.voxels.shape} do not fit the grid {self.grid.shape}", where=self.source)
        _require_one_a_channel(self.voxels.shape[3:], self.channels, self.windows, self.source)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(Z, Y, X)."""
        z, y, x = self.grid.shape
        return z, y, x

    def __len__(self) -> int:
        return int(self.voxels.shape[0])

    def slice(self, index: int) -> Image:
        """Slice `index` along z, with the volume's window and modality."""
        return Image(
            self.voxels[index],
            self.grid.slice(index),
            self.modality,
            f"{self.source}[{index}]",
            self.window,
            self.channels,
            self.windows,
        )


def _require_one_a_channel(tail: tuple[int, ...], names: Sized, windows: Sized, where: str) -> None:
    count = tail[0] if tail else 1
    for what, given in (("names", names), ("windows", windows)):
        if len(given) not in (0, count):
            raise ShapeMismatch(f"{len(given)} {what} for {count} channels", where=where)


@dataclass(frozen=True, eq=False)
class LabelMap:
    """Integer labels on a grid; 0 is background.

    Attributes
    ----------
    values : ndarray of shape (H, W) or (Z, Y, X), unsigned integer
    grid : Grid
    orientation, source : see `Volume`
    """

    values: NDArray[Any]
    grid: Grid
    orientation: Orientation = ((0, 1), (1, 1), (2, 1))
    source: str = ""

    def __post_init__(self) -> None:
        if self.values.shape != self.grid.shape:
            raise ShapeMismatch(f"labels {self.values.shape} do not fit the grid {self.grid.shape}", where=self.source)
        object.__setattr__(self, "values", as_label_values(self.values, where=self.source))


def as_label_values(values: NDArray[Any], *, where: object = None) -> NDArray[Any]:
    """Labels as the smallest unsigned integer type; whole floats are accepted, others refused.

    Raises
    ------
    LabelError
        If a value is negative, not finite, or not whole.
    """
    if values.dtype == bool:
        return values.astype(np.uint8)
    if values.dtype.kind == "f" and not (np.isfinite(values).all() and (values == np.rint(values)).all()):
        bad = values[~np.isfinite(values) | (values != np.rint(values))].flat[0]
        raise LabelError(
            f"labels must be whole numbers, found {bad}",
            where=where,
            remedy="The label was interpolated or is a probability map: use nearest neighbour or threshold it.",
        )
    if values.size and values.min() < 0:
        raise LabelError(f"labels must not be negative, found {values.min()}", where=where)
    top = int(values.max()) if values.size else 0
    dtype = np.uint8 if top < 2**8 else np.uint16 if top < 2**16 else np.uint32
    return values.astype(dtype, copy=False)


@dataclass(frozen=True)
class Label:
    """One class of a label set.

    Attributes
    ----------
    value : int
        In the label map, at least 1.
    name : str
        As the dataset names it, e.g. "left kidney".
    anatomy : str
        Organ or object it belongs to, e.g. "kidney"; the name where nothing else is known.
    side : str
        "left", "right" or "".
    modality : str
        Modality it was annotated on, or "".
    """

    value: int
    name: str
    anatomy: str = ""
    side: str = ""
    modality: str = ""


@dataclass(frozen=True)
class LabelSet:
    """The classes of a dataset, background (0) not included.

    Attributes
    ----------
    labels : tuple of Label
        In order of value, values unique.
    ignore : int or None
        Value of pixels that belong to no class and are left out of losses and metrics.
    """

    labels: tuple[Label, ...]
    ignore: int | None = None
    _by_value: dict[int, Label] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        ordered = tuple(sorted(self.labels, key=lambda label: label.value))
        by_value = {label.value: label for label in ordered}
        if len(by_value) != len(ordered) or any(v < 1 for v in by_value) or self.ignore in by_value:
            raise LabelError(f"label values must be unique and at least 1: {[x.value for x in ordered]}")
        object.__setattr__(self, "labels", ordered)
        object.__setattr__(self, "_by_value", by_value)

    @classmethod
    def from_names(cls, names: dict[int, str], ignore: int | None = None, modality: str = "") -> LabelSet:
        """Label set from {value: name}; side and anatomy are read from the names, 0 is skipped."""
        labels = (_parse_label(v, n, modality) for v, n in names.items() if v != 0 and v != ignore)
        return cls(tuple(labels), ignore)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, value: int) -> Label:
        return self._by_value[value]

    def __contains__(self, value: int) -> bool:
        return value in self._by_value

    @property
    def values(self) -> tuple[int, ...]:
        """Values of all classes, ascending."""
        return tuple(label.value for label in self.labels)

    @property
    def names(self) -> dict[int, str]:
        """{value: name} of all classes."""
        return {label.value: label.name for label in self.labels}

    @property
    def has_sides(self) -> bool:
        """True if a left/right flip would exchange classes."""
        return {"left", "right"} <= {label.side for label in self.labels}

    def require_known(self, values: NDArray[Any], *, where: object = None) -> None:
        """Raise `LabelError` if the label map holds a value outside this set."""
        unknown = sorted({int(v) for v in np.unique(values)} - {0, self.ignore, *self.values} - {None})
        if unknown:
            raise LabelError(
                f"label values {unknown[:8]} are not in the label set {dict(list(self.names.items())[:20])}",
                where=where,
                remedy="Add them to the dataset's label list or map them to a known class.",
            )


def _parse_label(value: int, name: str, modality: str) -> Label:
    words = name.lower().replace("_", " ").replace("-", " ").split()
    side = next((side for side in ("left", "right") if side in words), "")
    anatomy = " ".join(word for word in words if word not in ("left", "right")) or name
    return Label(int(value), name, anatomy, side, modality)
