"""Sweeps: every condition once, encodings reused, resume, phases, what is left out."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from samadapt.config import load_config
from samadapt.core.errors import ConfigError, DataError, RunFolderError
from samadapt.core.rng import named_rng
from samadapt.data.phantoms import write_multiphase
from samadapt.data.prepare import prepare
from samadapt.data.store import Store
from samadapt.models.promptable import SamPromptable
from samadapt.prompts import box_of, centre_point
from samadapt.study.configs import config_path
from samadapt.study.evaluate import evaluate
from samadapt.study.sweep import CASES, CONDITIONS, JOURNAL, sweep
from samadapt.study.sweep_case import Counts, View, views_of
from samadapt.study.sweep_config import SweepConfig
from samadapt.study.sweep_prompts import parts_of

PROMPTS = ("box", "box~40", "centre", "point:1", "point:3", "clicks:1", "clicks:2", "error:2", "mask", "mode:3")


@pytest.fixture(scope="module")
def swept(phantom_store: Store, small_model: Path, tmp_path_factory: pytest.TempPathFactory):
    out = tmp_path_factory.mktemp("sweep") / "run"
    return sweep(
        data=phantom_store.path,
        models=(str(small_model),),
        prompts=PROMPTS,
        choices=("first", "predicted", "oracle"),
        labels=("liver", "spleen"),
        max_cases=1,
        out=out,
    )


@pytest.fixture(scope="module")
def multiphase_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("multiphase")
    write_multiphase(folder / "raw", 3, 1, (6, 40, 40), (30.0, 9.0, 9.0))
    (folder / "raw" / "imagesTr" / "liver_0002_0003.nii.gz").unlink()
    return prepare(source=folder / "raw", out=folder / "store", workers=1)


def test_every_combination_is_one_row(swept):
    assert len(swept.rows) == len(PROMPTS) * 3
    conditions = {(row.model, row.image_size, row.prompts, row.phases, row.choice) for row in swept.rows}
    assert len(conditions) == len(swept.rows)
    with open(swept.folder / CONDITIONS, newline="") as file:
        written = list(csv.DictReader(file))
    assert [row["dice"] for row in written] == [str(row.dice) for row in swept.rows]
    dice = {(row.prompts, row.choice): row.dice for row in swept.rows}
    assert all(dice[p, "oracle"] >= max(dice[p, "first"], dice[p, "predicted"]) - 1e-9 for p in ("box", "point:1"))


def test_figures_are_those_of_evaluate(swept, phantom_store: Store, small_model: Path, tmp_path: Path):
    run = evaluate(
        model=str(small_model), data=phantom_store.path, prompts=("box", "centre", "clicks:2"), max_cases=1,
        out=tmp_path / "run",
    )  # fmt: skip
    measured = {
        (r.prompts, r.choice, r.name): r.dice for r in run.rows if r.method == "model" and r.name in ("liver", "spleen")
    }
    with open(swept.folder / CASES, newline="") as file:
        cells = {(c["prompts"], c["choice"], c["name"]): float(c["dice"]) for c in csv.DictReader(file)}
    shared = [key for key in measured if key in cells]
    assert len(shared) == 12
    for key in shared:
        assert cells[key] == pytest.approx(measured[key], abs=2e-3), key


def test_every_slice_is_encoded_once_for_all_prompts(
    phantom_store: Store, small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    encoded = []
    original = SamPromptable.encode
    monkeypatch.setattr(SamPromptable, "zoom", 0.0)  # a closer look is another image
    monkeypatch.setattr(SamPromptable, "encode", lambda self, x: encoded.append(len(x)) or original(self, x))
    fields = {"data": phantom_store.path, "max_cases": 1}
    found = sweep(
        **fields, models=(str(small_model),), labels=("liver",), prompts=("box", "point:1", "clicks:2"),
        out=tmp_path / "run",
    )  # fmt: skip
    case = phantom_store.split("test")[0]
    rows = phantom_store.objects[phantom_store.objects_of(case)]
    assert sum(encoded) == len(np.unique(rows["z"][rows["label"] == 1])) > 3
    run = evaluate(**fields, model=str(small_model), prompts=("box", "clicks:2"), out=tmp_path / "evaluate")
    dice = {(r.prompts, r.choice): r.dice for r in run.rows if r.name == "liver" and r.method == "model"}
    swept = {(row.prompts, row.choice): row.dice for row in found.rows}
    for key in (("box", "predicted"), ("box", "oracle"), ("clicks:2", "predicted")):
        assert swept[key] == pytest.approx(dice[key], abs=2e-3)


def test_resumed_sweep_keeps_what_is_there_and_takes_new_values(
    phantom_store: Store, small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    fields = {"data": phantom_store.path, "models": (str(small_model),), "labels": ("liver",), "max_cases": 1}
    fields |= {"out": tmp_path / "run", "choices": ("predicted",)}
    first = sweep(**fields, prompts=("box", "centre"))
    lines = (tmp_path / "run" / JOURNAL).read_text()
    with pytest.raises(RunFolderError, match="resume"):
        sweep(**fields, prompts=("box",))
    (tmp_path / "run" / JOURNAL).write_text(lines + '{"model": "cut')
    whole = sweep(**fields, prompts=("box", "centre", "point:1"), resume=True)
    assert [row.dice for row in whole.rows[:2]] == [row.dice for row in first.rows]
    assert len(whole.rows) == 3
    again = sweep(**fields, prompts=("box", "centre", "point:1"), resume=True)
    assert again.rows == whole.rows
    monkeypatch.setattr("samadapt.study.sweep._load", lambda *_: pytest.fail("measured again"))
    assert sweep(**fields, prompts=("point:1",), resume=True).rows == whole.rows[2:]


def test_phases_are_shown_the_same_points_and_put_together(multiphase_store: Store, small_model: Path, tmp_path: Path):
    made = load_config(
        SweepConfig,
        config_path(Path("multiphase-liver")),
        values={"data": multiphase_store.path, "out": tmp_path / "run", "models": (str(small_model),)},
        overrides=['prompts=["point:1", "point:2", "clicks:1"]', "image_sizes=[]"],
    )
    found = sweep(made)
    phases = (*made.phases, "prob-mean", "prob-max", "score-mean", "score-max")
    assert {row.phases for row in found.rows} == set(phases)
    assert len(found.rows) == 3 * len(phases) * 2
    assert found.excluded == (("liver_0002", "channel 0003 of 4 is missing"),)
    with open(found.folder / CASES, newline="") as file:
        cells = list(csv.DictReader(file))
    for prompts in ("point:1", "clicks:1"):
        for case in ("liver_0001", "liver_0003"):
            dice = {
                c["phases"]: float(c["dice"])
                for c in cells
                if (c["prompts"], c["case"], c["choice"]) == (prompts, case, "predicted")
            }
            alone = [dice[phase] for phase in made.phases]
            assert dice["score-mean"] == pytest.approx(np.mean(alone))
            assert dice["score-max"] == max(alone)
    page = (found.folder / "page.html").read_text(encoding="utf-8")
    assert "channel 0003 of 4 is missing" in page
    assert page.count("<svg") == 3  # points, mask choice, phases; sizes are one
    facts = json.loads((found.folder / "run.json").read_text())["facts"]
    assert facts["excluded"] == [{"case": "liver_0002", "reason": "channel 0003 of 4 is missing"}]


def test_cases_without_the_phases_and_empty_labels_are_reported(
    phantom_store: Store, multiphase_store: Store, small_model: Path, tmp_path: Path
):
    fields = {"models": (str(small_model),), "prompts": ("centre",), "max_cases": 1}
    with pytest.raises(DataError, match="1 channels, not 2 phases"):
        sweep(**fields, data=phantom_store.path, phases=("a", "b"), out=tmp_path / "a")
    with pytest.raises(ConfigError, match="no label 'heart'"):
        sweep(**fields, data=phantom_store.path, labels=("heart",), out=tmp_path / "b")
    case = phantom_store.split("test")[0]
    held = set(phantom_store.objects["label"][phantom_store.objects_of(case)].tolist())
    absent = [name for value, name in phantom_store.label_set.names.items() if value not in held]
    found = sweep(**fields, data=phantom_store.path, labels=("liver", *absent), out=tmp_path / "c")
    assert found.empty_labels == tuple(absent)


def test_unknown_prompts_are_refused():
    for bad in ("boxes", "point:0", "mode:5", "clicks", "box~"):
        with pytest.raises(ConfigError, match="not a prompt of a sweep"):
            load_config(SweepConfig, values={"data": "s", "out": "o", "prompts": (bad,)})


def test_modes_are_those_of_the_study():
    truth = np.zeros((60, 60), dtype=bool)
    truth[2:22, 2:22], truth[30:44, 30:44], truth[50:58, 5:13], truth[40:43, 5:8] = True, True, True, True
    rng = named_rng("modes")
    assert parts_of("mode:0", truth, rng)[0].points.xy.tolist() == [centre_point(truth).tolist()]
    three = parts_of("mode:1", truth, rng)[0].points.xy
    assert [bool(truth[int(y), int(x)]) for x, y in three] == [True] * 3
    assert [p.box for p in parts_of("mode:2", truth, rng)] == [box_of(truth[:25])]
    boxes = parts_of("mode:3", truth, rng)
    assert [int(part.truth.sum()) for part in boxes] == [400, 196, 64]
    assert [part.box for part in boxes] == [box_of(part.truth) for part in boxes]
    assert parts_of("mode:4", truth, rng)[0].box == box_of(truth)


def test_other_policies_are_drawn_from_the_truth():
    truth = np.zeros((512, 1024), dtype=bool)
    truth[100:200, 300:500] = True
    loose = [parts_of("box~20", truth, named_rng("loose", n))[0].box for n in range(30)]
    assert {300 - box.x0 for box in loose} <= set(range(21))
    assert max(300 - box.x0 for box in loose) > 10
    assert parts_of("box", truth, named_rng("x"))[0].box == box_of(truth)
    assert ((parts_of("mask", truth, named_rng("x"))[0].mask > 0) == truth).all()
    points = parts_of("point:5", truth, named_rng("x"))[0].points
    assert all(truth[int(y), int(x)] for x, y in points.xy)
    assert len(points) == 5


def test_views_fuse_probabilities():
    logits = [np.array([[3.0, -3.0, -0.5]], np.float32), np.array([[-1.0, 1.0, -0.5]], np.float32)]
    mean, most = View("prob-mean", (0, 1)).fuse(logits), View("prob-max", (0, 1)).fuse(logits)
    probabilities = 1 / (1 + np.exp(-np.stack(logits)))
    assert (mean == (probabilities.mean(0) > 0.5)).all()
    assert (most == (probabilities.max(0) > 0.5)).all()
    assert [view.name for view in views_of(("a", "b"), ("score-max",))] == ["a", "b"]
    assert [view.name for view in views_of(("a", "b"), ("prob-max",))] == ["prob-max"]
    assert views_of((), ("each",)) == [View("", (0,))]


def test_counts_add_up_over_slices():
    counts, truth = Counts(), np.ones((4, 4), dtype=bool)
    counts.add(truth, truth)
    counts.add(~truth, truth)
    assert counts.dice == pytest.approx(2 * 16 / 48)
    assert counts.iou == pytest.approx(16 / 32)
