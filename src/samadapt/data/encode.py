"""One case from its source to the bytes and rows of the store, slice by slice."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from samadapt.core.atomic import disk_errors
from samadapt.core.errors import DataError, NonFiniteValues, ShapeMismatch
from samadapt.core.image import Image, LabelMap, LabelSet, Volume
from samadapt.data.channels import windows_of
from samadapt.data.chunks import checksum, compress_image, compress_labels
from samadapt.data.labels import remap
from samadapt.data.objects import layered_objects, semantic_objects
from samadapt.data.records import CHUNK, CaseRecord, pack_rows
from samadapt.data.slicing import SliceAxis, choose_axis, reslice
from samadapt.data.window import window_of

if TYPE_CHECKING:
    from samadapt.data.recipes.base import CaseSource, LoadedCase

_LARGEST_SIDE = 65535


@dataclass(frozen=True)
class EncodeSettings:
    """What the encoding of a dataset's cases depends on.

    Attributes
    ----------
    dataset : str
    window : str
        See `window_of`.
    slice_axis : {"axial", "coronal", "sagittal", "auto"}
    label_set : LabelSet
        The dataset's own.
    values : dict of int to int
        The dataset's label values to the store's.
    """

    dataset: str
    window: str
    slice_axis: SliceAxis
    label_set: LabelSet
    values: dict[int, int]


def encode_case(source: CaseSource, name: str, settings: EncodeSettings, part: Path) -> dict[str, Any]:
    """Load, check and compress a case.

    Parameters
    ----------
    source : CaseSource
    name : str
        Of the case in the store.
    settings : EncodeSettings
    part : Path
        File that receives the chunks, one after another.

    Returns
    -------
    dict
        The case's line in the journal, but for the place in the shard: chunk offsets count from the part's start.

    Raises
    ------
    SamadaptError
        If the case cannot be used: the reason it is excluded.
    DiskFull
        If there is no room for the part.
    """
    loaded = source.load()
    volume, label = as_volume(loaded, settings.slice_axis, name)
    volume = _stored_type(volume, name)
    modality = source.modality or volume.modality  # a file only knows grey from colour
    protocol = loaded.window if settings.window == "auto" else None
    window = protocol or window_of(volume.voxels, modality, settings.window)
    with disk_errors(part), open(part, "wb") as file:
        encoder = _Encoder(file, settings, name)
        for z in range(len(volume)):
            encoder.add(volume.voxels[z], label.values[z] if isinstance(label, LabelMap) else label)
        file.flush()
    channels = volume.voxels.shape[3] if volume.voxels.ndim == 4 else 1
    own = channels > 1 and protocol is None
    windows = volume.windows or (windows_of(volume.voxels, modality, settings.window, window) if own else ())
    record = CaseRecord(
        name=name,
        dataset=settings.dataset,
        patient=source.patient,
        split="",
        modality=modality,
        shape=volume.shape,
        channels=channels,
        dtype=volume.voxels.dtype.name,
        affine=tuple(tuple(float(v) for v in row) for row in volume.grid.affine),
        orientation=volume.orientation,
        window=window,
        source=volume.source,
        is_volume=isinstance(loaded.image, Volume),
        channel_names=volume.channels if channels > 1 else (),
        channel_windows=windows if channels > 1 else (),
    )
    return encoder.line(record, source.split)


class _Encoder:
    """Writes the chunks of one slice after another and keeps their rows."""

    def __init__(self, file: IO[bytes], settings: EncodeSettings, name: str) -> None:
        self._file, self._settings, self._name = file, settings, name
        self._ignore = settings.values.get(cast(int, settings.label_set.ignore))
        self._at = 0
        self._chunks: list[NDArray[Any]] = []
        self._objects: list[NDArray[Any]] = []
        self._content = hashlib.sha256()

    def add(self, pixels: NDArray[Any], label: Any) -> None:
        """One slice: (H, W[, C]) pixels with (H, W) values or a list of object masks."""
        pixels = np.ascontiguousarray(pixels)
        layers, rows = self._layers(label, pixels.shape[:2])
        rows["z"] = len(self._chunks)
        entry = np.zeros(1, CHUNK)
        self._content.update(pixels.data)
        self._write(entry, "image", compress_image(pixels))
        if layers.any():
            self._content.update(layers.data)
            self._write(entry, "label", compress_labels(layers))
        entry["layers"], entry["label_width"] = len(layers), layers.itemsize
        self._chunks.append(entry)
        self._objects.append(rows)

    def line(self, record: CaseRecord, split: str | None) -> dict[str, Any]:
        """The journal line of the case."""
        objects = np.concatenate(self._objects)
        return {
            "record": record.to_dict(),
            "split": split,
            "content": self._content.hexdigest()[:32],
            "bytes": self._at,
            "chunks": pack_rows(np.concatenate(self._chunks)),
            "objects": pack_rows(objects),
            "object_count": len(objects),
        }

    def _layers(self, label: Any, shape: tuple[int, ...]) -> tuple[NDArray[Any], NDArray[Any]]:
        settings = self._settings
        if isinstance(label, np.ndarray):
            values = np.ascontiguousarray(
                remap(np.ascontiguousarray(label), settings.values, settings.label_set, where=self._name)
            )
            return values[None], semantic_objects(values, self._ignore)
        masks = [(entry.mask, self._class(entry.label)) for entry in label]
        return layered_objects([pair for pair in masks if pair[1] != self._ignore], (shape[0], shape[1]))

    def _class(self, value: int) -> int:
        if value not in self._settings.values:
            self._settings.label_set.require_known(np.array([value]), where=self._name)
        return self._settings.values[value]

    def _write(self, entry: NDArray[Any], kind: str, chunk: bytes) -> None:
        self._file.write(chunk)
        entry[f"{kind}_at"], entry[f"{kind}_bytes"], entry[f"{kind}_crc"] = self._at, len(chunk), checksum(chunk)
        self._at += len(chunk)


def as_volume(loaded: LoadedCase, slice_axis: SliceAxis, name: str) -> tuple[Volume, Any]:
    """Volume with slices along the first axis, and its LabelMap or list of masks."""
    image, label = loaded.image, loaded.label
    _require_fit(loaded, name)
    if isinstance(image, Image):
        label = _one_slice(label) if isinstance(label, LabelMap) else label
        return _one_slice(image), label
    if not isinstance(label, LabelMap):
        raise DataError("object masks are for 2-D images", where=name, remedy="Give a label map for a volume.")
    return reslice(image, label, choose_axis(image.grid.spacing_mm, slice_axis))


def _require_fit(loaded: LoadedCase, name: str) -> None:
    image, label = loaded.image, loaded.label
    if isinstance(label, LabelMap):
        image.grid.require_match(label.grid, where=name)
    else:
        for entry in label:
            if entry.mask.shape != image.grid.shape:
                raise ShapeMismatch(
                    f"a mask of {entry.mask.shape} does not fit the image of {image.grid.shape}",
                    where=name,
                    remedy="Masks have the size of their image.",
                )
    if max(image.grid.shape[-2:]) > _LARGEST_SIDE:
        raise DataError(f"the image is larger than {_LARGEST_SIDE} pixels", where=name, remedy="Cut it into tiles.")


def _one_slice(plane: Any) -> Any:
    grid = type(plane.grid)((1, *plane.grid.shape), plane.grid.affine)
    if isinstance(plane, LabelMap):
        return LabelMap(plane.values[None], grid, source=plane.source)
    return Volume(
        plane.pixels[None],
        grid,
        modality=plane.modality,
        source=plane.source,
        window=plane.window,
        channels=plane.channels,
    )


def _stored_type(volume: Volume, name: str) -> Volume:
    """Voxels in the smallest type that holds them exactly, where they are whole numbers; floats as float32."""
    voxels = volume.voxels
    if voxels.ndim == 4 and voxels.shape[3] == 1:
        voxels = voxels[..., 0]
    low, high, whole = _range(voxels, name)
    dtype = _narrowest(voxels.dtype, low, high, whole)
    if dtype != voxels.dtype or voxels is not volume.voxels:
        voxels = voxels.astype(dtype, copy=False)
    return replace(volume, voxels=voxels)


def _narrowest(dtype: np.dtype[Any], low: float, high: float, whole: bool) -> np.dtype[Any]:
    if dtype == np.bool_:
        return np.dtype(np.uint8)
    if dtype in (np.uint8, np.int16, np.uint16):
        return dtype.newbyteorder("=")
    if whole:
        for kind in (np.int16, np.uint16):
            if np.iinfo(kind).min <= low and high <= np.iinfo(kind).max:
                return np.dtype(kind)
    return np.dtype(np.float32)


def _range(voxels: NDArray[Any], name: str) -> tuple[float, float, bool]:
    """Least and greatest voxel and whether all are whole numbers, slice by slice."""
    low, high, whole = np.inf, -np.inf, True
    for plane in voxels:
        least, most = plane.min(), plane.max()
        if not (np.isfinite(least) and np.isfinite(most)):
            raise NonFiniteValues(
                f"{np.count_nonzero(~np.isfinite(plane))} voxels of a slice are NaN or infinite",
                where=name,
                remedy="Replace them in the file, for example by the background's value.",
            )
        low, high = min(low, float(least)), max(high, float(most))
        whole = whole and (plane.dtype.kind != "f" or bool((plane == np.rint(plane)).all()))
    return low, high, whole
