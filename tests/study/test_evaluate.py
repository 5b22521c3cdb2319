"""Evaluation: prompts drawn once, every condition a row, resume, provenance."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from samadapt.core.errors import CheckpointError, ConfigError, DataError, DiskFull, PromptError, RunFolderError
from samadapt.core.prompts import PromptSet
from samadapt.data.prepare import prepare
from samadapt.data.store import Store
from samadapt.study.evaluate import evaluate
from samadapt.study.predicting import Crop, best_by_truth
from samadapt.study.prompting import draw, key_of, load_or_draw, numbers_of
from samadapt.study.rows import Row, summarise


@pytest.fixture(scope="module")
def run(phantom_store: Store, small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("evaluate") / "run"
    evaluate(model=str(small_model), data=phantom_store.path, prompts=("box", "point:3"), out=out)
    return out


def test_every_condition_has_a_row_for_every_label_of_every_case(run: Path, phantom_store: Store) -> None:
    with open(run / "rows.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    conditions = {(r["prompts"], r["method"], r["choice"]) for r in rows}
    assert conditions == {
        ("box", "ellipse", "baseline"),
        ("box", "model", "predicted"),
        ("box", "model", "oracle"),
        ("point:3", "model", "predicted"),
        ("point:3", "model", "oracle"),
    }
    cases = phantom_store.split("test")
    present = sum(len(np.unique(phantom_store.objects["label"][phantom_store.objects_of(c)])) for c in cases)
    assert len(cases) == 2
    assert len(rows) == len(conditions) * (present + len(cases))  # one more for the background of each case


def test_ellipse_is_far_better_than_an_untrained_model_and_oracle_is_never_worse(run: Path) -> None:
    found = json.loads((run / "summary.json").read_text())
    dice = {
        (e["prompts"], e["choice"]): e["mean"]
        for e in found
        if e["figure"] == "dice" and e["name"] == "mean without background"
    }
    assert dice["box", "baseline"] > 0.6 > dice["box", "predicted"]
    assert dice["box", "oracle"] >= dice["box", "predicted"]
    assert dice["point:3", "oracle"] >= dice["point:3", "predicted"]


def test_run_says_what_its_figures_need(run: Path, phantom_store: Store) -> None:
    manifest = json.loads((run / "run.json").read_text())
    facts = manifest["facts"]
    assert manifest["status"] == "done"
    assert facts["store_fingerprint"] == phantom_store.fingerprint
    assert [p["origin"] for p in facts["prompts"]] == ["ground truth", "ground truth"]
    assert {"convention", "spacing_mm", "seed", "split", "base_hash", "seconds_total", "peak_memory_mb"} <= set(facts)
    assert len(list((run / "overlays").glob("*.npz"))) in (2, 3)


def test_second_run_with_the_first_one_s_prompts_gives_the_same_rows(
    run: Path, phantom_store: Store, small_model: Path, tmp_path: Path
) -> None:
    again = evaluate(
        model=str(small_model),
        data=phantom_store.path,
        prompts=("box", "point:3"),
        out=tmp_path / "again",
        prompt_folder=run / "prompts",
        seed=99,
    )
    with open(run / "rows.csv", newline="") as file:
        first = list(csv.DictReader(file))
    assert [row["dice"] for row in first] == [str(row.dice) for row in again.rows]


def test_interrupted_run_goes_on_and_equals_an_uninterrupted_one(
    phantom_store: Store, small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from samadapt.study import evaluate as module

    fields = {"model": str(small_model), "data": phantom_store.path, "prompts": ("box",), "split": "all"}
    whole = evaluate(**fields, out=tmp_path / "whole")
    calls = []
    original = module._measure_case

    def stops_after_three(*arguments: object) -> object:
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return original(*arguments)

    monkeypatch.setattr(module, "_measure_case", stops_after_three)
    with pytest.raises(KeyboardInterrupt):
        evaluate(**fields, out=tmp_path / "cut")
    monkeypatch.setattr(module, "_measure_case", original)
    with pytest.raises(RunFolderError, match="resume"):
        evaluate(**fields, out=tmp_path / "cut")
    resumed = evaluate(**fields, out=tmp_path / "cut", resume=True)
    assert [(r.case, r.label, r.choice, r.dice) for r in resumed.rows] == [
        (r.case, r.label, r.choice, r.dice) for r in whole.rows
    ]


def test_prompts_do_not_depend_on_which_cases_are_drawn_with(phantom_store: Store) -> None:
    everything = draw(phantom_store, range(len(phantom_store.cases)), "point:2", seed=5)
    one = draw(phantom_store, [3], "point:2", seed=5)
    assert len(one) > 0
    for key, prompt in one:
        assert (everything.items[key].points.xy == prompt.points.xy).all()


def test_points_lie_inside_their_objects(phantom_store: Store) -> None:
    case = phantom_store.split("test")[0]
    for policy in ("point:4", "centre"):
        drawn = draw(phantom_store, [case], policy, seed=0)
        checked = 0
        for number in numbers_of(phantom_store, case):
            mask = phantom_store.mask(number)
            for x, y in drawn.items[key_of(phantom_store, number)].points.xy.astype(int):
                assert mask[y, x]
                checked += 1
        assert checked >= 10


def test_prompts_of_another_store_are_refused(run: Path, phantom_store: Store, tmp_path: Path) -> None:
    text = (run / "prompts" / "box.json").read_text().replace(phantom_store.fingerprint, "0" * 16)
    folder = tmp_path / "prompts"
    folder.mkdir()
    (folder / "box.json").write_text(text)
    assert PromptSet.from_json(text).data == "0" * 16
    with pytest.raises(PromptError, match="another store"):
        load_or_draw(phantom_store, [0], "box", 0, tmp_path / "own", folder)


def test_prompt_free_measurement_needs_a_semantic_head(phantom_store: Store, small_model: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="semantic head"):
        evaluate(model=str(small_model), data=phantom_store.path, prompts=("none",), out=tmp_path / "run")


def test_empty_split_is_an_error(phantom_store: Store, small_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="external"):
        evaluate(model=str(small_model), data=phantom_store.path, split="external", out=tmp_path / "run")


def test_crop_paints_back_what_it_was_made_of() -> None:
    mask = np.zeros((9, 11), dtype=bool)
    mask[2:5, 7:10] = True
    mask[3, 8] = False
    canvas = np.zeros((3, 9, 11), dtype=bool)
    Crop.of(mask, 1).paint(canvas)
    assert (canvas[1] == mask).all()
    assert not canvas[[0, 2]].any()
    Crop.of(np.zeros((9, 11), dtype=bool), 2).paint(canvas)
    assert not canvas[2].any()


def test_oracle_takes_the_candidate_nearest_to_the_truth() -> None:
    truth = np.zeros((8, 8), dtype=bool)
    truth[2:6, 2:6] = True
    candidates = np.stack([np.ones_like(truth), np.roll(truth, 1, axis=0), np.zeros_like(truth)])
    assert (best_by_truth(candidates, truth) == candidates[1]).all()


def _row(case: str, label: int, dice: float) -> Row:
    figures = {"iou": dice, "hd95": float("inf"), "assd": 1.0, "nsd": dice, "tolerance_mm": 2.0}
    counts = {"reference_voxels": 1, "prediction_voxels": 1, "seconds": 0.0}
    return Row(case, case, label, f"label {label}", 0, "box", "model", "predicted", dice, **figures, **counts)


def test_summary_averages_classes_of_a_case_before_cases() -> None:
    rows = [_row("a", 1, 1.0), _row("a", 2, 0.0), _row("b", 1, 0.8), _row("b", 0, 0.9)]
    entries = {(e["name"], e["figure"]): e for e in summarise(rows, seed=0)}
    assert entries["mean without background", "dice"]["mean"] == pytest.approx(0.65)
    assert entries["mean with background", "dice"]["mean"] == pytest.approx((0.5 + 0.85) / 2)
    assert entries["label 1", "hd95"]["mean"] is None
    assert entries["label 1", "hd95"]["n"] == 0
    assert entries["label 1", "hd95"]["left_out"] == 2


def test_what_cannot_be_measured_leaves_no_run_behind(phantom_store: Store, small_model: Path, tmp_path: Path) -> None:
    fields = {"model": str(small_model), "data": phantom_store.path, "out": tmp_path / "run"}
    for wrong, error in (
        ({"prompts": ("none",)}, CheckpointError),
        ({"model": "tinny"}, CheckpointError),
        ({"convention": "strickt"}, ConfigError),
        ({"split": "tset"}, ConfigError),
        ({"prompt": ("box",)}, ConfigError),
    ):
        with pytest.raises(error):
            evaluate(**fields | wrong)
        assert not (tmp_path / "run").exists()


def test_a_store_without_objects_has_nothing_to_draw_prompts_from(small_model: Path, tmp_path: Path) -> None:
    from fake.writing import noisy, png

    for number in range(3):
        png(tmp_path / "raw" / "images" / f"{number}.png", noisy((32, 32), number))
        png(tmp_path / "raw" / "masks" / f"{number}.png", np.zeros((32, 32), np.uint8))
    prepare(source=tmp_path / "raw", recipe="folder", out=tmp_path / "store", workers=0)
    with pytest.raises(DataError, match="has a labelled object") as error:
        evaluate(model=str(small_model), data=tmp_path / "store", split="all", out=tmp_path / "run")
    assert (error.value.exit_code, error.value.where) == (1, tmp_path / "store")
    assert not (tmp_path / "run").exists()


def test_a_full_disk_while_measuring_is_named(
    phantom_store: Store, small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("samadapt.core.lines.open", full, raising=False)
    with pytest.raises(DiskFull, match=r"rows\.jsonl.*disk is full"):
        evaluate(model=str(small_model), data=phantom_store.path, out=tmp_path / "run")
    monkeypatch.undo()
    again = evaluate(model=str(small_model), data=phantom_store.path, out=tmp_path / "run", resume=True)
    assert len(again.rows) > 0


def test_a_published_test_stands_beside_the_model_s_own(
    phantom_store: Store, small_model: Path, tmp_path: Path
) -> None:
    from samadapt.adapt import add_head, inject, load_model, save_adapter
    from samadapt.adapt.config import LoraConfig
    from samadapt.report.compare import compare

    model = load_model(str(small_model))
    add_head(model, phantom_store.label_set)
    inject(model, LoraConfig())
    save_adapter(model, tmp_path / "adapter")
    fields = {"model": str(tmp_path / "adapter"), "data": phantom_store.path, "prompts": ("none",), "max_cases": 1}
    found = evaluate(**fields, test_as="samed", convention="transunet", conventions=("strict",), out=tmp_path / "run")
    plain = evaluate(**fields, convention="transunet", out=tmp_path / "plain")
    own, published = ([r for r in found.rows if r.choice == choice] for choice in ("semantic", "samed"))
    assert [r.name for r in own] == [r.name for r in published]
    assert [(r.name, r.dice) for r in own] == [(r.name, r.dice) for r in plain.rows]
    assert [r.prediction_voxels for r in own] != [r.prediction_voxels for r in published]
    both = {(e["choice"], e["convention"]) for e in json.loads((tmp_path / "run" / "conventions.json").read_text())}
    assert both == {("semantic", "strict"), ("samed", "strict")}
    page = compare([tmp_path / "run"], tmp_path / "page.html").read_text()
    assert "prompt-free, tested as SAMed" in page
    with pytest.raises(ConfigError, match="needs prompts none"):
        evaluate(**fields | {"prompts": ("box",)}, test_as="samed", out=tmp_path / "box")
