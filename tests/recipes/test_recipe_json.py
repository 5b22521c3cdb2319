"""Recipes that read JSON: what is refused, what is excluded with a reason."""

from __future__ import annotations

import json

import numpy as np
import pytest

from fake import flare22, medsam_npz, msd, nnunet, sammed2d
from fake.writing import nifti, png
from samadapt.core.errors import ConfigError, DataError, FileFormatError, LabelError
from samadapt.data import recipes


def reasons(name, root):
    return dict(recipes.get(name).find(root).exclusions)


def test_nnunet_regions_are_refused(tmp_path):
    root = nnunet.write(tmp_path, labels={"background": 0, "whole tumour": [1, 2], "core": 1})
    with pytest.raises(DataError, match=r"'whole tumour' is a region.*own name"):
        recipes.get("nnunet").find(root)


def test_nnunet_test_set_with_labels_and_ignore(tmp_path):
    root = nnunet.write(tmp_path, labels={"background": 0, "tumour": 1, "ignore": 2})
    nnunet.case(root, "imagesTs", "labelsTs", "BRATS_901", 5)
    found = recipes.get("nnunet").find(root)
    assert {case.name: case.split for case in found.cases}["BRATS_901"] == "test"
    assert found.label_set.ignore == 2
    assert [label.name for label in found.label_set.labels] == ["tumour"]


def test_nnunet_exclusions(tmp_path):
    root = nnunet.write(tmp_path)
    (root / "imagesTr" / "BRATS_000_0001.nii.gz").unlink()
    (root / "labelsTr" / "BRATS_001.nii.gz").unlink()
    (root / "imagesTr" / "strange.nii.gz").write_bytes(b"x")
    nifti(root / "labelsTr" / "BRATS_777.nii.gz", np.ones((2, 3, 4), np.uint8))
    found = reasons("nnunet", root)
    assert found["BRATS_000"] == "channel 0001 of 2 is missing"
    assert "without label" in found["BRATS_001"]
    assert "four digits" in found["strange.nii.gz"]
    assert found["BRATS_777.nii.gz"] == "label without image"


def test_nnunet_json_problems(tmp_path):
    nnunet.write(tmp_path)
    path = tmp_path / "dataset.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps({k: v for k, v in content.items() if k != "file_ending"}))
    with pytest.raises(DataError, match="file_ending"):
        recipes.get("nnunet").find(tmp_path)
    path.write_text("{")
    with pytest.raises(FileFormatError, match=r"dataset\.json"):
        recipes.get("nnunet").find(tmp_path)
    with pytest.raises(ConfigError, match="no option 'names'"):
        recipes.get("nnunet").find(tmp_path, names={1: "x"})


def test_msd_exclusions(tmp_path):
    root = msd.write(tmp_path)
    (root / "labelsTr" / "BRATS_002.nii.gz").unlink()
    (root / "imagesTr" / "BRATS_003.nii.gz").write_bytes(b"")
    nifti(root / "imagesTr" / "BRATS_500.nii.gz", np.ones((2, 3, 4), np.float32))
    found = reasons("msd", root)
    assert "label file BRATS_002.nii.gz is missing" in found["BRATS_002"]
    assert "empty" in found["BRATS_003"]
    assert found["BRATS_485"] == "test image without label"
    assert "not in dataset.json" in found["BRATS_500.nii.gz"]


def test_flare22_unlabelled_images_are_reported(tmp_path):
    root = flare22.write(tmp_path, cases=2)
    (root / "labels" / "FLARE22_Tr_0002.nii.gz").unlink()
    nifti(root / "unlabeled" / "FLARE22_UnlabeledCase0001_0000.nii.gz", np.ones((2, 3, 4), np.int16))
    found = reasons("flare22", root)
    assert found["FLARE22_Tr_0002_0000.nii.gz"] == "image without label"
    assert "unlabelled" in found["FLARE22_UnlabeledCase0001_0000.nii.gz"]


def test_medsam_npz_exclusions_and_names(tmp_path):
    root = medsam_npz.write(tmp_path)
    np.savez(root / "only_image.npz", imgs=np.zeros((2, 3, 4), np.uint8))
    (root / "torn.npz").write_bytes((root / "CT_Lesion_000001_01_02_003-007.npz").read_bytes()[:200])
    found = reasons("medsam-npz", root)
    assert "no array gts" in found["only_image.npz"]
    assert "damaged" in found["torn.npz"]
    named = recipes.get("medsam-npz").find(root, names={1: "tumour"}, modality="MR")
    assert named.label_set.names == {1: "tumour"}
    assert named.cases[0].load().image.modality == "MR"


def test_sammed2d_masks_must_be_binary(tmp_path):
    root = sammed2d.write(tmp_path / "data_demo")
    png(root / "masks" / "amos_0002_33_liver_000.png", np.full(sammed2d.HW, 7, np.uint8))
    cases = {case.name: case for case in recipes.get("sammed2d").find(root).cases}
    with pytest.raises(LabelError, match=r"amos_0002_33_liver_000\.png.*binary"):
        cases["amos_0002_33"].load()


def test_sammed2d_missing_files_and_duplicates(tmp_path):
    root = sammed2d.write(tmp_path / "data_demo")
    (root / "masks" / "amos_0001_10_aorta_000.png").unlink()
    (root / "images" / "amos_0002_33.png").unlink()
    test = json.loads((root / "label2image_test.json").read_text())
    test["data_demo/masks/s0114_111_heart_000.png"] = "data_demo/images/s0114_111.png"
    (root / "label2image_test.json").write_text(json.dumps(test))
    found = reasons("sammed2d", root)
    assert "missing" in found["amos_0001_10_aorta_000.png"]
    assert "missing" in found["amos_0002_33.png"]
    assert "already in train" in found["s0114_111.png"]
