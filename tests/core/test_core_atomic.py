"""Files that are either whole or absent."""

from __future__ import annotations

import errno
import json
import os
import stat

import pytest

from samadapt.core import atomic
from samadapt.core.atomic import atomic_path, disk_errors, write_json, write_text
from samadapt.core.errors import DiskFull, StoreError


def test_text_and_json_arrive_whole(tmp_path):
    write_text(tmp_path / "a" / "b.txt", "grün\n")
    assert (tmp_path / "a" / "b.txt").read_text(encoding="utf-8") == "grün\n"
    write_json(tmp_path / "c.json", {"k": [1, None, "é"]})
    assert json.loads((tmp_path / "c.json").read_text(encoding="utf-8")) == {"k": [1, None, "é"]}


def test_the_temporary_file_has_the_suffixes_and_vanishes(tmp_path):
    with atomic_path(tmp_path / "mask.nii.gz") as temporary:
        assert temporary.name.endswith(".nii.gz")
        assert temporary.parent == tmp_path
        temporary.write_bytes(b"x")
        assert not (tmp_path / "mask.nii.gz").exists()
    assert os.listdir(tmp_path) == ["mask.nii.gz"]


def test_permissions_follow_the_umask(tmp_path):
    write_text(tmp_path / "a.txt", "")
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o666 & ~mask


def test_failure_keeps_the_old_file_and_leaves_nothing(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(TypeError, match="must be str"), atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text(b"new")
    assert (tmp_path / "a.txt").read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
@pytest.mark.parametrize("where", ["os.fsync", "os.replace"])
def test_a_full_disk_is_named_and_leaves_nothing(tmp_path, monkeypatch, code, where):
    def full(*_):
        raise OSError(code, os.strerror(code))

    write_text(tmp_path / "a.txt", "old")
    monkeypatch.setattr(atomic.os, where.removeprefix("os."), full)
    with pytest.raises(DiskFull, match=r"a\.txt.*disk is full.*Free some space") as caught:
        write_text(tmp_path / "a.txt", "new")
    monkeypatch.undo()
    assert caught.value.exit_code == 1
    assert (tmp_path / "a.txt").read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_other_errors_of_the_system_pass_unchanged(tmp_path):
    with pytest.raises(PermissionError), disk_errors(tmp_path):
        raise PermissionError(errno.EACCES, "no")


def test_a_full_disk_is_recognised_in_the_words_of_other_libraries(tmp_path, monkeypatch):
    from safetensors import SafetensorError

    with pytest.raises(DiskFull, match="disk is full"), atomic_path(tmp_path / "a.safetensors"):
        raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
    hidden = RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed")
    with pytest.raises(RuntimeError, match="PytorchStreamWriter"), atomic_path(tmp_path / "a.pt"):
        raise hidden
    monkeypatch.setattr(atomic.shutil, "disk_usage", lambda _: (10**9, 10**9, 0))
    with pytest.raises(RuntimeError, match="other"), disk_errors("no path"):
        raise RuntimeError("other")
    room = type("usage", (), {"free": 0})
    monkeypatch.setattr(atomic.shutil, "disk_usage", lambda _: room)
    with pytest.raises(DiskFull), atomic_path(tmp_path / "a.pt"):
        raise hidden
    assert os.listdir(tmp_path) == []


def test_errors_of_samadapt_pass_a_full_disk(tmp_path):
    with pytest.raises(StoreError), disk_errors(tmp_path):
        raise StoreError("damaged") from OSError(errno.ENOSPC, "full")
