"""The compiled index: the journal as memory-mapped arrays, so that a store of any size opens at once."""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.atomic import disk_errors, write_json
from samadapt.core.errors import StoreError
from samadapt.data.journal import JOURNAL_FILE, read_journal, read_line, require_version
from samadapt.data.records import CHUNK, FORMAT_VERSION, OBJECT, SLICE, unpack_rows
from samadapt.data.split import SPLITS, assign_splits

STORE_FILE = "store.json"
CASES_FILE = "cases.jsonl"
_ARRAYS = ("slices", "chunks", "objects", "slice_objects", "case_slices", "case_lines", "splits")


@dataclass(frozen=True)
class Contents:
    """What a journal holds, by its last word on every case.

    Attributes
    ----------
    datasets : dict of str to dict
        Facts of each dataset, in order of arrival.
    cases : list of (dataset, name, patient, split or None, byte offset of the line, slices, objects)
        Ordered by dataset and name.
    excluded : dict of (dataset, name) to reason
    ends : dict of int to int
        Last accounted byte of each shard.
    """

    datasets: dict[str, dict[str, Any]]
    cases: list[tuple[str, str, str, str | None, int, int, int]]
    excluded: dict[tuple[str, str], str]
    ends: dict[int, int]


def read_contents(store: Path) -> Contents:
    """Scan the journal of a store."""
    datasets: dict[str, dict[str, Any]] = {}
    cases: dict[tuple[str, str], tuple[str, str, str, str | None, int, int, int]] = {}
    excluded: dict[tuple[str, str], str] = {}
    ends: Counter[int] = Counter()
    for kind, line, offset in read_journal(store):
        if kind == "dataset":
            datasets[line["name"]] = line
        elif kind == "excluded":
            excluded[line["dataset"], line["name"]] = line["reason"]
        elif kind == "case":
            record = line["record"]
            key = record["dataset"], record["name"]
            excluded.pop(key, None)
            cases[key] = (*key, record["patient"], line["split"], offset, record["shape"][0], line["object_count"])
            ends[line["shard"]] = max(ends[line["shard"]], line["end"])
    order = {name: index for index, name in enumerate(datasets)}
    ordered = sorted(cases.values(), key=lambda case: (order[case[0]], case[1]))
    return Contents(datasets, ordered, excluded, dict(ends))


def compile_index(store: Path) -> None:
    """Write the index arrays and store.json from the journal.

    The arrays go into a new folder and store.json, written last and atomically, names it: a store is either the
    old one or the new one, never half of each.

    Raises
    ------
    DataError
        If a patient would be in two splits.
    DiskFull
        If there is no room.
    """
    contents = read_contents(store)
    splits = _splits(contents)
    size = (store / JOURNAL_FILE).stat().st_size
    folder = store / f"index-{size}"
    with disk_errors(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        try:
            fingerprint = _write_arrays(store, folder, contents, splits)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    write_json(store / STORE_FILE, _header(contents, fingerprint, folder.name, size))
    for old in store.glob("index-*"):
        if old != folder:
            shutil.rmtree(old, ignore_errors=True)


def read_header(store: Path) -> dict[str, Any]:
    """Content of store.json.

    Raises
    ------
    StoreError
        If this is no store, an unfinished one, or one of a newer version.
    """
    path = store / STORE_FILE
    if not path.exists():
        if (store / JOURNAL_FILE).exists():
            raise _unfinished(store)
        raise StoreError("not a prepared store", where=store, remedy="Make one with samadapt prepare SOURCE --out DIR.")
    try:
        header: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        require_version(header["version"], store)
    except (ValueError, KeyError, TypeError) as error:
        raise StoreError(
            "store.json is damaged", where=path, remedy="Run the same samadapt prepare again: it rebuilds the index."
        ) from error
    journal = store / JOURNAL_FILE
    if not journal.exists() or journal.stat().st_size != header["journal_bytes"]:
        raise _unfinished(store)
    return header


def is_compiled(store: Path) -> bool:
    """True if store.json and the index are there and describe the whole journal."""
    try:
        header = read_header(store)
        open_arrays(store, header)
        map_records(store, header).close()
    except StoreError:
        return False
    return True


def open_arrays(store: Path, header: dict[str, Any]) -> dict[str, NDArray[Any]]:
    """The index arrays, memory-mapped.

    Raises
    ------
    StoreError
        If a file is missing or damaged.
    """
    folder = store / header["index"]
    try:
        return {name: _map(folder / f"{name}.npy") for name in _ARRAYS}
    except (OSError, ValueError) as error:
        raise _damaged_index(folder, error) from error


def map_records(store: Path, header: dict[str, Any]) -> mmap.mmap:
    """The case records, one JSON line each, as read-only memory.

    Raises
    ------
    StoreError
        If the file is missing or empty.
    """
    path = store / header["index"] / CASES_FILE
    try:
        with open(path, "rb") as file:
            return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError) as error:
        raise _damaged_index(path, error) from error


