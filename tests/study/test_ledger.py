"""One set of predictions under every convention: rows, counts, resume, the tables of the report."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from samadapt import metrics
from samadapt.core.errors import ConfigError
from samadapt.core.image import LabelSet
from samadapt.data.prepare import prepare
from samadapt.data.store import Store
from samadapt.report import report
from samadapt.report.by_convention import convention_tables
from samadapt.report.conditions import conditions_of
from samadapt.report.runs import read_runs
from samadapt.study.evaluate import evaluate
from samadapt.study.label_maps import Subject, score_label_maps
from samadapt.study.ledger import Ledger, mean_over
from samadapt.study.predicting import CasePredictions
from samadapt.study.scoring import score_prompted


def read_csv(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def run(phantom_store: Store, small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("ledger") / "run"
    evaluate(model=str(small_model), data=phantom_store.path, prompts=("box",), conventions="all", out=out)
    return out


def test_every_convention_has_every_row_and_strict_those_of_the_run(run: Path) -> None:
    rows = [row for row in read_csv(run / "rows.csv") if row["label"] != "0"]
    entries = read_csv(run / "conventions.csv")
    assert len(entries) == 12 * len(rows) > 300
    strict = [entry for entry in entries if entry["convention"] == "strict"]
    shared = ("case", "label", "prompts", "choice", "dice", "iou", "hd95", "assd", "nsd")
    assert [[e[k] for k in shared] for e in strict] == [[r[k] for k in shared] for r in rows]
    assert {e["unit"] for e in entries if e["convention"] in ("transunet", "medsam")} == {"voxel"}
    assert not (run / "conventions.jsonl").exists()


def test_the_ellipse_is_counted_over_all_pixels(run: Path, phantom_store: Store) -> None:
    found = {
        (e["convention"], e["name"], e["figure"]): e["value"]
        for e in json.loads((run / "conventions.json").read_text())
        if e.get("counted") and e["choice"] == "baseline"
    }
    cases = phantom_store.split("test")
    whole = sum(int(np.prod(phantom_store.cases[case].shape)) for case in cases)
    assert 0.9 < found["remote-sensing", "all labels", "oa"] < 1
    assert 0.5 < found["remote-sensing", "all labels", "miou"] < found["remote-sensing", "all labels", "mf1"] < 1
    assert 0.5 < found["irstd", "liver", "pd"] <= 1
    assert found["irstd", "liver", "fa"] * whole == pytest.approx(round(found["irstd", "liver", "fa"] * whole))
    assert found["remote-sensing", "liver", "iou"] == pytest.approx(found["irstd", "liver", "iou"], abs=0.05)


def test_an_interrupted_run_gives_the_same_conventions(
    run: Path, phantom_store: Store, small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = ("sammed2d", "irstd")
    fields = {"model": str(small_model), "data": phantom_store.path, "prompts": ("box",), "conventions": few}
    save, saved = Ledger.save, []

    def dies_after_saving_one(self: Ledger, case: str) -> None:
        save(self, case)
        saved.append(case)
        raise KeyboardInterrupt

    monkeypatch.setattr(Ledger, "save", dies_after_saving_one)
    with pytest.raises(KeyboardInterrupt):
        evaluate(**fields, out=tmp_path / "cut")
    assert len(saved) == 1
    monkeypatch.setattr(Ledger, "save", save)
    evaluate(**fields, out=tmp_path / "cut", resume=True)
    whole, resumed = (read_csv(folder / "conventions.csv") for folder in (run, tmp_path / "cut"))
    assert [e for e in resumed if e["convention"] == "irstd"] == [e for e in whole if e["convention"] == "irstd"]
    whole, resumed = (json.loads((folder / "conventions.json").read_text()) for folder in (run, tmp_path / "cut"))
    assert resumed == [e for e in whole if e["convention"] in few]


def test_nothing_is_written_where_nothing_is_asked(phantom_store: Store, small_model: Path, tmp_path: Path) -> None:
    evaluate(model=str(small_model), data=phantom_store.path, max_cases=1, out=tmp_path / "run")
    assert not list((tmp_path / "run").glob("conventions*"))
    with pytest.raises(ConfigError, match="did you mean 'irstd'"):
        evaluate(model=str(small_model), data=phantom_store.path, conventions="irst", out=tmp_path / "other")


def test_means_are_taken_as_the_convention_takes_them() -> None:
    rows = [
        {"case": case, "label": label, "dice": dice}
        for case, label, dice in (("a", 1, 1.0), ("a", 2, 0.0), ("b", 1, 0.8), ("b", 1, 0.6), ("b", 2, float("nan")))
    ]
    assert mean_over(rows, "dice", "cases") == pytest.approx((0.5 + 0.7) / 2)
    assert mean_over(rows, "dice", "labels") == pytest.approx(((1 + 0.7) / 2 + 0) / 2)
    assert mean_over(rows, "dice", "masks") == pytest.approx(0.6)
    weighed = [row | {"masks": masks} for row, masks in zip(rows, (4, 1, 1, 1, 9))]
    assert mean_over(weighed, "dice", "masks") == pytest.approx((4 * 1.0 + 0.8 + 0.6) / 7)
    assert mean_over([row | {"hd95": 2.0} for row in weighed], "hd95", "masks") == 2


def test_ignored_pixels_are_neither_scored_nor_counted(tmp_path: Path) -> None:
    labels = LabelSet.from_names({1: "water", 2: "forest"}, ignore=255)
    reference = np.array([[1, 1, 2, 255, 255, 0]], dtype=np.uint8).repeat(3, axis=0)
    answer = np.array([[1, 1, 2, 1, 2, 0]], dtype=np.uint8).repeat(3, axis=0)
    ledger = Ledger(tmp_path, ("sammed2d", "remote-sensing"), labels.names, labels.ignore)
    subject = Subject("tile", "scene", (1.0, 1.0), False)
    rows = list(
        score_label_maps(subject, reference, answer, labels, ("none", "model", "semantic"), "strict", 0, ledger)
    )
    assert [row.dice for row in rows] == [1, 1, 1]
    ledger.save("tile")
    ledger.write(["tile"])
    found = json.loads((tmp_path / "conventions.json").read_text())
    counted = {(e["name"], e["figure"]): e["value"] for e in found if e.get("counted")}
    assert counted["all labels", "oa"] == counted["all labels", "kappa"] == counted["water", "iou"] == 1


def test_prompted_masks_are_not_blamed_for_ignored_pixels(tmp_path: Path) -> None:
    values = np.zeros((16, 16), dtype=np.uint8)
    values[:, 4:8], values[:, 8:] = 1, 255
    for folder, pixels in (("images", values), ("labels", values)):
        (tmp_path / "raw" / folder).mkdir(parents=True)
        for k in range(3):
            Image.fromarray(pixels).save(tmp_path / "raw" / folder / f"tile_{k}.png")
    options = {"names": {1: "water"}, "ignore": 255, "threshold": None}
    store = prepare(source=tmp_path / "raw", recipe="folder", out=tmp_path / "store", options=options, workers=1)
    found = CasePredictions()
    mask = np.zeros((16, 16), dtype=bool)
    mask[:, 4:14] = True
    found.add(("box", "model", "predicted"), store.objects[0], mask, False)
    ledger = Ledger(tmp_path, ("remote-sensing",), store.label_set.names, store.label_set.ignore)
    rows = list(score_prompted(store, 0, found, "strict", ledger))
    assert [(row.name, row.dice) for row in rows] == [("water", 1.0), ("background", 1.0)]
    ledger.save(store.cases[0].name)
    ledger.write([store.cases[0].name])
    counted = [e for e in json.loads((tmp_path / "conventions.json").read_text()) if e["figure"] == "oa"]
    assert [e["value"] for e in counted] == [1.0]


def test_the_report_shows_how_conventions_differ_and_why(run: Path, tmp_path: Path) -> None:
    runs = read_runs([run])
    averages, counted = convention_tables(runs, conditions_of(runs))
    assert [line.name for line in averages.lines] == list(metrics.conventions())
    heads = [column.head for column in averages.columns]
    assert heads == ["Dice", "IoU", "HD95", "NSD", "Mean over", "Why it differs"]
    cells = {line.name: dict(zip(heads, line.cells)) for line in averages.lines}
    assert cells["transunet"]["HD95"].detail == "voxels"
    assert cells["transunet"]["NSD"].text == cells["sammed2d"]["HD95"].text == "–"
    assert {cells[name]["Why it differs"].text for name in cells} == {metrics.convention(n).why for n in cells}
    assert [column.group for column in counted.columns] == ["irstd"] * 5 + ["remote-sensing"] * 4
    assert [line.name for line in counted.lines][-3:] == [
        "average without background", "average with background", "all pixels",
    ]  # fmt: skip
    page = report(run, tmp_path / "page.html").read_text()
    assert metrics.convention("transunet").why in page
    assert (tmp_path / "page-conventions.csv").exists()
    assert (tmp_path / "page-counted.csv").exists()
