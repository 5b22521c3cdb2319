"""What a person or a simulator says about an object: points, a box, a mask. Frozen, in original pixels."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from samadapt.core.errors import PromptError

FORMAT_VERSION = 1
Origin = Literal["human", "ground truth", "model"]


@dataclass(frozen=True, eq=False)
class Points:
    """Clicks.

    Attributes
    ----------
    xy : ndarray of shape (N, 2), float32
        XY in pixels of the original image; an integer is a pixel centre.
    labels : ndarray of shape (N,), int64
        1 object, 0 background.
    """

    xy: NDArray[np.float32]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        xy = np.asarray(self.xy, dtype=np.float32).reshape(-1, 2)
        labels = np.asarray(self.labels, dtype=np.int64).reshape(-1)
        if len(xy) != len(labels):
            raise PromptError(f"{len(xy)} points need as many labels, not {len(labels)}")
        if not np.isfinite(xy).all():
            raise PromptError("point coordinates must be finite", remedy="Give x,y in pixels of the original image.")
        if not np.isin(labels, (0, 1)).all():
            raise PromptError("point labels must be 1 (object) or 0 (background)")
        object.__setattr__(self, "xy", xy)
        object.__setattr__(self, "labels", labels)

    def __len__(self) -> int:
        return len(self.xy)

    def require_inside(self, hw: tuple[int, int]) -> None:
        """Raise `PromptError` if a point lies outside an (H, W) image."""
        low, high = -0.5, np.array([hw[1], hw[0]]) - 0.5
        outside = ((self.xy < low) | (self.xy > high)).any(axis=1)
        if outside.any():
            x, y = self.xy[outside][0]
            raise PromptError(
                f"point ({x:g}, {y:g}) lies outside the image of width {hw[1]} and height {hw[0]}",
                remedy="Points are x,y in pixels of the original image, from 0,0 at the top left.",
            )


@dataclass(frozen=True)
class Box:
    """XYXY in original pixels, maximum inclusive, as SAM's own mask-to-box."""

    x0: float
    y0: float
    x1: float
    y1: float

    def __post_init__(self) -> None:
        for name in ("x0", "y0", "x1", "y1"):
            object.__setattr__(self, name, float(getattr(self, name)))
        if not np.isfinite([self.x0, self.y0, self.x1, self.y1]).all():
            raise PromptError("box coordinates must be finite", remedy="Give x0,y0,x1,y1 in pixels of the image.")
        if self.x1 < self.x0 or self.y1 < self.y0:
            raise PromptError(
                f"box {self.xyxy.tolist()} is reversed", remedy="Give x0,y0 (top left), then x1,y1 (bottom right)."
            )

    @classmethod
    def from_array(cls, xyxy: ArrayLike) -> Box:
        """Box from four numbers."""
        values = np.asarray(xyxy, dtype=np.float64).reshape(-1)
        if len(values) != 4:
            raise PromptError(f"a box has four numbers x0,y0,x1,y1, not {len(values)}")
        return cls(*(float(v) for v in values))

    @property
    def xyxy(self) -> NDArray[np.float32]:
        """(4,) float32."""
        return np.array([self.x0, self.y0, self.x1, self.y1], dtype=np.float32)

    def require_inside(self, hw: tuple[int, int]) -> None:
        """Raise `PromptError` if the box does not touch an (H, W) image, or leaves it."""
        if self.x0 < -0.5 or self.y0 < -0.5 or self.x1 > hw[1] or self.y1 > hw[0]:
            raise PromptError(
                f"box {self.xyxy.tolist()} leaves the image of width {hw[1]} and height {hw[0]}",
                remedy="Boxes are x0,y0,x1,y1 in pixels of the original image.",
            )


@dataclass(frozen=True, eq=False)
class Prompt:
    """All that is said about one object.

    Attributes
    ----------
    points : Points or None
    box : Box or None
    mask_logits : ndarray of shape (h, w), float32, or None
        Low-resolution logits of an earlier prediction, in the model's mask frame.
    """

    points: Points | None = None
    box: Box | None = None
    mask_logits: NDArray[np.float32] | None = None


@dataclass(frozen=True)
class PromptKey:
    """The object a prompt is about.

    Attributes
    ----------
    case : str
        Name of the case in the store.
    slice : int
        Index along the first axis; 0 for a 2-D image.
    label : int
        Value in the label set.
    object : int
        Number of the object among those of this label in this slice; 0 where the whole label is one object.
    """

    case: str
    slice: int
    label: int
    object: int = 0


@dataclass(frozen=True)
class PromptSet:
    """Prompts drawn once and used for every model: an artefact with a hash.

    Attributes
    ----------
    origin : {"human", "ground truth", "model"}
        Who made them. A figure from ground-truth prompts says so.
    policy : str
        How, e.g. "box" or "point:3"; together with `seed` and `data` it can be drawn again.
    seed : int
    data : str
        Fingerprint of the store they were drawn on.
    items : dict of PromptKey to Prompt
    model : str
        Whose answers they correct, where a simulated annotator saw answers; else "".
    """

    origin: Origin
    policy: str
    seed: int
    data: str
    items: dict[PromptKey, Prompt] = field(default_factory=dict)
    model: str = ""

    def __len__(self) -> int:
        return len(self.items)

    def __iter__(self) -> Iterator[tuple[PromptKey, Prompt]]:
        return iter(self.items.items())

    def to_json(self) -> str:
        """Text that `from_json` reads back; mask prompts are not stored."""
        header = {"format": "samadapt-prompts", "version": FORMAT_VERSION, "origin": self.origin}
        header |= {"policy": self.policy, "seed": self.seed, "data": self.data}
        header |= {"model": self.model} if self.model else {}
        return json.dumps(header | {"prompts": [_encode(k, p) for k, p in self.items.items()]}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str, *, where: object = None) -> PromptSet:
        """Parse what `to_json` wrote."""
        try:
            raw = json.loads(text)
            if raw["format"] != "samadapt-prompts" or raw["version"] > FORMAT_VERSION:
                raise KeyError("format")
            items = dict(_decode(entry) for entry in raw["prompts"])
            return cls(raw["origin"], raw["policy"], int(raw["seed"]), raw["data"], items, raw.get("model", ""))
        except (KeyError, TypeError, ValueError) as error:
            raise PromptError(f"not a samadapt prompt file ({error})", where=where) from error

    @property
    def fingerprint(self) -> str:
        """Hash of everything in it."""
        return hashlib.blake2b(self.to_json().encode(), digest_size=8).hexdigest()


def _encode(key: PromptKey, prompt: Prompt) -> dict[str, Any]:
    entry: dict[str, Any] = {"case": key.case, "slice": key.slice, "label": key.label, "object": key.object}
    if prompt.box is not None:
        entry["box"] = [prompt.box.x0, prompt.box.y0, prompt.box.x1, prompt.box.y1]
    if prompt.points is not None:
        entry["points"] = [[float(x), float(y), int(v)] for (x, y), v in zip(prompt.points.xy, prompt.points.labels)]
    return entry


def _decode(entry: dict[str, Any]) -> tuple[PromptKey, Prompt]:
    key = PromptKey(str(entry["case"]), int(entry["slice"]), int(entry["label"]), int(entry["object"]))
    box = Box.from_array(entry["box"]) if "box" in entry else None
    rows = np.asarray(entry["points"], dtype=np.float64).reshape(-1, 3) if "points" in entry else None
    points = None if rows is None else Points(rows[:, :2].astype(np.float32), rows[:, 2].astype(np.int64))
    return key, Prompt(points, box)
