"""From files to a loaded case: pairs, stacked channels, instance maps."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from samadapt import io
from samadapt.core.errors import DataError, LabelError, ShapeMismatch
from samadapt.core.image import Image, LabelMap, LabelSet, Volume
from samadapt.data.recipes.base import LoadedCase, ObjectMask, Objects
from samadapt.io.readers import Region

JPEG_THRESHOLD = 127
Colours = tuple[tuple[tuple[int, int, int], int], ...]


@dataclass(frozen=True)
class LabelRule:
    """How the numbers in a label file become values of the label set.

    Attributes
    ----------
    threshold : int, "auto" or None
        Above it is object. "auto": 127 for JPEG and for 0/255 masks, else values as they are.
    colours : tuple of ((r, g, b), value)
        For colour masks.
    values : tuple of (file value, label value)
        Replaces values; those not named stay.
    """

    threshold: int | Literal["auto"] | None = "auto"
    colours: Colours = ()
    values: tuple[tuple[int, int], ...] = ()

    def read(self, path: Path, region: Region | None = None) -> LabelMap:
        """Label map of a file, or of a part of it, under this rule."""
        if self.colours:
            return self._replaced(io.open_label(path, colors=dict(self.colours), region=region))
        if self.threshold == "auto":
            if io.sniff(path) == "jpeg":
                return _black_and_white_jpeg(path, region)
            label = io.open_label(path, region=region)
            binary = not self.values and is_black_and_white(label.values)
            return self._replaced(replace(label, values=label.values > JPEG_THRESHOLD) if binary else label)
        return self._replaced(io.open_label(path, threshold=self.threshold, region=region))

    def _replaced(self, label: LabelMap) -> LabelMap:
        if not self.values:
            return label
        table = np.arange(max(int(label.values.max()), *(v for v, _ in self.values)) + 1, dtype=np.uint32)
        for old, new in self.values:
            table[old] = new
        return replace(label, values=table[label.values])


def _black_and_white_jpeg(path: Path, region: Region | None) -> LabelMap:
    """A JPEG cut at 127, or an error if it holds something and nothing of it is brighter than that."""
    label = io.open_label(path, threshold=JPEG_THRESHOLD, region=region)
    if label.values.any() or not io.open_label(path, threshold=0).values.any():
        return label
    if region is None or not io.open_label(path, threshold=JPEG_THRESHOLD).values.any():
        raise LabelError(
            f"a JPEG mask in which nothing is brighter than {JPEG_THRESHOLD}, and not all is black: these may be "
            "classes, which JPEG does not keep",
            where=path,
            remedy="Save classes as PNG. For an object that is darker give its least grey value as threshold.",
        )
    return label


def _require_one_class(path: Path, rule: LabelRule, label_set: LabelSet) -> None:
    if len(label_set) > 1 and rule.threshold == "auto" and not rule.colours and io.sniff(path) == "jpeg":
        names = ", ".join(label_set.names.values())
        raise LabelError(
            f"a JPEG mask cannot hold {len(label_set)} classes ({names}): compression changes numbers along every edge",
            where=path,
            remedy="Save it as PNG, from the original labels.",
        )


def is_black_and_white(values: NDArray[np.unsignedinteger]) -> bool:
    """True if only 0 and 255 occur, 255 at least once."""
    return bool(values.size and values.max() == 255 and not ((values > 0) & (values < 255)).any())


@dataclass(frozen=True)
class PairLoader:
    """Reads one or several channel files and one label file.

    Attributes
    ----------
    images : tuple of Path
        One a channel, stacked on the last axis when there are several.
    label : Path
    label_set : LabelSet
    modality : str
    rule : LabelRule
    instances : int or None
        None: the label file holds classes. A number: it holds instance ids, all of this label.
    channels : bool
        True for 4-D files whose last axis is channels.
    region : (y0, x0, y1, x1) or None
        The tile of a picture that is the case; None: all of it.
    channel_names : tuple of str
        Of the channels, where the dataset names them.
    """

    images: tuple[Path, ...]
    label: Path
    label_set: LabelSet
    modality: str = ""
    rule: LabelRule = LabelRule()
    instances: int | None = None
    channels: bool = False
    region: Region | None = None
    channel_names: tuple[str, ...] = ()

    def __call__(self) -> LoadedCase:
        image = self._image()
        if self.instances is not None:
            return LoadedCase(image, self._objects(image))
        _require_one_class(self.label, self.rule, self.label_set)
        label = self.rule.read(self.label, self.region)
        image, label = on_one_grid(image, label, where=self.label)
        require_explained(label, self.label_set, where=self.label)
        return LoadedCase(image, label)

    def _image(self) -> Image | Volume:
        modality = self.modality or modality_of_name(self.images[0].name)
        return named_channels(stack([self._open(path, modality) for path in self.images]), self.channel_names)

    def _open(self, path: Path, modality: str) -> Image | Volume:
        return io.open(path, modality=modality, channels=self.channels, region=self.region)

    def _objects(self, image: Image | Volume) -> Objects:
        if isinstance(image, Volume):
            raise DataError(
                "instance labels are read for 2-D images only", where=self.label, remedy="Leave instances off."
            )
        values = io.open_label(self.label, region=self.region).values
        require_shape(image, values.shape, where=self.label)
        label = self.instances or 1
        return [ObjectMask(values == i, label) for i in np.unique(values) if i]


def stack(parts: list[Image | Volume]) -> Image | Volume:
    """Channels of one case as (H, W, C) or (Z, Y, X, C); a single one stays as it is."""
    first = parts[0]
    if len(parts) == 1:
        return first
    for part in parts[1:]:
        first.grid.require_match(part.grid, where=part.source)
    if isinstance(first, Volume):
        return replace(first, voxels=np.stack([p.voxels for p in parts if isinstance(p, Volume)], axis=-1))
    return replace(first, pixels=np.stack([p.pixels for p in parts if isinstance(p, Image)], axis=-1))


def named_channels(image: Image | Volume, names: tuple[str, ...]) -> Image | Volume:
    """The image with names for its channels; a single channel needs none.

    Raises
    ------
    ShapeMismatch
        If there are not as many names as channels.
    """
    tail = image.pixels.shape[2:] if isinstance(image, Image) else image.voxels.shape[3:]
    return replace(image, channels=names) if names and (tail or len(names) > 1) else image


def on_one_grid(image: Image | Volume, label: LabelMap, *, where: object = None) -> tuple[Image | Volume, LabelMap]:
    """Image and label if they share a grid; `GridMismatch` or `ShapeMismatch` otherwise.

    A label of a single slice beside a 2-D image, and the reverse, are different shapes. Pictures have no geometry
    worth comparing, so only their shape counts.
    """
    if isinstance(image, Image):
        require_shape(image, label.values.shape, where=where)
        return image, replace(label, grid=image.grid)
    image.grid.require_match(label.grid, where=where)
    return image, label


def require_shape(image: Image | Volume, shape: tuple[int, ...], *, where: object = None) -> None:
    """Raise `ShapeMismatch` unless a label array of `shape` covers the image."""
    if image.shape != shape:
        raise ShapeMismatch(
            f"image shape {image.shape} and label shape {shape} differ",
            where=where,
            remedy="Pair the right files, or resize the label to the image with nearest neighbour.",
        )


def require_explained(label: LabelMap, label_set: LabelSet, *, where: object = None) -> None:
    """Raise `LabelError` if a value is in no class; 0/1/255 mixtures get their own remedy."""
    found = {int(v) for v in np.unique(label.values)}
    if {1, 255} <= found and 255 not in label_set and label_set.ignore != 255:
        raise LabelError(
            f"the mask mixes 1 and 255 (values {sorted(found)[:8]})",
            where=where,
            remedy="Say which is meant: ignore=255 leaves those pixels out, threshold=0 makes non-zero pixels object.",
        )
    label_set.require_known(label.values, where=where)


def modality_of_name(name: str) -> str:
    """ "CT" or "MR" where a word of the file name says so, else ""."""
    words = set(name.lower().replace(".", "_").replace("-", "_").split("_"))
    if "ct" in words:
        return "CT"
    return "MR" if words & {"mr", "mri", "t1", "t1w", "t2", "t2w", "flair"} else ""
