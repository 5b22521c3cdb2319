"""Every defect, put into clean data, is found and the case is named."""

from __future__ import annotations

import gzip
import struct

import nibabel
import numpy as np
import pytest

from fake import flare22, folders, msd
from fake.abdomen import abdomen
from fake.writing import disc, jpeg, nifti, noisy, png
from samadapt.data.doctor import examine

CASE = "FLARE22_Tr_0003"
BAD_LABEL = f"labels/{CASE}.nii.gz"
BAD_IMAGE = f"images/{CASE}_0000.nii.gz"


@pytest.fixture
def flare(tmp_path):
    return flare22.write(tmp_path / "flare", cases=7)


def found(root, check, severity="error", case=CASE, **arguments):
    """The finding of a check that names the case."""
    diagnosis = examine(root, **arguments)
    hits = [f for f in diagnosis.of(check) if case in f.cases]
    assert hits, diagnosis.to_text()
    assert hits[0].severity == severity
    assert hits[0].remedy
    assert diagnosis.exit_code == int(bool(diagnosis.errors))
    return hits[0]


def rewrite(root, name, change, spacing=flare22.SPACING):
    """Change a NIfTI file's canonical array in place."""
    path = root / name
    data = np.asarray(nibabel.load(path).dataobj).transpose(2, 1, 0)
    nifti(path, change(data), spacing)


def test_affine_mismatch(flare):
    rewrite(flare, BAD_LABEL, lambda a: a, spacing=(5.0, 1.0, 1.0))
    assert "affines differ" in found(flare, "grid").message


def test_shape_mismatch(flare):
    rewrite(flare, BAD_LABEL, lambda a: a[:-2])
    assert "shape" in found(flare, "grid").message


def test_labels_that_are_not_whole(flare):
    rewrite(flare, BAD_LABEL, lambda a: a.astype(np.float32) * 0.5)
    assert "whole numbers" in found(flare, "label values").message


def test_unknown_label_value(flare):
    rewrite(flare, BAD_LABEL, lambda a: np.where(a == 4, 40, a).astype(np.uint8))
    assert "40" in found(flare, "label values").message


def test_nan_and_infinity(flare):
    def spoil(array):
        array = array.astype(np.float32)
        array[0, 0, 0], array[0, 0, 1] = np.nan, np.inf
        return array

    rewrite(flare, BAD_IMAGE, spoil)
    found(flare, "finite")


def test_constant_image(flare):
    rewrite(flare, BAD_IMAGE, np.zeros_like)
    found(flare, "constant")


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_zero_and_negative_spacing(flare, value):
    path = flare / BAD_IMAGE
    raw = bytearray(gzip.decompress(path.read_bytes()))
    struct.pack_into("<f", raw, 76 + 4, value)  # pixdim[1]
    path.write_bytes(gzip.compress(bytes(raw)))
    found(flare, "spacing")


def test_spacing_in_metres(flare):
    for name in (BAD_IMAGE, BAD_LABEL):
        rewrite(flare, name, lambda a: a, spacing=(0.0025, 0.001, 0.001))
    found(flare, "spacing", "warning")


def test_truncated_file(flare):
    path = flare / BAD_IMAGE
    path.write_bytes(path.read_bytes()[:3000])
    found(flare, "readable")


def test_image_and_label_flipped_together(flare):
    for name in (BAD_IMAGE, BAD_LABEL):
        rewrite(flare, name, lambda a: a[:, :, ::-1])
    finding = found(flare, "sides")
    assert finding.cases == (CASE,)
    assert "left and right are exchanged" in finding.message


def test_flip_of_a_single_case_is_found_by_anatomy(tmp_path):
    root = flare22.write(tmp_path, cases=1)
    for name in ("images/FLARE22_Tr_0001_0000.nii.gz", "labels/FLARE22_Tr_0001.nii.gz"):
        rewrite(root, name, lambda a: a[:, :, ::-1])
    found(root, "sides", case="FLARE22_Tr_0001")


@pytest.mark.parametrize(("axis", "flip"), [(2, "left-right"), (1, "front-back"), (0, "head-feet")])
def test_label_flipped_against_image(flare, axis, flip):
    rewrite(flare, BAD_LABEL, lambda a: np.flip(a, axis))
    finding = found(flare, "mirrored")
    assert finding.cases == (CASE,)
    assert flip in finding.message


