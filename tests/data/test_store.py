"""Reading: equal to what went in, from many processes, with errors that name the case."""

from __future__ import annotations

import json
import multiprocessing
import pickle

import numpy as np
import pytest
from store_fixtures import instance_case, instances, volume_case, volumes

from samadapt.core.errors import ConfigError, DataError, StoreError
from samadapt.data.prepare import prepare
from samadapt.data.records import OBJECT
from samadapt.data.store import Store


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return prepare(recipe=volumes(5), source="toy", out=tmp_path_factory.mktemp("store") / "s", workers=1)


@pytest.fixture(scope="module")
def nuclei(tmp_path_factory):
    return prepare(recipe=instances(2), source="toy", out=tmp_path_factory.mktemp("store") / "n", workers=1)


def test_round_trip_of_volumes(store):
    assert len(store.cases) == 5
    for index, record in enumerate(store.cases):
        expected = volume_case(index)
        volume, labels = store.volume(index), store.label_map(index)
        np.testing.assert_array_equal(volume.voxels, expected.image.voxels)
        np.testing.assert_array_equal(labels.values, expected.label.values)
        assert volume.voxels.dtype == np.int16
        assert volume.grid.matches(expected.image.grid)
        assert record.name == f"case{index:02d}"
        assert record.window == (-160, 240)
        assert record.spacing_mm == pytest.approx((5.0, 1.0, 0.5))
        image = store.image(index, 2)
        np.testing.assert_array_equal(image.pixels, expected.image.voxels[2])
        assert image.grid.matches(expected.image.slice(2).grid)
        assert (image.modality, image.window) == ("CT", (-160, 240))
        np.testing.assert_array_equal(store.labels(index, 2), expected.label.values[2])


def test_objects_are_areas_and_boxes_of_the_masks(store):
    assert store.objects.dtype == OBJECT
    for row, entry in enumerate(store.objects):
        mask = store.mask(row)
        values = volume_case(int(entry["case"])).label.values[entry["z"]]
        np.testing.assert_array_equal(mask, values == entry["label"])
        ys, xs = np.nonzero(mask)
        assert entry["area"] == mask.sum()
        assert [entry[k] for k in ("x0", "y0", "x1", "y1")] == [xs.min(), ys.min(), xs.max(), ys.max()]
        assert tuple(store.slices[entry["slice"]]) == (entry["case"], entry["z"])
    assert row + 1 == 5 * (3 + 2 + 2)
    assert store.objects_of(1, 0) == slice(7, 7)
    assert set(store.objects[store.objects_of(1)]["case"]) == {1}
    assert set(store.objects[store.objects_of(1, 2)]["z"]) == {2}
    assert (np.diff(store.objects["slice"].astype(int)) >= 0).all()


def test_overlapping_objects_lie_in_layers(nuclei):
    expected = instance_case(0).label
    rows = range(*nuclei.objects_of(0).indices(99))
    assert len(rows) == 3
    for row, entry in zip(rows, expected):
        np.testing.assert_array_equal(nuclei.mask(row), entry.mask)
    entries = nuclei.objects[nuclei.objects_of(0)]
    assert entries["layer"].tolist() == [0, 1, 0]
    assert entries["label"].tolist() == [1, 1, 2]
    assert entries["object"].tolist() == [0, 1, 0]
    classes = nuclei.labels(0, 0)
    assert classes[23, 32] == 2
    assert classes[9, 11] == 1
    assert not nuclei.cases[0].is_volume
    assert nuclei.cases[0].channels == 3
    np.testing.assert_array_equal(nuclei.image(0, 0).pixels, instance_case(0).image.pixels)
    assert nuclei.label_map(0).values.shape == (1, 30, 40)


def test_results_may_be_changed_without_harm(store):
    store.labels(0, 1)[:] = 9
    assert store.labels(0, 1).max() == 1 + 1
    store.mask(0)[:] = True
    assert not store.mask(0).all()


