"""Predictions of another program: found by name, brought onto the truth, scored like our own; every refusal."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from samadapt import metrics
from samadapt.core.errors import ConfigError, DataError, GridMismatch, LabelError, RunFolderError
from samadapt.core.grid import Grid
from samadapt.core.image import LabelMap
from samadapt.core.manifest import read_run
from samadapt.data.slicing import reslice
from samadapt.data.store import Store
from samadapt.io import open as open_image
from samadapt.io import open_label, save_label
from samadapt.report import report
from samadapt.study.references import read_prediction
from samadapt.study.score import score


def shifted(values: np.ndarray) -> np.ndarray:
    return np.roll(values, 1, axis=-1)


@pytest.fixture(scope="module")
def predictions(phantom_store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The truth of the test cases moved by one voxel, written as NIfTI in the orientation of the source."""
    folder = tmp_path_factory.mktemp("predictions") / "other-net"
    for case in phantom_store.split("test"):
        truth = phantom_store.label_map(case)
        moved = LabelMap(shifted(truth.values), truth.grid, truth.orientation)
        save_label(moved, folder / f"{phantom_store.cases[case].name}.nii.gz")
    return folder


@pytest.fixture(scope="module")
def run(phantom_store: Store, predictions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("score") / "run"
    fields = {"parameters": 31_000_000, "seconds_per_case": 4.0, "memory_mb": 2048, "conventions": "sammed2d,irstd"}
    score(reference=phantom_store.path, prediction=predictions, out=out, **fields)
    return out


def rows_of(run: Path) -> list[dict[str, str]]:
    with open(run / "rows.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_rows_are_those_of_the_metrics(run: Path, phantom_store: Store) -> None:
    rows, compared = rows_of(run), 0
    for case in phantom_store.split("test"):
        record, truth = phantom_store.cases[case], phantom_store.label_map(case).values
        found = metrics.score(truth, shifted(truth), record.spacing_mm, list(phantom_store.label_set.values))
        for row in (r for r in rows if r["case"] == record.name and r["label"] != "0"):
            figures = found[int(row["label"])]
            assert [row[k] for k in ("dice", "hd95", "nsd")] == [str(figures[k]) for k in ("dice", "hd95", "nsd")]
            assert (row["prompts"], row["choice"], row["patient"]) == ("none", "semantic", record.patient)
            compared += 1
    assert compared == 2 * len(phantom_store.label_set)


def test_the_run_folder_is_like_that_of_an_evaluation(run: Path, phantom_store: Store, tmp_path: Path) -> None:
    manifest = read_run(run)
    facts = manifest["facts"]
    assert (manifest["kind"], manifest["status"]) == ("score", "done")
    assert (facts["model"], facts["cases"], facts["split"]) == ("other-net", 2, "test")
    assert facts["store_fingerprint"] == phantom_store.fingerprint
    assert (facts["parameters_total"], facts["seconds_per_slice"], facts["peak_memory_mb"]) == (31_000_000, 0.5, 2048)
    assert len(list((run / "overlays").glob("*.npz"))) in (2, 3)
    assert json.loads((run / "conventions.json").read_text())
    page = report(run, tmp_path / "page.html").read_text()
    assert "other-net" in page
    assert "other-net zero-shot" not in page
    with pytest.raises(RunFolderError, match="already there"):
        score(**{k: v for k, v in manifest["config"].items() if k != "out"}, out=run)


def test_any_axis_order_of_the_file_is_brought_to_that_of_the_store(
    run: Path, predictions: Path, phantom_store: Store, tmp_path: Path
) -> None:
    folder = tmp_path / "turned"
    folder.mkdir()
    for path in predictions.rglob("*.nii.gz"):
        image = nibabel.load(path)
        turned = image.as_reoriented(nibabel.orientations.axcodes2ornt(("P", "S", "L")))
        nibabel.save(turned, folder / path.name.replace(".nii", "_0000.nii"))
    score(reference=phantom_store.path, prediction=folder, out=tmp_path / "run")
    assert [r["dice"] for r in rows_of(tmp_path / "run")] == [r["dice"] for r in rows_of(run)]


def test_a_store_that_was_cut_along_another_axis_is_met(predictions: Path, tmp_path: Path) -> None:
    path = next(predictions.rglob("*.nii.gz"))
    plain = open_label(path)
    for axis in ("axial", "coronal", "sagittal"):
        volume, truth = reslice(open_image(path), plain, axis)
        assert volume.shape == truth.values.shape
        known = {int(v): str(v) for v in np.unique(plain.values) if v}
        answer = read_prediction(path, truth, {}, _labels(known))
        assert (answer == truth.values).all(), axis
        assert answer.any()


def _labels(names: dict[int, str]):
    from samadapt.core.image import LabelSet

    return LabelSet.from_names(names)


@pytest.fixture
def pictures(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders of PNG masks: classes 1 and 2, and predictions that call them 255 and 2."""
    truth, answer = tmp_path / "truth", tmp_path / "answer"
    for k in range(3):
        values = np.zeros((12, 14), dtype=np.uint8)
        values[2:6, 2 : 8 + k], values[8:11, 3:9] = 1, 2
        for folder, numbers in ((truth, values), (answer, np.where(values == 1, 255, values).astype(np.uint8))):
            save_label(LabelMap(numbers, Grid.from_spacing(numbers.shape, (1, 1))), folder / "sub" / f"tile_{k}.png")
    return truth, answer


def test_folder_against_folder_with_other_numbers(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    truth, answer = pictures
    fields = {"reference": truth, "prediction": answer, "out": tmp_path / "run"}
    found = score(**fields, values={255: 1}, labels={1: "roof", 2: "water"}, prompts="box", name="rival")
    assert {row.name for row in found.rows} == {"roof", "water", "background"}
    assert {row.dice for row in found.rows} == {1.0}
    assert {row.choice for row in found.rows} == {"predicted"}
    assert [row.case for row in found.rows][::3] == ["sub/tile_0", "sub/tile_1", "sub/tile_2"]
    same = score(reference=truth, prediction=truth, out=tmp_path / "same")
    assert {row.name for row in same.rows} == {"label 1", "label 2", "background"}
    facts = [read_run(tmp_path / name)["facts"]["store_fingerprint"] for name in ("run", "same")]
    assert facts[0] == facts[1]


def test_dataset_json_names_the_labels_of_a_folder(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    truth, _ = pictures
    labels = {"background": 0, "roof": 1, "water": 2, "meadow": 3}
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": labels}))
    found = score(reference=truth, prediction=truth, out=tmp_path / "run")
    assert [row.name for row in found.rows[:4]] == ["roof", "water", "meadow", "background"]


def test_what_cannot_be_scored_is_refused(pictures: tuple[Path, Path], tmp_path: Path) -> None:
    truth, answer = pictures
    fields = {"reference": truth, "prediction": answer}
    with pytest.raises(LabelError, match=r"\[255\].*values\.255=1"):
        score(**fields, out=tmp_path / "run")
    with pytest.raises(ConfigError, match="ignore needs labels"):
        score(**fields, ignore=255, out=tmp_path / "b")
    with pytest.raises(ConfigError, match="not a prompt policy"):
        score(**fields, prompts="boxes", out=tmp_path / "b")
    assert not (tmp_path / "run").exists()
    (answer / "sub" / "tile_9.png").write_bytes((answer / "sub" / "tile_0.png").read_bytes())
    assert score(**fields, values={255: 1}, out=tmp_path / "fine").unused == ("tile_9.png",)
    (answer / "sub" / "tile_1.png").unlink()
    with pytest.raises(DataError, match=r"1 of 3 cases have no prediction: sub/tile_1"):
        score(**fields, values={255: 1}, out=tmp_path / "run")
    small = np.zeros((12, 13), dtype=np.uint8)
    save_label(LabelMap(small, Grid.from_spacing(small.shape, (1, 1))), answer / "sub" / "tile_1.png")
    with pytest.raises(GridMismatch, match=r"tile_1.*\(12, 13\).*\(12, 14\)"):
        score(**fields, values={255: 1}, out=tmp_path / "run")
    np.save(answer / "sub" / "tile_1.npy", small)
    with pytest.raises(DataError, match="two files are of the case 'sub/tile_1'"):
        score(**fields, out=tmp_path / "run")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no label map"):
        score(reference=truth, prediction=tmp_path / "empty", out=tmp_path / "run")


def test_another_grid_of_the_same_shape_is_refused(phantom_store: Store, predictions: Path, tmp_path: Path) -> None:
    folder = tmp_path / "moved"
    folder.mkdir()
    for path in predictions.rglob("*.nii.gz"):
        image = nibabel.load(path)
        affine = image.affine.copy()
        affine[0, 3] += 5
        nibabel.save(nibabel.Nifti1Image(np.asarray(image.dataobj), affine), folder / path.name)
    with pytest.raises(GridMismatch, match="another grid"):
        score(reference=phantom_store.path, prediction=folder, out=tmp_path / "run")
    with pytest.raises(ConfigError, match="there is no split called 'external'"):
        score(reference=phantom_store.path, prediction=folder, split="external", out=tmp_path / "run")