def test_label_flipped_without_any_sides(tmp_path):
    root = msd.write_hippocampus(tmp_path)
    rewrite(root, "labels/hippocampus_004.nii.gz", lambda a: a[:, ::-1], spacing=(1, 1, 1))
    found(root, "mirrored", case="hippocampus_004")


def test_all_pictures_flipped_against_their_masks(tmp_path):
    for number in range(4):
        mask = disc((40, 50), (12 + number, 15), 7)
        png(tmp_path / "images" / f"{number}.png", noisy((40, 50), number) + mask.astype(np.uint8) * 90)
        png(tmp_path / "masks" / f"{number}.png", mask[::-1].astype(np.uint8) * 255)
    finding = found(tmp_path, "mirrored", case="2")
    assert len(finding.cases) == 4
    assert "up-down" in finding.message


def test_two_labels_exchanged(flare):
    def exchange(array):
        out = array.copy()
        out[array == 1], out[array == 9] = 9, 1
        return out

    rewrite(flare, BAD_LABEL, exchange)
    finding = found(flare, "exchanged labels")
    assert finding.cases == (CASE,)
    assert "'liver' looks like 'gallbladder'" in finding.message


def test_kidneys_exchanged(flare):
    def exchange(array):
        out = array.copy()
        out[array == 2], out[array == 13] = 13, 2
        return out

    rewrite(flare, BAD_LABEL, exchange)
    assert "kidney" in found(flare, "sides").message
    assert "kidney" in found(flare, "exchanged labels").message


def test_labels_of_another_order_in_the_hippocampus(tmp_path):
    root = msd.write_hippocampus(tmp_path)
    rewrite(root, "labels/hippocampus_002.nii.gz", lambda a: np.array([0, 2, 1], np.uint8)[a], spacing=(1, 1, 1))
    assert found(root, "exchanged labels", case="hippocampus_002").cases == ("hippocampus_002",)


def test_duplicate_under_another_name(flare):
    for source, target in (("0002_0000", "0007_0000"),):
        (flare / f"images/FLARE22_Tr_{target}.nii.gz").write_bytes(
            (flare / f"images/FLARE22_Tr_{source}.nii.gz").read_bytes()
        )
    finding = found(flare, "duplicate", case="FLARE22_Tr_0007")
    assert "FLARE22_Tr_0002" in finding.cases
    assert "different labels" in finding.message
    (flare / "labels/FLARE22_Tr_0007.nii.gz").write_bytes((flare / "labels/FLARE22_Tr_0002.nii.gz").read_bytes())
    assert "different patients" in found(flare, "duplicate", "warning", case="FLARE22_Tr_0007").message


def test_duplicate_across_splits(tmp_path):
    root = folders.write_kvasir(tmp_path / "Kvasir-SEG")
    for kind in ("images", "masks"):
        (root / "test" / kind / "copy.jpg").write_bytes((root / "train" / kind / "1.jpg").read_bytes())
    finding = found(root, "duplicate", case="copy")
    assert set(finding.cases) == {"1", "copy"}
    assert "test and train" in finding.message


def test_patient_in_two_splits(tmp_path):
    for seed, name in enumerate(("train/images/p1_s1", "train/images/p2_s1", "test/images/p1_s2")):
        png(tmp_path / f"{name}.png", noisy((30, 30), seed) + disc((30, 30), (14, 15), 6).astype(np.uint8) * 90)
        mask = disc((30, 30), (14, 15), 6).astype(np.uint8) * 255
        png(tmp_path / f"{name.replace('images', 'masks')}.png", mask)
    finding = found(tmp_path, "leakage", case="p1_s2", options={"patient": r"^(p\d)"})
    assert set(finding.cases) == {"p1_s1", "p1_s2"}
    assert not examine(tmp_path).of("leakage")


def test_class_absent_from_training(tmp_path):
    for number, split in enumerate(("train", "train", "test", "test")):
        label = np.zeros((30, 30), np.uint8)
        label[5:12, 5:12] = 1
        label[18:26, 14:26] = 2 if split == "test" else 0
        png(tmp_path / split / "images" / f"{number}.png", noisy((30, 30), number) + label * 60)
        png(tmp_path / split / "masks" / f"{number}.png", label)
    finding = found(tmp_path, "training split", case="2", options={"names": {1: "roof", 2: "road"}})
    assert "road" in finding.message
    assert finding.cases == ("2", "3")