def test_splits_and_names(store):
    parts = [store.split(name) for name in ("train", "val", "test")]
    assert sorted(parts[0] + parts[1] + parts[2]) == store.split("all") == [0, 1, 2, 3, 4]
    assert all(parts)
    assert all(store.cases[i].split == "val" for i in parts[1])
    assert store.index_of("case03") == 3
    with pytest.raises(ConfigError, match="'dev'"):
        store.split("dev")
    with pytest.raises(DataError, match="'nobody'"):
        store.index_of("nobody")
    with pytest.raises(IndexError, match="case00"):
        store.image(0, 4)
    with pytest.raises(IndexError, match="5 cases"):
        store.cases[5]


def _digest(store: Store) -> int:
    return sum(int(store.image(case, 1).pixels.sum()) for case in store.split("all"))


def _child(store: Store, queue) -> None:
    queue.put(_digest(store))


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_reading_from_other_processes(store, method):
    expected = _digest(store)
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    children = [context.Process(target=_child, args=(store, queue)) for _ in range(2)]
    for child in children:
        child.start()
    assert [queue.get(timeout=60) for _ in children] == [expected, expected]
    for child in children:
        child.join()


def test_pickled_store_is_small_and_equal(store):
    text = pickle.dumps(store)
    assert len(text) < 500
    assert pickle.loads(text).fingerprint == store.fingerprint


def _fresh(tmp_path):
    return prepare(recipe=volumes(3), source="toy", out=tmp_path / "s", workers=1).path


def test_damaged_chunk_names_case_and_remedy(tmp_path):
    path = _fresh(tmp_path)
    shard = path / "shards" / "00000.blosc"
    data = bytearray(shard.read_bytes())
    data[len(data) // 2] ^= 255
    shard.write_bytes(data)
    store = Store.open(path)
    findings = store.verify()
    assert len(findings) == 1
    assert "case01" in findings[0]
    assert "prepare again" in findings[0]


def test_missing_and_short_shards(tmp_path):
    path = _fresh(tmp_path)
    shard = path / "shards" / "00000.blosc"
    shard.write_bytes(shard.read_bytes()[:-10])
    with pytest.raises(StoreError, match=r"case02.*shorter"):
        Store.open(path).label_map(2)
    shard.unlink()
    with pytest.raises(StoreError, match="case00"):
        Store.open(path).image(0, 0)


def test_other_folders_and_versions(tmp_path):
    with pytest.raises(StoreError, match="not a prepared store"):
        Store.open(tmp_path)
    path = _fresh(tmp_path)
    header = json.loads((path / "store.json").read_text())
    (path / "store.json").write_text(json.dumps(header | {"version": 99}))
    with pytest.raises(StoreError, match=r"version 99.*Update samadapt"):
        Store.open(path)
    (path / "store.json").write_text("{")
    with pytest.raises(StoreError, match="rebuilds the index"):
        Store.open(path)
    (path / "store.json").unlink()
    with pytest.raises(StoreError, match=r"unfinished.*resumes"):
        Store.open(path)


def test_missing_index_file(tmp_path):
    path = _fresh(tmp_path)
    next(path.glob("index-*/objects.npy")).unlink()
    with pytest.raises(StoreError, match="index is damaged"):
        Store.open(path)
    prepare(recipe=volumes(3), source="toy", out=path, workers=1)
    assert len(Store.open(path).objects) == 21


def test_opening_twenty_million_objects_is_instant(tmp_path):
    import time

    path = _fresh(tmp_path)
    index = next(path.glob("index-*"))
    (index / "objects.npy").unlink()
    big = np.lib.format.open_memmap(index / "objects.npy", mode="w+", dtype=OBJECT, shape=(20_000_000,))
    big[-1]["area"] = 7
    big.flush()
    start = time.perf_counter()
    store = Store.open(path)
    assert store.objects[-1]["area"] == 7
    assert time.perf_counter() - start < 0.5
