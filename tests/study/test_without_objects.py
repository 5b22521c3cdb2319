"""Cases that hold no object: left out where prompts are asked for, scored where not, and named in either case."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from fake.writing import noisy, png
from samadapt.core.errors import DataError
from samadapt.data.prepare import prepare
from samadapt.data.store import Store
from samadapt.report import report
from samadapt.report.compare import compare
from samadapt.study.evaluate import Evaluation, evaluate
from samadapt.study.score import score
from samadapt.study.sweep import sweep

BARE = ("1", "2", "4", "5")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Seven pictures, four of them without an object."""
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(7):
        mask = np.zeros((32, 32), np.uint8)
        mask[8:20, 6 + number : 18 + number] = 255 * (str(number) not in BARE)
        png(folder / "raw" / "images" / f"{number}.png", noisy((32, 32), number))
        png(folder / "raw" / "masks" / f"{number}.png", mask)
    return prepare(source=folder / "raw", recipe="folder", out=folder / "store", workers=0)


@pytest.fixture(scope="module")
def asked(store: Store, small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    out = tmp_path_factory.mktemp("asked") / "box"
    return evaluate(model=str(small_model), data=store.path, split="all", prompts=("box", "clicks:2"), out=out)


@pytest.fixture(scope="module")
def semantic(store: Store, small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Evaluation:
    from samadapt.adapt import add_head, inject, load_model, save_adapter
    from samadapt.adapt.config import LoraConfig

    folder = tmp_path_factory.mktemp("semantic")
    model = load_model(str(small_model))
    add_head(model, store.label_set)
    inject(model, LoraConfig())
    save_adapter(model, folder / "adapter")
    fields = {"prompts": ("none",), "save_predictions": True, "out": folder / "none"}
    return evaluate(model=str(folder / "adapter"), data=store.path, split="all", **fields)


def test_with_prompts_they_have_no_rows_and_the_run_names_them(asked: Evaluation) -> None:
    assert {row.case for row in asked.rows} == {"0", "3", "6"}
    facts = json.loads((asked.folder / "run.json").read_text())["facts"]
    assert facts["cases"] == 7
    assert facts["without_objects"] == {"cases": list(BARE), "measured": False}
    assert asked.as_json()["without_objects"] == facts["without_objects"]


def test_without_prompts_they_are_scored_and_the_run_names_them(semantic: Evaluation) -> None:
    assert {row.case for row in semantic.rows} == set("0123456")
    bare = [row for row in semantic.rows if row.label and row.case in BARE]
    assert [math.isnan(row.dice) for row in bare] == [row.prediction_voxels == 0 for row in bare]
    assert len(bare) == len(BARE)
    assert semantic.as_json()["without_objects"] == {"cases": list(BARE), "measured": True}


def test_predictions_of_others_are_told_the_same(store: Store, tmp_path: Path) -> None:
    for number in range(7):
        png(tmp_path / "predicted" / f"{number}.png", np.ones((32, 32), np.uint8))
    found = score(reference=store.path, prediction=tmp_path / "predicted", split="all", out=tmp_path / "scored")
    assert found.as_json()["without_objects"] == {"cases": list(BARE), "measured": True}
    assert {row.dice for row in found.rows if row.label and row.case in BARE} == {0}


def test_the_page_says_what_became_of_them(asked: Evaluation, semantic: Evaluation, tmp_path: Path) -> None:
    page = report([asked.folder, semantic.folder], tmp_path / "page.html").read_text()
    hold = "4 of 7 cases hold no object of any label: 1, 2, 4 and 1 more."
    left_out = "With prompts they were left out: there is nothing to prompt for."
    rule = "Label maps were scored there as convention “strict” scores empty masks"
    dice = "Dice of a label that is rightly not found is left out, that of an invented one is 0."
    assert f"{hold} {left_out} {rule}: {dice}" in page
    assert "4 of 7 cases hold no object of any label: 1, 2, 4, 5." in (tmp_path / "page-provenance.csv").read_text()
    assert "7 cases (4 without an object)" in page


def test_methods_with_and_without_prompts_can_still_be_compared(
    asked: Evaluation, semantic: Evaluation, tmp_path: Path
) -> None:
    page = compare([asked.folder, semantic.folder], tmp_path / "page.html").read_text()
    assert page.count("there is nothing to prompt for") == 3  # methods, Dice by label, provenance


@pytest.mark.parametrize(
    ("kind", "said"), [("asked", "there is nothing to prompt for."), ("semantic", "an invented one is 0.")]
)
def test_the_terminal_says_it_in_one_line(
    kind: str, said: str, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]
) -> None:
    from samadapt.cli.evaluate import _show

    _show(request.getfixturevalue(kind))
    lines = [line for line in capsys.readouterr().out.splitlines() if "hold no object" in line]
    assert len(lines) == 1
    assert lines[0].startswith("4 of 7 cases hold no object of any label: 1, 2, 4 and 1 more.")
    assert lines[0].endswith(said)


def test_a_few_first_cases_that_hold_nothing_are_an_error(store: Store, small_model: Path, tmp_path: Path) -> None:
    bare = [case.name for case in store.cases][:1]
    fields = {"model": str(small_model), "data": store.path, "split": "all", "prompts": ("box",)}
    found = evaluate(**fields, max_cases=1, out=tmp_path / "run")
    assert (bare, found.facts["without_objects"]["cases"]) == (["0"], [])
    empty = _only(store, tmp_path, BARE)
    with pytest.raises(DataError, match=r"no case among the first 2 of .* a higher --max-cases"):
        evaluate(**fields | {"data": empty.path}, max_cases=2, out=tmp_path / "none")


def _only(store: Store, tmp_path: Path, names: tuple[str, ...]) -> Store:
    raw = store.path.parent / "raw"
    for folder in ("images", "masks"):
        (tmp_path / "raw" / folder).mkdir(parents=True)
        for name in (*names, "6"):
            (tmp_path / "raw" / folder / f"{name}.png").write_bytes((raw / folder / f"{name}.png").read_bytes())
    return prepare(source=tmp_path / "raw", recipe="folder", out=tmp_path / "few", workers=0)


def test_a_sweep_leaves_them_out_and_says_so_in_one_line(
    store: Store, small_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from samadapt.cli.sweep import _show

    models = (str(small_model),)
    found = sweep(data=store.path, split="all", models=models, prompts=("centre",), out=tmp_path / "sweep")
    assert dict(found.excluded) == dict.fromkeys(BARE, "it holds none of the labels")
    _show(found)
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("Left out")]
    assert said == ["Left out, it holds none of the labels: 4 cases (1, 2, 4 and 1 more)"]
