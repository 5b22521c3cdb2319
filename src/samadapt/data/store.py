"""The prepared store: what training and evaluation read."""

from __future__ import annotations

import json
import mmap
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import ConfigError, DataError, StoreError
from samadapt.core.grid import Grid
from samadapt.core.image import Image, LabelMap, LabelSet, Volume
from samadapt.data.chunks import checksum, decompress
from samadapt.data.index import map_records, open_arrays, read_header
from samadapt.data.records import CaseRecord, label_set_from_dict
from samadapt.data.shards import ShardReader, damaged, shard_path
from samadapt.data.split import SPLITS

_CACHED_RECORDS = 4096


class CaseTable(Sequence[CaseRecord]):
    """The cases of a store, each read when it is asked for."""

    def __init__(self, lines: NDArray[np.uint64], text: mmap.mmap) -> None:
        self._lines, self._text = lines, text
        self._record = lru_cache(maxsize=_CACHED_RECORDS)(self._parse)

    def __len__(self) -> int:
        return len(self._lines) - 1

    @overload
    def __getitem__(self, index: int) -> CaseRecord: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[CaseRecord, ...]: ...
    def __getitem__(self, index: int | slice) -> CaseRecord | tuple[CaseRecord, ...]:
        if isinstance(index, slice):
            return tuple(self._record(i) for i in range(*index.indices(len(self))))
        position = int(index) + (len(self) if index < 0 else 0)
        if not 0 <= position < len(self):
            raise IndexError(f"the store has {len(self)} cases, there is no case {index}")
        return self._record(position)

    def __iter__(self) -> Iterator[CaseRecord]:
        return (self._parse(i) for i in range(len(self)))

    def names(self) -> Iterator[str]:
        """Names of all cases, in order."""
        return (self._json(i)["name"] for i in range(len(self)))

    def _json(self, index: int) -> Any:
        return json.loads(self._text[int(self._lines[index]) : int(self._lines[index + 1])])

    def _parse(self, index: int) -> CaseRecord:
        return CaseRecord.from_dict(self._json(index))


