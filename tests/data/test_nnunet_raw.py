"""A store as nnU-Net's raw dataset, and back."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml
from PIL import Image as Picture

from fake import nnunet as fake_nnunet
from fake.writing import disc, noisy, png
from samadapt import io
from samadapt.core.errors import ConfigError, DataError, LabelError, RunFolderError
from samadapt.data.nnunet_box import box_mask, labels_in
from samadapt.data.nnunet_raw import export_nnunet
from samadapt.data.phantoms import write_flare22
from samadapt.data.prepare import prepare
from samadapt.data.store import Store
from samadapt.study.score import score


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory) -> Store:
    folder = tmp_path_factory.mktemp("phantoms")
    write_flare22(folder / "raw", 6, seed=2, shape=(6, 40, 40), spacing_mm=(24.0, 9.0, 9.0))
    splits = {"train": 0.5, "val": 0.17, "test": 0.33}
    return prepare(source=folder / "raw", recipe="flare22", out=folder / "store", workers=0, splits=splits)


def test_a_store_makes_the_way_there_and_back(phantoms, tmp_path):
    """What nnU-Net is given is what our own reader of its format finds, split included."""
    out = tmp_path / "Dataset101_Abdomen"
    exported = export_nnunet(store=phantoms.path, out=out)
    assert (exported.training, exported.validation, exported.test) == (3, 1, 2)
    dataset = json.loads((out / "dataset.json").read_text())
    assert dataset["channel_names"] == {"0": "CT"}
    assert dataset["numTraining"] == 4 == len(list((out / "imagesTr").iterdir()))
    assert sorted(dataset["labels"].values()) == list(range(14))
    (fold,) = json.loads((out / "splits_final.json").read_text())
    assert fold == {name: [phantoms.cases[c].name for c in phantoms.split(name)] for name in ("train", "val")}
    back = prepare(source=out, recipe="nnunet", out=tmp_path / "back", workers=0, splits={"train": 0.7, "val": 0.3})
    assert [case.name for case in back.cases] == [case.name for case in phantoms.cases]
    assert [case.name for case in back.cases if case.split == "test"] == [
        phantoms.cases[case].name for case in phantoms.split("test")
    ]
    compared = 0
    for case, record in enumerate(phantoms.cases):
        twin = back.index_of(record.name)
        assert np.array_equal(back.volume(twin).voxels, phantoms.volume(case).voxels)
        assert np.array_equal(back.label_map(twin).values, phantoms.label_map(case).values)
        assert back.cases[twin].grid.matches(record.grid)
        compared += 1
    assert compared == 6


def test_labels_become_consecutive_and_the_way_back_is_written(tmp_path):
    labels = {"background": 0, "tumour": 2, "oedema": 5, "ignore": 9}
    raw = fake_nnunet.write(tmp_path / "raw", cases=4, test=False, labels=labels)
    for number in range(4):
        path = raw / "labelsTr" / f"BRATS_{number:03d}.nii.gz"
        label = io.open_label(path)
        table = np.array([0, 2, 5], np.uint8)
        moved = table[label.values]
        moved[0, 0, 0] = 9
        io.save_label(type(label)(moved, label.grid, label.orientation), path)
    store = prepare(source=raw, recipe="nnunet", out=tmp_path / "store", workers=0)
    exported = export_nnunet(store=store.path, out=tmp_path / "Dataset007_Brain")
    assert exported.labels == {"background": 0, "tumour": 1, "oedema": 2, "ignore": 3}
    name = store.cases[store.split("train")[0]].name
    written = io.open_label(exported.folder / "labelsTr" / f"{name}.nii.gz")
    assert np.unique(written.values).tolist() == [0, 1, 2, 3]
    assert len(list((exported.folder / "imagesTr").glob(f"{name}_000?.nii.gz"))) == 2
    score = yaml.safe_load((exported.folder / "score.yaml").read_text())
    assert score["values"] == {1: 2, 2: 5}
    assert score["reference"] == str(store.path.resolve())


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Store:
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(6):
        png(folder / "raw" / "images" / f"{number}.png", noisy((24, 30, 3), number))
        mask = disc((24, 30), (12, 12), 6)
        png(folder / "raw" / "masks" / f"{number}.png", (mask * 255).astype(np.uint8))
    return prepare(source=folder / "raw", recipe="folder", out=folder / "store", workers=0)


def test_colour_pictures_become_png(pictures, tmp_path):
    store = pictures
    out = export_nnunet(store=store.path, out=tmp_path / "Dataset300_Polyps").folder
    dataset = json.loads((out / "dataset.json").read_text())
    assert dataset["channel_names"] == {"0": "R", "1": "G", "2": "B"}
    assert (dataset["file_ending"], dataset["overwrite_image_reader_writer"]) == (".png", "NaturalImage2DIO")
    case = store.split("test")[0]
    name = store.cases[case].name
    assert np.array_equal(io.open(out / "imagesTs" / f"{name}_0000.png").pixels, store.image(case, 0).pixels)
    assert set(np.unique(io.open_label(out / "labelsTs" / f"{name}.png").values)) == {0, 1}


def test_what_nnunet_would_not_take_is_refused(phantoms, tmp_path):
    with pytest.raises(ConfigError, match="Dataset101"):
        export_nnunet(store=phantoms.path, out=tmp_path / "abdomen")
    out = tmp_path / "Dataset101_Abdomen"
    export_nnunet(store=phantoms.path, out=out)
    with pytest.raises(RunFolderError, match="--resume"):
        export_nnunet(store=phantoms.path, out=out)
    assert export_nnunet(store=phantoms.path, out=out, resume=True).test == 2


def test_a_store_of_two_kinds_or_without_training_is_refused(phantoms, tmp_path):
    write_flare22(tmp_path / "raw", 2, seed=2, shape=(6, 40, 40))
    only = prepare(source=tmp_path / "raw", recipe="flare22", out=tmp_path / "only", workers=0, splits={"test": 1.0})
    with pytest.raises(DataError, match="no training case"):
        export_nnunet(store=only.path, out=tmp_path / "Dataset001_A")


def test_with_the_box_every_label_is_a_case_with_one_more_channel(phantoms, tmp_path):
    out = tmp_path / "Dataset102_Boxes"
    exported = export_nnunet(store=phantoms.path, out=out, box=True)
    dataset = json.loads((out / "dataset.json").read_text())
    assert dataset["channel_names"] == {"0": "CT", "1": "noNorm"}
    assert dataset["labels"] == {"background": 0, "object": 1} == exported.labels
    wanted = {
        split: sum(len(labels_in(phantoms, c)) for c in phantoms.split(split)) for split in ("train", "val", "test")
    }
    assert (exported.training, exported.validation, exported.test) == tuple(wanted.values())
    assert dataset["numTraining"] == wanted["train"] + wanted["val"] == len(list((out / "labelsTr").iterdir()))
    (fold,) = json.loads((out / "splits_final.json").read_text())
    assert {name: len(cases) for name, cases in fold.items()} == {name: wanted[name] for name in ("train", "val")}
    compared = 0
    for split, part in (("train", "Tr"), ("test", "Ts")):
        case = phantoms.split(split)[0]
        for label in labels_in(phantoms, case):
            name = f"{phantoms.cases[case].name}_label{label}"
            box, truth = io.open(out / f"images{part}" / f"{name}_0001.nii.gz").voxels, phantoms.label_map(case).values
            assert np.array_equal(io.open_label(out / f"labels{part}" / f"{name}.nii.gz").values, truth == label)
            assert np.array_equal(
                io.open(out / f"images{part}" / f"{name}_0000.nii.gz").voxels, phantoms.volume(case).voxels
            )
            tight = np.stack([_tight(plane == label) for plane in truth])
            assert (box[tight] == 1).all()
            assert (part == "Tr") or np.array_equal(box, tight)
            assert box.any(axis=(1, 2)).tolist() == tight.any(axis=(1, 2)).tolist()
            compared += 1
    assert compared >= 16


def test_training_boxes_are_looser_by_no_more_than_was_asked(phantoms):
    case = phantoms.split("train")[0]
    label = labels_in(phantoms, case)[0]
    tight, loose = (box_mask(phantoms, case, label, px).astype(bool) for px in (0, 3 * 1024 / 40))
    assert (loose & tight).sum() == tight.sum() < loose.sum()
    for one, other in zip(tight, loose):
        if one.any():
            rows = np.flatnonzero(one.any(axis=1)), np.flatnonzero(other.any(axis=1))
            assert 0 <= rows[0][0] - rows[1][0] <= 3
            assert 0 <= rows[1][-1] - rows[0][-1] <= 3
    assert np.array_equal(loose, box_mask(phantoms, case, label, 3 * 1024 / 40))


def _tight(plane):
    box = np.zeros_like(plane)
    if plane.any():
        rows, columns = np.flatnonzero(plane.any(axis=1)), np.flatnonzero(plane.any(axis=0))
        box[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    return box


def test_beside_a_box_every_colour_of_a_picture_has_a_file(pictures, tmp_path):
    out = export_nnunet(store=pictures.path, out=tmp_path / "Dataset301_Polyps", box=True).folder
    dataset = json.loads((out / "dataset.json").read_text())
    assert dataset["channel_names"] == {"0": "R", "1": "G", "2": "B", "3": "noNorm"}
    names = sorted(path.name for path in (out / "imagesTs").iterdir())
    endings = [f"_000{number}.png" for number in range(4)]
    assert [name[-9:] for name in names] == endings * len(pictures.split("test"))
    planes = [np.asarray(Picture.open(out / "imagesTs" / name)) for name in names[:4]]
    assert np.array_equal(np.stack(planes[:3], axis=2), pictures.image(pictures.split("test")[0], 0).pixels)
    assert set(np.unique(planes[3])) == {0, 1}


def test_what_was_predicted_from_boxes_is_scored_as_an_answer_to_boxes(phantoms, tmp_path):
    out = export_nnunet(store=phantoms.path, out=tmp_path / "Dataset102_Boxes", box=True).folder
    written = yaml.safe_load((out / "score.yaml").read_text())
    predicted = tmp_path / "predicted"
    predicted.mkdir()
    case = phantoms.split("test")[0]
    for path in (out / "labelsTs").iterdir():  # the truth, and something on every slice without a box
        label = io.open_label(path)
        values = label.values.copy()
        values[~values.any(axis=(1, 2)), :3, :3] = 1
        io.save_label(type(label)(values, label.grid, label.orientation), predicted / path.name)
    missing = predicted / f"{phantoms.cases[case].name}_label{labels_in(phantoms, case)[0]}.nii.gz"
    found = score(**written, prediction=predicted, out=tmp_path / "run")
    organs = [row for row in found.rows if row.label]
    assert len(organs) == sum(len(labels_in(phantoms, c)) for c in phantoms.split("test"))
    assert {row.dice for row in organs} == {1.0}
    assert {(row.prompts, row.choice) for row in organs} == {("box", "predicted")}
    assert found.facts["without_objects"] == {"cases": [], "measured": False}
    assert len(list((tmp_path / "run" / "overlays").glob("*.npz"))) == 3
    whole = io.open_label(missing)
    io.save_label(type(whole)(whole.values * 2, whole.grid, whole.orientation), missing)
    with pytest.raises(LabelError, match=r"labels \[2\] of the prediction"):
        score(**written, prediction=predicted, out=tmp_path / "two")
    missing.unlink()
    with pytest.raises(DataError, match="have no prediction"):
        score(**written, prediction=predicted, out=tmp_path / "less")
    with pytest.raises(ConfigError, match="prompts=box"):
        score(**written | {"prompts": "none"}, prediction=predicted, out=tmp_path / "none")
    with pytest.raises(DataError, match="prepared store"):
        score(reference=out / "labelsTs", box_channel=True, prompts="box", prediction=predicted, out=tmp_path / "f")
