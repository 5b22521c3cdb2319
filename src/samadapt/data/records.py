"""What the store knows of a case, a slice and an object, and how that is written down."""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.grid import Grid
from samadapt.core.image import Label, LabelSet, Orientation

FORMAT_VERSION = 1

SLICE = np.dtype([("case", "<u4"), ("z", "<u4")])
"""One row a slice."""

CHUNK = np.dtype(
    [
        ("image_at", "<u8"),
        ("label_at", "<u8"),
        ("image_bytes", "<u4"),
        ("label_bytes", "<u4"),
        ("image_crc", "<u4"),
        ("label_crc", "<u4"),
        ("shard", "<u2"),
        ("layers", "u1"),
        ("label_width", "u1"),
    ]
)
"""Where the two chunks of a slice lie; a slice without labels has no label chunk (0 bytes)."""

OBJECT = np.dtype(
    [(name, "<u4") for name in ("case", "z", "slice", "object", "value", "area")]
    + [(name, "<u2") for name in ("x0", "y0", "x1", "y1", "label")]
    + [("layer", "u1"), ("spare", "u1")]
)
"""One row an object: a (slice, label) of semantic data, an instance of instance data. Boxes are XYXY, maximum
inclusive, in pixels of the slice. "spare" is zero; it aligns the rows, and a named field, unlike padding, survives
NumPy's operations."""


@dataclass(frozen=True)
class CaseRecord:
    """Everything about a case but its pixels.

    Attributes
    ----------
    name : str
        Unique in the store.
    dataset : str
        Name of the dataset it came from.
    patient : str
        Patient, scene or video; never in two splits.
    split : str
        "train", "val" or "test".
    modality : str
        "CT", "MR", "RGB", ... or "".
    shape : tuple of int
        (Z, H, W) in the order of the store's slices; (1, H, W) for a 2-D image.
    channels : int
        1 for (H, W) slices, else C of (H, W, C).
    dtype : str
        NumPy name of the voxels' type.
    affine : tuple of tuple of float
        4 x 4, array index (z, y, x, 1) to LPS millimetres.
    orientation : Orientation
        For each axis of the stored array: (axis in the file's array, +1 or -1 if flipped).
    window : tuple of float
        (low, high) intensities that become 0 and 255.
    source : str
        File it was read from.
    is_volume : bool
        False for a 2-D image.
    channel_names : tuple of str
        Of the last axis; empty where unknown.
    channel_windows : tuple of tuple of float
        (low, high) of every channel by itself; empty where all have `window`.
    """

    name: str
    dataset: str
    patient: str
    split: str
    modality: str
    shape: tuple[int, int, int]
    channels: int
    dtype: str
    affine: tuple[tuple[float, ...], ...]
    orientation: Orientation
    window: tuple[float, float]
    source: str
    is_volume: bool
    channel_names: tuple[str, ...] = ()
    channel_windows: tuple[tuple[float, float], ...] = ()

    @property
    def grid(self) -> Grid:
        """Grid of shape (Z, H, W)."""
        return Grid(self.shape, np.array(self.affine, dtype=np.float64))

    @property
    def spacing_mm(self) -> tuple[float, ...]:
        """Millimetres along (Z, H, W)."""
        return self.grid.spacing_mm

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; what is known of channels only where something is."""
        tree = asdict(self)
        return {key: value for key, value in tree.items() if value or not key.startswith("channel_")}

    @classmethod
    def from_dict(cls, raw: dict[str, Any]) -> CaseRecord:
        """Inverse of `to_dict`, also after a pass through JSON."""
        z, h, w = raw["shape"]
        return cls(
            **{
                **raw,
                "shape": (z, h, w),
                "affine": tuple(tuple(float(v) for v in row) for row in raw["affine"]),
                "orientation": tuple((int(axis), int(sign)) for axis, sign in raw["orientation"]),
                "window": (float(raw["window"][0]), float(raw["window"][1])),
                "channel_names": tuple(raw.get("channel_names", ())),
                "channel_windows": tuple((float(low), float(high)) for low, high in raw.get("channel_windows", ())),
            }
        )


def pack_rows(rows: NDArray[Any]) -> str:
    """Structured rows as base64 text."""
    return base64.b64encode(rows.tobytes()).decode("ascii")


def unpack_rows(text: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Inverse of `pack_rows`; writable."""
    return np.frombuffer(bytearray(base64.b64decode(text)), dtype=dtype)


def label_set_to_dict(labels: LabelSet) -> dict[str, Any]:
    """JSON-ready label set."""
    return {"ignore": labels.ignore, "labels": [asdict(label) for label in labels.labels]}


def label_set_from_dict(raw: dict[str, Any]) -> LabelSet:
    """Inverse of `label_set_to_dict`."""
    return LabelSet(tuple(Label(**label) for label in raw["labels"]), raw["ignore"])