def _map(path: Path) -> NDArray[Any]:
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    return np.asarray(array)


def _damaged_index(where: Path, error: Exception) -> StoreError:
    return StoreError(
        f"the index is damaged ({error})",
        where=where,
        remedy="Delete store.json and run the same samadapt prepare again: it rebuilds the index.",
    )


def _unfinished(store: Path) -> StoreError:
    return StoreError(
        "the store is unfinished",
        where=store,
        remedy="Run the same samadapt prepare again: it resumes where it stopped.",
    )


def _splits(contents: Contents) -> list[str]:
    """Split of each case, dataset by dataset."""
    found: list[str] = []
    for name, facts in contents.datasets.items():
        mine = [case for case in contents.cases if case[0] == name]
        settings = facts["settings"]
        given = [case[3] for case in mine]
        found += assign_splits([case[2] for case in mine], settings["splits"], settings["seed"], given, where=name)
    return found


def _header(contents: Contents, fingerprint: str, index: str, size: int) -> dict[str, Any]:
    datasets = list(contents.datasets.values())
    return {
        "format": "samadapt-store",
        "version": FORMAT_VERSION,
        "fingerprint": fingerprint,
        "cases": len(contents.cases),
        "label_set": datasets[-1]["label_set"],
        "datasets": datasets,
        "excluded": [
            {"dataset": dataset, "name": name, "reason": reason}
            for (dataset, name), reason in sorted(contents.excluded.items())
        ],
        "index": index,
        "journal_bytes": size,
    }


def _write_arrays(store: Path, folder: Path, contents: Contents, splits: list[str]) -> str:
    cases = contents.cases
    slices, objects = (np.array([case[i] for case in cases], dtype=np.int64) for i in (5, 6))
    first = np.concatenate([[0], np.cumsum(slices)]).astype("<u8")
    _save(folder / "case_slices.npy", first)
    _save(folder / "splits.npy", np.array([SPLITS.index(split) for split in splits], dtype="u1"))
    tables = {
        "slices": _create(folder / "slices.npy", SLICE, int(slices.sum())),
        "chunks": _create(folder / "chunks.npy", CHUNK, int(slices.sum())),
        "objects": _create(folder / "objects.npy", OBJECT, int(objects.sum())),
        "slice_objects": _create(folder / "slice_objects.npy", np.dtype("<u8"), int(slices.sum()) + 1),
    }
    digests, at = [], [0]
    with open(folder / CASES_FILE, "wb") as records:
        for index, (line, split) in enumerate(zip(_lines(store, contents), splits)):
            digests.append(_fill_case(tables, index, line, first, split))
            at.append(at[-1] + records.write(_text(line["record"] | {"split": split})))
        records.flush()
        os.fsync(records.fileno())
    _save(folder / "case_lines.npy", np.array(at, dtype="<u8"))
    for table in tables.values():
        if isinstance(table, np.memmap):
            table.flush()
    return _fingerprint(contents, digests)


def _lines(store: Path, contents: Contents) -> Iterator[dict[str, Any]]:
    with open(store / JOURNAL_FILE, "rb") as file:
        for case in contents.cases:
            yield read_line(file, case[4])


def _text(record: dict[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _fill_case(
    tables: dict[str, NDArray[Any]], index: int, line: dict[str, Any], first: NDArray[Any], split: str
) -> str:
    """Copy one case into the tables; returns its digest."""
    start, stop = int(first[index]), int(first[index + 1])
    tables["slices"]["case"][start:stop] = index
    tables["slices"]["z"][start:stop] = np.arange(stop - start)
    tables["chunks"][start:stop] = unpack_rows(line["chunks"], CHUNK)
    rows = unpack_rows(line["objects"], OBJECT)
    at = int(tables["slice_objects"][start])
    counts = np.bincount(rows["z"], minlength=stop - start)
    tables["slice_objects"][start + 1 : stop + 1] = at + np.cumsum(counts)
    rows["case"], rows["slice"] = index, start + rows["z"]
    tables["objects"][at : at + len(rows)] = rows
    kept = {key: value for key, value in line["record"].items() if key != "source"}
    text = json.dumps([kept, split, line["content"], line["objects"]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _fingerprint(contents: Contents, digests: list[str]) -> str:
    label_sets = [facts["label_set"] for facts in contents.datasets.values()][-1:]
    text = json.dumps([FORMAT_VERSION, label_sets, sorted(digests)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _save(path: Path, array: NDArray[Any]) -> None:
    table = _create(path, array.dtype, len(array))
    table[:] = array
    if isinstance(table, np.memmap):
        table.flush()


def _create(path: Path, dtype: np.dtype[Any], rows: int) -> NDArray[Any]:
    """A zeroed .npy file to fill; its room is reserved first, since a full disk would kill a memory map."""
    if rows == 0:  # nothing to map
        np.save(path, np.zeros(0, dtype), allow_pickle=False)
        return np.zeros(0, dtype)
    table = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=(rows,))
    if hasattr(os, "posix_fallocate"):
        with open(path, "rb+") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return table