class Store:
    """A prepared dataset, read at random and from any number of processes.

    Opening reads one small file and maps the index, whatever the size. A store can be pickled and forked: file
    handles are opened by the process that reads.

    Attributes
    ----------
    path : Path
    label_set : LabelSet
        Classes of all datasets together.
    fingerprint : str
        Hash of everything in it: images, labels, splits, windows; equal for equal content however it was made.
    cases : sequence of CaseRecord
        Ordered by dataset and name; the index of a case here is its number everywhere.
    datasets : tuple of dict
        Facts of each dataset: name, title, licence, citation, url, modality, source, settings, "labels"
        (its own names and values) and "values" (own value to the store's value).
    excluded : tuple of dict
        "dataset", "name", "reason" of what was left out.
    slices : ndarray of (case u4, z u4), memory-mapped
        One row a slice, ordered by case and z.
    objects : ndarray, memory-mapped
        One row an object, ordered by slice: case, z, slice (row of `slices`), label (class), object (number among
        those of its label in the slice), layer, value (in that layer), area (pixels), x0, y0, x1, y1 (box,
        maximum inclusive).
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        header = read_header(self.path)
        arrays = open_arrays(self.path, header)
        self.fingerprint: str = header["fingerprint"]
        self.label_set: LabelSet = label_set_from_dict(header["label_set"])
        self.datasets: tuple[dict[str, Any], ...] = tuple(header["datasets"])
        self.excluded: tuple[dict[str, str], ...] = tuple(header["excluded"])
        self.slices, self.objects = arrays["slices"], arrays["objects"]
        self._chunks, self._first, self._splits = arrays["chunks"], arrays["case_slices"], arrays["splits"]
        self._slice_objects = arrays["slice_objects"]
        self._table = CaseTable(arrays["case_lines"], map_records(self.path, header))
        self.cases: Sequence[CaseRecord] = self._table
        self._shards = ShardReader(self.path)
        self._last: tuple[int, NDArray[Any]] | None = None
        self._names: dict[str, int] | None = None

    @classmethod
    def open(cls, path: str | Path) -> Store:
        """Open a store that `prepare` made.

        Raises
        ------
        StoreError
            If it is none, unfinished, damaged, or of a newer version.
        """
        return cls(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return Store, (self.path,)

    def __repr__(self) -> str:
        return f"Store({str(self.path)!r}, {len(self.cases)} cases, {len(self.slices)} slices)"

    def close(self) -> None:
        """Close the shard files of this process; they open again when needed."""
        self._shards.close()

    def split(self, name: str) -> list[int]:
        """Case numbers of "train", "val", "test" or "all", ascending; empty if the split has none.

        Raises
        ------
        ConfigError
            If there is no split of that name.
        """
        if name == "all":
            return list(range(len(self.cases)))
        if name not in SPLITS:
            raise ConfigError(f"there is no split called {name!r}", where=self.path, remedy=f"Use {SPLITS} or 'all'.")
        return [int(i) for i in np.flatnonzero(self._splits == SPLITS.index(name))]

    def index_of(self, name: str) -> int:
        """Number of the case called `name`.

        Raises
        ------
        DataError
            If the store has no such case.
        """
        if self._names is None:
            self._names = {name: index for index, name in enumerate(self._table.names())}
        if name not in self._names:
            raise DataError(f"there is no case called {name!r}", where=self.path)
        return self._names[name]

    def row(self, case: int, z: int) -> int:
        """Row of slice `z` of a case in `slices`."""
        start, stop = self._first[case], self._first[case + 1]
        if not 0 <= z < stop - start:
            raise IndexError(f"case {self.cases[case].name!r} has {stop - start} slices, there is no slice {z}")
        return int(start) + z

    def rows(self, case: int) -> slice:
        """Rows of `slices` that belong to a case."""
        return slice(int(self._first[case]), int(self._first[case + 1]))

    def objects_of(self, case: int, z: int | None = None) -> slice:
        """Rows of `objects` in slice `z` of a case, or in the whole case."""
        first, last = (self.rows(case).start, self.rows(case).stop) if z is None else (self.row(case, z),) * 2
        stop = last if z is None else last + 1
        return slice(int(self._slice_objects[first]), int(self._slice_objects[stop]))

    def image(self, case: int, z: int) -> Image:
        """Slice `z` of a case in its original intensities, with the case's window.

        Returns
        -------
        Image
            Pixels (H, W) or (H, W, C).

        Raises
        ------
        StoreError
            If the chunk is missing or damaged.
        """
        record = self.cases[case]
        pixels = self._pixels(record, self.row(case, z))
        source = f"{record.source}[{z}]" if record.is_volume else record.source
        names, windows = record.channel_names, record.channel_windows
        return Image(pixels, record.grid.slice(z), record.modality, source, record.window, names, windows)

    def labels(self, case: int, z: int) -> NDArray[Any]:
        """Class of every pixel of slice `z`: values of `label_set`, 0 background, or the ignore value.

        Where objects overlap, the one in the higher layer wins.

        Returns
        -------
        ndarray of shape (H, W), uint8 or uint16
        """
        row = self.row(case, z)
        layers = self._layers(row)
        here = self.objects[self.objects_of(case, z)]
        if (here["value"] == here["label"]).all() and len(layers) == 1:
            only: NDArray[Any] = layers[0].copy()
            return only
        classes = np.zeros(layers.shape[1:], dtype=np.uint16)
        for number, layer in enumerate(layers):
            np.copyto(classes, _classes(layer, here[here["layer"] == number]), where=layer > 0)
        return classes

    def mask(self, row: int) -> NDArray[np.bool_]:
        """Pixels of one object.

        Parameters
        ----------
        row : int
            Row of `objects`.

        Returns
        -------
        ndarray of shape (H, W), bool
        """
        entry = self.objects[row]
        mask: NDArray[np.bool_] = self._layers(int(entry["slice"]))[int(entry["layer"])] == entry["value"]
        return mask

    def volume(self, case: int) -> Volume:
        """All slices of a case in stored order; (1, H, W[, C]) for a 2-D image."""
        record = self.cases[case]
        tail = (record.channels,) if record.channels > 1 else ()
        voxels = np.empty((*record.shape, *tail), dtype=record.dtype)
        for z, row in enumerate(range(self.rows(case).start, self.rows(case).stop)):
            voxels[z] = self._pixels(record, row)
        return Volume(
            voxels,
            record.grid,
            record.orientation,
            record.modality,
            record.source,
            record.window,
            record.channel_names,
            record.channel_windows,
        )

    def label_map(self, case: int) -> LabelMap:
        """Classes of all slices of a case, see `labels`."""
        record = self.cases[case]
        values = np.zeros(record.shape, dtype=np.uint16)
        for z in range(record.shape[0]):
            if self._chunks["label_bytes"][self.row(case, z)]:
                values[z] = self.labels(case, z)
        grid = Grid(record.shape, record.grid.affine)
        return LabelMap(values, grid, record.orientation, record.source)

    def verify(self) -> list[str]:
        """Read every chunk and compare its checksum; returns what is wrong, one line each."""
        findings: list[str] = []
        for row, (case, _) in enumerate(self.slices.tolist()):
            try:
                self._pixels(self.cases[case], row)
                self._layers(row)
            except StoreError as error:
                findings.append(str(error))
        return findings

    def _pixels(self, record: CaseRecord, row: int) -> NDArray[Any]:
        entry = self._chunks[row]
        shape = record.shape[1:] if record.channels == 1 else (*record.shape[1:], record.channels)
        return self._read(record, entry, "image", shape, np.dtype(record.dtype))

    def _layers(self, row: int) -> NDArray[Any]:
        """(L, H, W) label values of a slice; the last one read is kept, since its objects are asked for in turn."""
        last = self._last
        if last is not None and last[0] == row:
            return last[1]
        record, entry = self.cases[int(self.slices["case"][row])], self._chunks[row]
        if entry["label_bytes"]:
            shape = (int(entry["layers"]), *record.shape[1:])
            layers = self._read(record, entry, "label", shape, np.dtype(f"u{entry['label_width']}"))
        else:
            layers = np.zeros((1, *record.shape[1:]), dtype=np.uint8)
        self._last = row, layers
        return layers

    def _read(self, record: CaseRecord, entry: Any, kind: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        shard, at, size = int(entry["shard"]), int(entry[f"{kind}_at"]), int(entry[f"{kind}_bytes"])
        chunk = self._shards.read(shard, at, size, case=record.name)
        if checksum(chunk) != entry[f"{kind}_crc"]:
            raise damaged(shard_path(self.path, shard), record.name, f"the checksum of an {kind} chunk is wrong")
        try:
            return decompress(chunk, shape, dtype)
        except ValueError as error:
            raise damaged(shard_path(self.path, shard), record.name, str(error)) from error


def _classes(layer: NDArray[Any], rows: NDArray[Any]) -> NDArray[np.uint16]:
    """Class of every pixel of a layer by the table of its objects; values that are no object stay as they are."""
    if layer.dtype.itemsize <= 2:
        table = np.arange(int(layer.max()) + 1, dtype=np.uint16)
        table[rows["value"]] = rows["label"]
        classes: NDArray[np.uint16] = table[layer]
        return classes
    values, inverse = np.unique(layer, return_inverse=True)
    table = np.zeros(len(values), dtype=np.uint16)
    table[np.searchsorted(values, rows["value"])] = rows["label"]
    found: NDArray[np.uint16] = table[inverse].reshape(layer.shape)
    return found
