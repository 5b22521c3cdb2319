"""The effect of training-set size: nested parts, one curve, resume."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from samadapt.config import load_config
from samadapt.core.errors import ConfigError, RunFolderError
from samadapt.data.store import Store
from samadapt.report.scaling import scaling_page
from samadapt.study.configs import config_path, names
from samadapt.study.scaling import ROWS, ScalingConfig, scaling
from samadapt.study.sweep_config import SweepConfig
from samadapt.train.pictures import split_rows


@pytest.fixture(scope="module")
def fields(phantom_store: Store, small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> dict:
    train = {"model": str(small_model), "steps": 2, "batch_size": 2, "num_workers": 0}
    train |= {"method": {"method": "decoder"}, "validation": {"max_slices": 4}}
    out = tmp_path_factory.mktemp("scaling") / "study"
    return {"data": phantom_store.path, "out": out, "train": train, "max_cases": 1}


@pytest.fixture(scope="module")
def found(fields: dict):
    return scaling(**fields, fractions=(1.0, 0.3))


def test_every_part_is_a_row_with_its_size(found, phantom_store: Store):
    assert [(row.fraction, row.patients, row.steps) for row in found.rows] == [(0.3, 1, 2), (1.0, 3, 2)]
    assert [row.slices for row in found.rows] == [8, 24]
    assert {(row.prompts, row.choice, row.cases) for row in found.rows} == {("none", "semantic", 1)}
    small, whole = (set(split_rows(phantom_store, "train", f, 0).tolist()) for f in (0.3, 1.0))
    assert small < whole == set(split_rows(phantom_store, "train").tolist())
    summary = json.loads((found.folder / "evaluate-1-seed-0" / "summary.json").read_text())
    dice = [e["mean"] for e in summary if (e["figure"], e["name"]) == ("dice", "mean without background")]
    with open(found.folder / ROWS, newline="") as file:
        assert [float(row["dice"]) for row in csv.DictReader(file)][1] == dice[0]


def test_page_draws_the_curve(found):
    page = (found.folder / "page.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 1
    assert "From 1 to 3 patients Dice goes from" in page
    assert "One seed" in page


def test_methods_are_lines_of_one_chart(found, fields, tmp_path: Path):
    other = scaling(**fields | {"out": tmp_path / "other"}, fractions=(1.0,))
    page = scaling_page([found.folder, other.folder], tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 1
    assert "study and other on" in page
    assert "patients, Dice of other is" in page
    assert {"study, without prompts", "other, without prompts"} <= {text.strip() for text in re.split("<[^>]*>", page)}


def test_parts_start_from_a_published_training(fields, tmp_path: Path):
    config = load_config(ScalingConfig, values=fields | {"recipe": "sirst-lora", "train": {"schedule": {"warmup": 3}}})
    made = config.training(0.5, 3)
    assert (made.schedule.warmup, made.schedule.horizon, made.balance.foreground_share) == (3, 1.25, 0.8)
    assert (made.seed, made.train_fraction, made.data) == (3, 0.5, str(fields["data"]))
    with pytest.raises(ConfigError, match="did you mean 'sirst-lora'"):
        scaling(**fields | {"recipe": "sirst-loro", "out": tmp_path / "none"})


def test_resumed_study_takes_new_seeds_and_keeps_the_rest(found, fields, monkeypatch: pytest.MonkeyPatch):
    import samadapt.train

    with pytest.raises(RunFolderError, match="resume"):
        scaling(**fields, fractions=(0.3,))
    trained, original = [], samadapt.train.train
    monkeypatch.setattr(samadapt.train, "train", lambda config: trained.append(config.seed) or original(config))
    more = scaling(**fields, fractions=(0.3,), seeds=(0, 1), resume=True)
    assert trained == [1]
    assert more.rows[0] == found.rows[0]
    assert [row.seed for row in more.rows] == [0, 1]


def test_wrong_fields_are_refused_before_anything_is_trained(fields, tmp_path: Path):
    out = tmp_path / "study"
    with pytest.raises(ConfigError, match="did you mean 'steps'"):
        scaling(**fields | {"out": out, "train": {"stepz": 3}})
    assert not out.exists()
    with pytest.raises(ConfigError, match="above 0"):
        load_config(ScalingConfig, values={"data": "s", "out": "o", "fractions": (0.0, 1.0)})
    with pytest.raises(RunFolderError):
        scaling_page(tmp_path, tmp_path / "page.html")


def test_packaged_configurations_are_valid():
    kinds = {"multiphase-liver": SweepConfig, "data-scaling": ScalingConfig}
    assert set(names()) == set(kinds)
    for name, kind in kinds.items():
        load_config(kind, config_path(Path(name)))
    made = load_config(ScalingConfig, config_path(Path("data-scaling")))
    assert made.training(0.25, 1).train_fraction == 0.25
    with pytest.raises(ConfigError, match="data-scaling, multiphase-liver"):
        config_path(Path("data-scalling"))
