"""Preparing: the same for any number of workers, resumable, several datasets in one store."""

from __future__ import annotations

import errno
import functools
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from store_fixtures import info, instances, volume_case, volumes

import samadapt.data.shards as shards
from samadapt.core.errors import ConfigError, DataError, DiskFull, StoreError
from samadapt.core.grid import Grid
from samadapt.core.image import LabelMap, LabelSet, Volume
from samadapt.data.prepare import prepare
from samadapt.data.store import Store


def make(recipe, out, **fields):
    return prepare(**({"recipe": recipe, "source": "toy", "out": out, "workers": 1} | fields))


def bytes_of(store: Store) -> dict[str, bytes]:
    files = [*store.path.glob("shards/*"), *store.path.glob("index-*/*")]
    return {file.name: file.read_bytes() for file in files}


def test_same_result_for_any_number_of_workers(tmp_path):
    one, three = make(volumes(9), tmp_path / "1"), make(volumes(9), tmp_path / "3", workers=3)
    assert one.fingerprint == three.fingerprint
    assert bytes_of(one) == bytes_of(three)
    assert len(bytes_of(one)) == 9


def test_fingerprint_sees_content_and_not_order(tmp_path):
    base = make(volumes(3), tmp_path / "a")
    recipe = volumes(3)
    recipe.loaders = dict(reversed(recipe.loaders.items()))
    assert make(recipe, tmp_path / "b").fingerprint == base.fingerprint
    assert make(volumes(4), tmp_path / "c").fingerprint != base.fingerprint
    assert make(volumes(3), tmp_path / "d", seed=5).fingerprint != base.fingerprint
    assert make(volumes(3), tmp_path / "e", window="ct-lung").fingerprint != base.fingerprint


def test_running_again_does_nothing_and_a_higher_limit_goes_on(tmp_path):
    first = make(volumes(6), tmp_path / "s", limit=2)
    assert len(first.cases) == 2
    before = {p: p.stat().st_mtime_ns for p in tmp_path.rglob("*") if p.is_file() and p.name != ".lock"}
    make(volumes(6), tmp_path / "s", limit=2)
    assert {p: p.stat().st_mtime_ns for p in before} == before
    full = make(volumes(6), tmp_path / "s")
    assert full.fingerprint == make(volumes(6), tmp_path / "whole").fingerprint
    assert not (tmp_path / "s" / "parts").exists()


class Stop(Exception):
    pass


def failing_at(recipe, name, error):
    def load():
        raise error

    return replace(recipe, loaders=recipe.loaders | {name: load})


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Stop("broken")])
def test_an_interrupted_run_resumes(tmp_path, error):
    with pytest.raises(type(error)):
        make(failing_at(volumes(6), "case03", error), tmp_path / "s")
    with pytest.raises(StoreError, match="unfinished"):
        Store.open(tmp_path / "s")
    journal = (tmp_path / "s" / "journal.jsonl").read_text()
    assert journal.count('{"case"') == 3
    store = make(volumes(6), tmp_path / "s")
    assert bytes_of(store) == bytes_of(make(volumes(6), tmp_path / "whole"))


def test_an_unexpected_error_names_the_case(tmp_path):
    with pytest.raises(Stop) as caught:
        make(failing_at(volumes(3), "case01", Stop("broken")), tmp_path / "s")
    assert "case01" in caught.value.__notes__[0]


def test_half_written_tails_are_cut_off(tmp_path):
    whole = make(volumes(5), tmp_path / "whole")
    store = make(volumes(5), tmp_path / "s", limit=3)
    with open(store.path / "shards" / "00000.blosc", "ab") as file:
        file.write(b"half a chunk")
    with open(store.path / "journal.jsonl", "ab") as file:
        file.write(b'{"case":{"record":{"na')
    (store.path / "shards" / "00001.blosc").write_bytes(b"never journalled")
    assert bytes_of(make(volumes(5), store.path)) == bytes_of(whole)


def test_a_damaged_journal_line_is_refused(tmp_path):
    store = make(volumes(2), tmp_path / "s")
    journal = store.path / "journal.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join([lines[0], b"{broken}\n", *lines[2:]]))
    with pytest.raises(StoreError, match="journal is damaged at byte"):
        make(volumes(2), tmp_path / "s")


