"""A store as nnU-Net's raw dataset, and back."""

from __future__ import annotations

import json

import numpy as np
import pytest
import yaml

from fake import nnunet as fake_nnunet
from fake.writing import disc, noisy, png
from samadapt import io
from samadapt.core.errors import ConfigError, DataError, RunFolderError
from samadapt.data.nnunet_raw import export_nnunet
from samadapt.data.phantoms import write_flare22
from samadapt.data.prepare import prepare
from samadapt.data.store import Store


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


def test_colour_pictures_become_png(tmp_path):
    for number in range(6):
        png(tmp_path / "raw" / "images" / f"{number}.png", noisy((24, 30, 3), number))
        mask = disc((24, 30), (12, 12), 6)
        png(tmp_path / "raw" / "masks" / f"{number}.png", (mask * 255).astype(np.uint8))
    store = prepare(source=tmp_path / "raw", recipe="folder", out=tmp_path / "store", workers=0)
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
