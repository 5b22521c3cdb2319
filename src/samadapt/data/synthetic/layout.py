"""Label map under construction: what is painted last is in front, and a part also belongs to its whole."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.data.synthetic.fields import Field
from samadapt.data.synthetic.shapes import Patch

SMALLEST_PX = 4
LARGEST_SHARE = 0.7
BACKGROUND = 0


class Layout:
    """Regions of a scene.

    Every painted region has a number, a material that a look turns into an intensity, and a place in the objects
    that contain it. The visible mask of an object is the union of what is still visible of its regions.
    """

    def __init__(self, size: int, material: str = "air") -> None:
        self.size = size
        self.regions: NDArray[np.int16] = np.zeros((size, size), dtype=np.int16)
        self.materials: list[str] = [material]
        self.objects: list[set[int]] = []
        self._parent: list[int | None] = [None]
        self._parts: list[set[int]] = [{BACKGROUND}]

    def paint(
        self,
        shape: Patch | NDArray[np.bool_],
        material: str,
        *,
        within: int | None = None,
        over: Iterable[int] | None = None,
        target: bool = True,
    ) -> int:
        """Paint a new region and return its number.

        Parameters
        ----------
        shape : Patch or ndarray of shape (size, size), bool
        material : str
            Name that looks know.
        within : int, optional
            Region this one is a part of: clipped to it, and counted to every object that region belongs to.
        over : iterable of int, optional
            Regions that may be covered; others stay in front.
        target : bool
            Whether the region is an object of its own.
        """
        window, mask = (shape.window, shape.inside) if isinstance(shape, Patch) else (np.s_[:, :], shape)
        view = self.regions[window]
        if within is not None:
            mask = mask & self._among(self._parts[within])[view]
        elif over is not None:
            mask = mask & self._among(over)[view]
        number = len(self.materials)
        self.materials.append(material)
        self._parent.append(within)
        self._parts.append({number})
        view[mask] = number
        ancestor = within
        while ancestor is not None:
            self._parts[ancestor].add(number)
            ancestor = self._parent[ancestor]
        if target:
            self.objects.append(self._parts[number])
        return number

    def paint_pieces(self, codes: NDArray[np.integer[Any]], materials: dict[int, str]) -> None:
        """Paint a whole partition at once: an object of its material wherever `codes` (size, size) has its key."""
        lookup = np.zeros(int(codes.max()) + 1, dtype=np.int16)
        for code, material in materials.items():
            lookup[code] = len(self.materials)
            self.materials.append(material)
            self._parent.append(None)
            self._parts.append({int(lookup[code])})
            self.objects.append(self._parts[-1])
        numbers = lookup[codes]
        self.regions = np.where(numbers > 0, numbers, self.regions)

    def _among(self, regions: Iterable[int]) -> NDArray[np.bool_]:
        lookup = np.zeros(len(self.materials), dtype=bool)
        lookup[list(regions)] = True
        return lookup

    def add_object(self, regions: Iterable[int]) -> None:
        """Declare the union of `regions` an object."""
        self.objects.append(set(regions))

    def parts(self, region: int) -> set[int]:
        """The region and everything painted within it."""
        return self._parts[region]

    def table(self, values: Iterable[float]) -> Field:
        """(size, size) field that holds one of `values` per region."""
        return np.array(list(values), dtype=np.float32)[self.regions]

    def colours(self, values: Iterable[Iterable[float]]) -> Field:
        """(size, size, 3) field with one colour per region."""
        return np.array([list(v) for v in values], dtype=np.float32)[self.regions]

    def of(self, *materials: str) -> list[int]:
        """Numbers of the regions of these materials."""
        return [i for i, name in enumerate(self.materials) if name in materials]

    def where(self, *materials: str) -> NDArray[np.bool_]:
        """(size, size) bool of the regions of these materials."""
        return np.array([name in materials for name in self.materials])[self.regions]


@dataclass(frozen=True, eq=False)
class Picture:
    """A rendered scene before the camera: `image` (size, size) or (size, size, 3) in 0..1, and its layout."""

    image: Field
    layout: Layout
    look: str
    finest_px: int = 0
    """Fewest pixels a side that the camera may reduce the picture to without losing its objects; 0: any."""
    reduce_chance: float = 0.5
    """How often the camera reduces the resolution."""


def visible_masks(
    regions: NDArray[np.int16], objects: list[set[int]], rng: np.random.Generator, limit: int
) -> NDArray[np.bool_]:
    """Masks (K, H, W) of the objects that are neither too small nor too large, without doubles, at most `limit`.

    Parameters
    ----------
    regions : ndarray of shape (H, W), int16
        Region numbers after the camera, -1 where there is no scene (padding).
    objects : list of set of int
    rng : numpy.random.Generator
        Chooses which objects stay if there are more than `limit`.
    limit : int
    """
    area = np.bincount(regions.ravel() + 1, minlength=2)[1:]
    count = len(area)
    seen: dict[frozenset[int], int] = {}
    for members in objects:
        key = frozenset(r for r in members if r < count and area[r] > 0)
        total = int(sum(area[r] for r in key))
        if SMALLEST_PX <= total <= LARGEST_SHARE * regions.size:
            seen.setdefault(key, total)
    kept = list(seen)
    if len(kept) > limit:
        kept = [kept[i] for i in sorted(rng.choice(len(kept), limit, replace=False))]
    lookup = np.zeros((len(kept), count + 1), dtype=bool)
    for row, key in enumerate(kept):
        lookup[row, [r + 1 for r in key]] = True
    return np.take(lookup, regions.astype(np.intp) + 1, axis=1, mode="clip")