def test_class_never_present_and_empty_volume(flare):
    for number in range(1, 8):
        rewrite(flare, f"labels/FLARE22_Tr_{number:04d}.nii.gz", lambda a: np.where(a == 12, 0, a))
    rewrite(flare, BAD_LABEL, np.zeros_like)
    found(flare, "empty label", "warning")
    absent = examine(flare).of("absent class")
    assert absent[0].where == "duodenum"


def test_all_masks_empty(tmp_path):
    for number in range(3):
        png(tmp_path / "images" / f"{number}.png", noisy((20, 20), number))
        png(tmp_path / "masks" / f"{number}.png", np.zeros((20, 20), np.uint8))
    found(tmp_path, "empty label", case="1")


def test_mask_with_0_1_and_255(tmp_path):
    for number in range(3):
        mask = disc((30, 30), (15, 15), 8).astype(np.uint8)
        png(tmp_path / "images" / f"{number}.png", noisy((30, 30), number) + mask * 90)
        if number == 1:
            mask[15:] *= 255
        png(tmp_path / "masks" / f"{number}.png", mask)
    assert "1 and 255" in found(tmp_path, "label values", case="1").message


def test_wrong_window(tmp_path):
    for number in range(2):
        image, labels = abdomen(number)
        lungs = (labels > 0).astype(np.uint8)
        nifti(tmp_path / "images" / f"chest{number}_ct.nii.gz", np.where(lungs > 0, image - 1000, image))
        nifti(tmp_path / "labels" / f"chest{number}_ct.nii.gz", lungs)
    found(tmp_path, "window", case="chest0_ct")
    assert not examine(tmp_path, window="ct-lung").of("window")


def test_window_that_hides_one_class(flare):
    finding = found(flare, "window", "warning", window="[-1000,150]")
    assert finding.where.startswith("right kidney")
    assert {f.where.split(" in ")[0] for f in examine(flare, window="[-1000,150]").of("window")} == {
        *("right kidney", "left kidney", "aorta", "inferior vena cava")
    }


def test_one_slice_and_thick_slices(flare):
    for name in (BAD_IMAGE, BAD_LABEL):
        rewrite(flare, name, lambda a: a[10:11])
    found(flare, "one slice", "note")
    for name in ("images/FLARE22_Tr_0001_0000.nii.gz", "labels/FLARE22_Tr_0001.nii.gz"):
        rewrite(flare, name, lambda a: a, spacing=(6.0, 1.0, 1.0))
    assert "6.0 times" in found(flare, "anisotropic", "note", case="FLARE22_Tr_0001").message


def test_exclusions_are_told(tmp_path):
    root = folders.write_kvasir(tmp_path / "Kvasir-SEG")
    (root / "train" / "masks" / "2.jpg").unlink()
    jpeg(root / "test" / "masks" / "99.jpg", np.zeros((8, 8), np.uint8))
    reasons = {f.message: f.cases for f in examine(root).of("excluded")}
    assert reasons["left out: image without label"] == ("2.jpg",)
    assert reasons["left out: label without image"] == ("99.jpg",)


@pytest.mark.parametrize("fault", ["label values", "readable", "damaged header"])
def test_labels_of_plain_folders_that_cannot_be_read_are_errors(tmp_path, fault):
    for number in range(3):
        label = np.zeros((3, 24, 24), np.uint8)
        label[:, 6:14, 8:18] = 1 + (noisy((3, 8, 10), number) > 128)
        image = noisy(label.shape, number).astype(np.int16)
        for folder, array in (("images", image), ("masks", label)):
            nifti(tmp_path / folder / f"case{number}.nii.gz", array, (5.0, 1.0, 1.0))
    path = tmp_path / "masks" / "case1.nii.gz"
    if fault == "damaged header":
        path.write_bytes(path.read_bytes()[:60])
        assert "unreadable" in found(tmp_path, "readable", case="case1.nii.gz").message
        return
    if fault == "readable":
        path.write_bytes(path.read_bytes()[:-40])
    else:
        nifti(path, label.astype(np.float32) * 0.5, (5.0, 1.0, 1.0))
    finding = found(tmp_path, fault, case="case1")
    assert str(path) in finding.message
