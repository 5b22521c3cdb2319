"""Registry: names, duplicates, detection."""

from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from samadapt.core.errors import ConfigError, DataError
from samadapt.data import recipes
from samadapt.data.recipes import registry


def test_unknown_name_gives_the_nearest():
    with pytest.raises(ConfigError, match="did you mean 'kvasir-seg'"):
        recipes.get("kvasirseg")


def test_duplicates_are_refused(monkeypatch):
    monkeypatch.setattr(registry, "_TARGETS", dict(registry._TARGETS))
    recipes.register("mine", "samadapt.data.recipes.folder:Folder")
    assert "mine" in recipes.names()
    with pytest.raises(ConfigError, match="exists already"):
        recipes.register("Mine", "other:Class")


def test_entry_points_join_and_do_not_replace(monkeypatch):
    def points(name):
        return lambda group: [EntryPoint(name, "samadapt.data.recipes.folder:Folder", group)]

    monkeypatch.setattr(registry, "entry_points", points("third-party"))
    assert recipes.get("third_party").info.name == "folder"
    monkeypatch.setattr(registry, "entry_points", points("flare22"))
    with pytest.raises(ConfigError, match="two recipes are named 'flare22'"):
        recipes.names()


def test_detection_lists_what_it_saw(tmp_path):
    (tmp_path / "scans").mkdir()
    (tmp_path / "a.dcm").write_bytes(b"x")
    with pytest.raises(DataError, match=r"scans/.*1 x \.dcm.*images/"):
        recipes.detect(tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        recipes.detect(tmp_path / "nowhere")


def test_phantoms_are_not_taken_for_the_challenge(tmp_path):
    from samadapt.data.phantoms import write_flare22

    write_flare22(tmp_path, 1, seed=0, shape=(6, 32, 32), spacing_mm=(30.0, 11.0, 11.0))
    assert recipes.detect(tmp_path) == "phantoms"
    found = recipes.get("phantoms").find(tmp_path)
    assert [case.name for case in found.cases] == ["FLARE22_Tr_0001"]
    (tmp_path / "cases.json").unlink()
    assert recipes.detect(tmp_path) == "flare22"
