"""`models`, `datasets`, `doctor`, `synth`, `prepare` on tiny data."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fake.folders import write_kvasir
from samadapt.data import recipes
from samadapt.models import catalog


def test_models_lists_the_catalog(samadapt):
    found = json.loads(samadapt("models", "--json").out)
    assert [entry["name"] for entry in found] == list(catalog.names())
    table = samadapt("models").out
    assert all(name in table for name in catalog.names())
    assert len(found) >= 8


def test_models_says_where_a_file_comes_from(samadapt):
    lines = {line.split()[0]: line for line in samadapt("models").out.splitlines() if line.strip()}
    assert "github.com/hitachinsk/SAMed" in lines["samed"]
    assert "in the package" in lines["tiny"]
    assert "in the package" not in lines["sam-med2d"]


def test_datasets_lists_every_recipe(samadapt):
    found = json.loads(samadapt("datasets", "--json").out)
    assert [entry["name"] for entry in found] == list(recipes.names())
    text = samadapt("datasets").out
    for entry in found:
        assert entry["name"] in text
        assert entry["licence"] in text
        assert entry["how_to_get"] in text
    assert len(found) >= 8


def test_prepare_and_doctor(samadapt, tmp_path):
    write_kvasir(tmp_path / "polyps", cases=3)
    words = ["prepare", tmp_path / "polyps", "--recipe", "folder", "--out", tmp_path / "store", "--workers", "0"]
    text = samadapt(*words)
    assert text.code == 0, text.err
    assert "9 cases (" in text.out
    facts = json.loads(samadapt(*words, "--json").out)
    assert (facts["cases"], facts["slices"]) == (9, 9)
    assert facts["splits"] == {"train": 3, "val": 3, "test": 3}
    assert facts["excluded"] == []
    healthy = samadapt("doctor", tmp_path / "store", "--json")
    severities = [finding["severity"] for finding in json.loads(healthy.out)]
    assert healthy.code == int("error" in severities)


def test_prepare_says_what_was_left_out(samadapt, tmp_path):
    write_kvasir(tmp_path / "polyps", cases=2)
    (tmp_path / "polyps" / "train" / "masks" / "1.jpg").unlink()
    words = ["prepare", tmp_path / "polyps", "--recipe", "folder", "--out", tmp_path / "store", "--workers", "0"]
    facts = json.loads(samadapt(*words, "--json").out)
    assert facts["cases"] == 5
    assert len(facts["excluded"]) == 1
    assert "1.jpg" in facts["excluded"][0]["name"]
    assert "Excluded 1.jpg" in samadapt(*words).out


def test_doctor_exits_with_one_on_an_error(samadapt, tmp_path):
    write_kvasir(tmp_path / "polyps", cases=2)
    broken = tmp_path / "polyps" / "train" / "images" / "1.jpg"
    broken.write_bytes(broken.read_bytes()[:200])
    answer = samadapt("doctor", tmp_path / "polyps", "--json")
    findings = json.loads(answer.out)
    assert answer.code == 1
    assert any(f["severity"] == "error" and "1.jpg" in str(f) for f in findings)
    plain = samadapt("doctor", tmp_path / "polyps")
    assert plain.code == 1
    assert "error" in plain.out


@pytest.mark.parametrize("kind", ["scenes"])
def test_synth_is_the_same_for_the_same_seed(samadapt, tmp_path, kind):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        words = ["synth", "--kind", kind, "--cases", "2", "--size", "64", "--seed", seed, "--out", tmp_path / name]
        answer = samadapt(*words)
        assert answer.code == 0, answer.err
    contents = [b"".join(p.read_bytes() for p in sorted((tmp_path / name).rglob("*.png"))) for name in ("a", "b", "c")]
    assert contents[0] == contents[1] != contents[2]
    assert np.all([len(content) > 1000 for content in contents])
