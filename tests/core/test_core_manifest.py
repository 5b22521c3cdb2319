"""Run folders."""

from __future__ import annotations

import os

import pytest

from samadapt.core.errors import RunFolderError
from samadapt.core.manifest import close_run, file_hash, open_run, read_run, require_free, text_hash
from samadapt.version import __version__


def test_a_run_is_opened_and_closed(tmp_path):
    run = tmp_path / "run"
    manifest = open_run(run, "train", {"seed": 1})
    assert read_run(run)["status"] == "running"
    close_run(run, manifest, seconds=2.5)
    closed = read_run(run)
    assert (closed["kind"], closed["status"], closed["seconds"], closed["config"]) == (
        "train",
        "done",
        2.5,
        {"seed": 1},
    )
    assert closed["samadapt"] == __version__
    assert {"numpy", "torch"} <= set(closed["libraries"])
    assert closed["machine"]["cores"] == os.cpu_count()
    assert closed["started"]


def test_the_same_run_is_taken_up_only_on_request(tmp_path):
    open_run(tmp_path / "run", "train", {"seed": 1, "lr": 2})
    with pytest.raises(RunFolderError, match=r"already there \(running\).*--resume"):
        open_run(tmp_path / "run", "train", {"seed": 1, "lr": 2})
    open_run(tmp_path / "run", "train", {"lr": 2, "seed": 1}, resume=True)


@pytest.mark.parametrize(("kind", "config"), [("train", {"seed": 2}), ("evaluate", {"seed": 1})])
def test_another_run_is_never_overwritten(tmp_path, kind, config):
    open_run(tmp_path / "run", "train", {"seed": 1})
    with pytest.raises(RunFolderError, match=r"holds another run \(train\)"):
        open_run(tmp_path / "run", kind, config, resume=True)
    assert read_run(tmp_path / "run")["config"] == {"seed": 1}


def test_a_folder_of_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("x")
    with pytest.raises(RunFolderError, match="not empty and holds no run"):
        open_run(tmp_path, "train", {})
    with pytest.raises(RunFolderError, match=r"run\.json is missing"):
        read_run(tmp_path)


def test_an_empty_folder_is_accepted(tmp_path):
    assert open_run(tmp_path, "predict", {})["status"] == "running"


def test_hashes_depend_on_content_alone(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 3_000_000)
    (tmp_path / "b").write_bytes(b"x" * 3_000_000)
    (tmp_path / "c").write_bytes(b"x" * 2_999_999 + b"y")
    assert file_hash(tmp_path / "a") == file_hash(tmp_path / "b") != file_hash(tmp_path / "c")
    assert text_hash("abc") == text_hash("abc") != text_hash("abd")
    assert len(text_hash("")) == 16


def test_asking_whether_a_folder_is_free_writes_nothing(tmp_path):
    assert require_free(tmp_path / "run", "train", {"seed": 1}) == text_hash('{"seed": 1}')
    assert os.listdir(tmp_path) == []
    open_run(tmp_path / "run", "train", {"seed": 1})
    with pytest.raises(RunFolderError, match="holds another run"):
        require_free(tmp_path / "run", "train", {"seed": 2})
    (tmp_path / "file").write_text("x")
    with pytest.raises(RunFolderError, match="this is a file"):
        require_free(tmp_path / "file", "train", {})


@pytest.mark.parametrize("text", ['{"kind": "tra', "[1]"])
def test_a_damaged_description_is_named(tmp_path, text):
    (tmp_path / "run.json").write_text(text)
    with pytest.raises(RunFolderError, match=r"run\.json"):
        read_run(tmp_path)
    with pytest.raises(RunFolderError, match=r"run\.json"):
        open_run(tmp_path, "train", {}, resume=True)