SLOW_RUN = """
import sys, time
sys.path.insert(0, sys.argv[1])
from dataclasses import replace
from store_fixtures import volume_case, volumes
from samadapt.data.prepare import prepare
def slow(i):
    def load():
        time.sleep(0.15)
        return volume_case(i)
    return load
recipe = volumes(20)
recipe.loaders = {name: slow(i) for i, name in enumerate(recipe.loaders)}
prepare(recipe=recipe, source="toy", out=sys.argv[2], workers=2)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_run_resumes(tmp_path, number):
    out = tmp_path / "s"
    command = [sys.executable, "-c", SLOW_RUN, str(Path(__file__).parent), str(out)]
    # a shell's background jobs ignore SIGINT and hand that down
    listen = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    run = subprocess.Popen(command, stderr=subprocess.DEVNULL, preexec_fn=listen)
    journal = out / "journal.jsonl"
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not (journal.exists() and journal.read_text().count('{"case"') >= 2):
        time.sleep(0.02)
    run.send_signal(number)
    assert run.wait(timeout=30) != 0
    done = journal.read_text().count('{"case"')
    assert 2 <= done < 20
    store = make(volumes(20), out)
    assert store.fingerprint == make(volumes(20), tmp_path / "whole").fingerprint
    assert store.verify() == []


@pytest.mark.parametrize("room", [0, 3000, 12000])
def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch, room):
    left = [room]
    write = os.write

    def limited(fd, data):
        if left[0] <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = write(fd, bytes(data)[: left[0]])
        left[0] -= written
        return written

    monkeypatch.setattr(shards.os, "write", limited)
    with pytest.raises(DiskFull, match=r"disk is full.*goes on"):
        make(volumes(6), tmp_path / "s")
    monkeypatch.undo()
    assert not (tmp_path / "s" / "parts").exists()
    store = make(volumes(6), tmp_path / "s")
    assert bytes_of(store) == bytes_of(make(volumes(6), tmp_path / "whole"))


def test_a_full_disk_at_fsync(tmp_path, monkeypatch):
    def full(fd):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shards.os, "fsync", full)
    with pytest.raises(DiskFull):
        make(volumes(3), tmp_path / "s")
    monkeypatch.undo()
    assert len(make(volumes(3), tmp_path / "s").cases) == 3


def test_shards_roll_over(tmp_path, monkeypatch):
    monkeypatch.setattr("samadapt.data.prepare.ShardWriter", lambda out, ends: shards.ShardWriter(out, ends, 4000))
    store = make(volumes(6), tmp_path / "s", limit=4)
    store = make(volumes(6), tmp_path / "s")
    assert len(list(store.path.glob("shards/*.blosc"))) > 2
    np.testing.assert_array_equal(store.volume(5).voxels, volume_case(5).image.voxels)
    assert store.verify() == []


def bad_cases():
    good = volume_case(0)
    shifted = Grid(good.image.grid.shape, good.image.grid.affine + np.diag([0, 3.0, 0, 0]))
    nan = good.image.voxels.astype(np.float32)
    nan[1, 2, 3] = np.nan
    return {
        "shape": replace(good, label=LabelMap(good.label.values[:2], Grid((2, 20, 24), good.label.grid.affine))),
        "affine": replace(good, label=LabelMap(good.label.values, shifted)),
        "nan": replace(good, image=Volume(nan, good.image.grid)),
        "unknown": replace(good, label=LabelMap(good.label.values + 7, good.label.grid)),
    }


def test_unusable_cases_are_left_out_with_a_reason(tmp_path):
    recipe = volumes(3, exclusions=[("readme.txt", "no label")])
    recipe.loaders |= {name: (lambda case=case: case) for name, case in bad_cases().items()}
    store = make(recipe, tmp_path / "s", workers=2)
    assert [case.name for case in store.cases] == ["case00", "case01", "case02"]
    reasons = {entry["name"]: entry["reason"] for entry in store.excluded}
    assert set(reasons) == {"readme.txt", "shape", "affine", "nan", "unknown"}
    for name, words in {"shape": "shape", "affine": "affines differ", "nan": "NaN", "unknown": "label values"}.items():
        assert words in reasons[name]
    size = (store.path / "journal.jsonl").stat().st_size
    make(recipe, tmp_path / "s")
    assert (store.path / "journal.jsonl").stat().st_size == size
    recipe.loaders["nan"] = lambda: volume_case(1)
    healed = make(recipe, tmp_path / "s")
    assert len(healed.cases) == 4
    assert "nan" not in {entry["name"] for entry in healed.excluded}


def test_nothing_left_is_an_error_and_leaves_no_store(tmp_path):
    recipe = volumes(1)
    recipe.loaders = {"nan": lambda: bad_cases()["nan"]}
    with pytest.raises(DataError, match=r"1 left out: nan.*NaN"):
        make(recipe, tmp_path / "s")
    assert not (tmp_path / "s" / "journal.jsonl").exists()
    with pytest.raises(DataError, match="no case"):
        make(replace(recipe, loaders={}), tmp_path / "s")
    assert len(make(volumes(2), tmp_path / "s").cases) == 2


def test_two_datasets_share_classes(tmp_path):
    make(volumes(3), tmp_path / "s")
    labels = LabelSet.from_names({1: "spleen", 2: "kidney left", 3: "aorta"}, modality="MR")
    other = volumes(3, info=info("other", "MR"), label_set=labels)
    store = make(other, tmp_path / "s")
    assert [d["name"] for d in store.datasets] == ["toy", "other"]
    assert store.label_set.names == {1: "liver", 2: "left kidney", 3: "right kidney", 4: "spleen", 5: "aorta"}
    assert store.label_set[2].modality == "CT+MR"
    assert store.label_set[5].modality == "MR"
    assert [case.name for case in store.cases] == [f"case0{i}" for i in range(3)] + [
        f"other-case0{i}" for i in range(3)
    ]
    own, merged = volume_case(0).label.values, store.label_map(3).values
    for old, new in {0: 0, 1: 4, 2: 2, 3: 5}.items():
        np.testing.assert_array_equal(own == old, merged == new)
    assert set(store.objects[store.objects_of(3)]["label"].tolist()) == {2, 4, 5}
    np.testing.assert_array_equal(store.label_map(0).values, own)
    before = store.fingerprint
    assert make(other, tmp_path / "s").fingerprint == make(volumes(3), tmp_path / "s").fingerprint == before


def test_instances_beside_volumes(tmp_path):
    make(volumes(2), tmp_path / "s")
    store = make(instances(2), tmp_path / "s")
    rows = store.objects[store.objects_of(2)]
    assert {store.label_set[int(label)].name for label in rows["label"]} == {"nucleus", "debris"}
    assert store.verify() == []


def test_other_settings_for_the_same_data_are_refused(tmp_path):
    make(volumes(3), tmp_path / "s")
    for change in ({"window": "ct-lung"}, {"seed": 1}, {"slice_axis": "auto"}, {"splits": {"train": 1.0}}):
        with pytest.raises(StoreError, match=next(iter(change))):
            make(volumes(3), tmp_path / "s", **change)
    with pytest.raises(StoreError, match="label list"):
        make(volumes(3, label_set=LabelSet.from_names({1: "x", 2: "y", 3: "z"})), tmp_path / "s")
    with pytest.raises(StoreError, match="holds a store already"):
        make(volumes(3), tmp_path / "s", resume=False)


def test_folders_that_are_not_ours(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(StoreError, match="not empty"):
        make(volumes(2), tmp_path)
    with pytest.raises(StoreError, match="a file"):
        make(volumes(2), tmp_path / "thesis.tex")


def test_splits_follow_the_dataset_and_leaks_are_refused(tmp_path):
    fixed = {"case00": "test", "case01": "train"}
    store = make(volumes(5, splits=fixed, patients={"case00": "p", "case04": "p"}), tmp_path / "s")
    splits = {case.name: case.split for case in store.cases}
    assert (splits["case00"], splits["case01"], splits["case04"]) == ("test", "train", "test")
    leak = volumes(2, splits=fixed, patients={"case00": "anna", "case01": "anna"})
    with pytest.raises(DataError, match="'anna' is in two splits"):
        make(leak, tmp_path / "leak")
    assert not (tmp_path / "leak").exists()


def test_bad_fields_are_named(tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'window'"):
        make(volumes(1), tmp_path, windw="auto")
    with pytest.raises(ConfigError, match="ct-liver"):
        make(volumes(1), tmp_path, window="ct-liver")
    with pytest.raises(ConfigError, match="add up to 1"):
        make(volumes(1), tmp_path, splits={"train": 0.5})


def test_repeated_names_are_refused(tmp_path):
    recipe = volumes(1)
    find = recipe.find
    recipe.find = lambda source: replace(find(source), cases=find(source).cases * 2)
    with pytest.raises(DataError, match="2 cases are called 'case00'"):
        make(recipe, tmp_path / "s")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.array([0.0, -1024.0, 3071.0]), "int16"),
        (np.array([0.0, 40000.0, 3071.0]), "uint16"),
        (np.array([0.5, 40000.0, 3071.0]), "float32"),
        (np.array([0, 1 << 20, 3], np.int32), "float32"),
        (np.array([0, 200, 3], np.int64), "int16"),
        (np.array([0, 1, 1], bool), "uint8"),
        (np.array([0, 1, 1], ">i2"), "int16"),
    ],
)
def test_stored_types_hold_the_values(tmp_path, values, expected):
    voxels = np.broadcast_to(values, (4, 20, 3)).copy()
    case = volume_case(0, (4, 20, 3))
    case = replace(case, image=Volume(voxels, case.image.grid, modality="CT"))
    store = make(replace(volumes(1), loaders={"x": lambda: case}), tmp_path / "s")
    assert store.cases[0].dtype == expected
    np.testing.assert_array_equal(store.volume(0).voxels, voxels)


def test_ignored_pixels_are_no_objects(tmp_path):
    case = volume_case(0)
    case.label.values[1, 0, :5] = 255
    labels = LabelSet.from_names({1: "a", 2: "b", 3: "c"}, ignore=255)
    store = make(replace(volumes(1), loaders={"x": lambda: case}, label_set=labels), tmp_path / "s")
    assert store.label_set.ignore == 255
    assert store.labels(0, 1)[0, 0] == 255
    assert set(store.objects["label"].tolist()) == {1, 2, 3}
