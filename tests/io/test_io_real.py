"""Real files of public datasets, where they are present."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import PIL.Image
import pytest
import SimpleITK as sitk

import samadapt.io as io
from samadapt.core.errors import FileFormatError, LabelError
from samadapt.core.image import Image, Volume

DUBAI = {
    (0x3C, 0x10, 0x98): 1,
    (0x84, 0x29, 0xF6): 2,
    (0x6E, 0xC1, 0xE4): 3,
    (0xFE, 0xDD, 0x3A): 4,
    (0xE2, 0xA9, 0x29): 5,
    (0x9B, 0x9B, 0x9B): 255,
}


def _same_as_simpleitk(path: Path) -> Volume:
    """Compare with SimpleITK's own reorientation to LPS."""
    ours = io.open(path)
    theirs = sitk.DICOMOrient(sitk.ReadImage(str(path)), "LPS")
    assert isinstance(ours, Volume)
    assert np.array_equal(ours.voxels, sitk.GetArrayFromImage(theirs))
    assert np.allclose(ours.grid.spacing_mm[::-1], theirs.GetSpacing(), atol=1e-5)
    assert np.allclose(ours.grid.affine[:3, 3], theirs.GetOrigin(), atol=1e-3)
    return ours


def _round_trip(path: Path, tmp_path: Path) -> None:
    io.save_image(io.open(path), tmp_path / "back.nii.gz")
    before, after = nibabel.load(path), nibabel.load(tmp_path / "back.nii.gz")
    assert np.array_equal(before.affine, after.affine)
    assert np.array_equal(np.asarray(before.dataobj), np.asarray(after.dataobj))
    assert before.get_data_dtype() == after.get_data_dtype()


def test_hippocampus(real_data, tmp_path):
    path = io.find_images(real_data / "hippocampus/images")[0]
    image = _same_as_simpleitk(path)
    label = io.open_label(real_data / "hippocampus/labels" / path.name)
    label.grid.require_match(image.grid)
    assert np.unique(label.values).tolist() == [0, 1, 2]
    _round_trip(path, tmp_path)


def test_spleen(real_data, tmp_path):
    path = real_data / "msd_spleen_crop/images/sub-spleen2_ct.nii.gz"
    image = _same_as_simpleitk(path)
    label = io.open_label(real_data / "msd_spleen_crop/labels/sub-spleen2_ct_seg-manual.nii.gz")
    label.grid.require_match(image.grid)
    assert image.shape == (26, 166, 164)
    assert np.count_nonzero(label.values) == 96672
    _round_trip(path, tmp_path)


def test_totalsegmentator_ct(real_data, tmp_path):
    path = real_data / "totalseg_example/example_ct_sm.nii.gz"
    image = _same_as_simpleitk(path)
    assert image.shape == (30, 101, 122)
    assert image.voxels.dtype == np.int16
    label = io.open_label(real_data / "totalseg_example/example_seg.nii.gz")
    label.grid.require_match(image.grid)
    assert len(np.unique(label.values)) == 42
    _round_trip(path, tmp_path)


def test_nrrd_of_pyradiomics(real_data):
    folder = real_data / "pyradiomics_nrrd"
    counts = {"brain1": 4137, "brain2": 453, "breast1": 143}
    for case, count in counts.items():
        image = _same_as_simpleitk(folder / f"{case}_image.nrrd")
        label = io.open_label(folder / f"{case}_label.nrrd")
        label.grid.require_match(image.grid)
        assert np.count_nonzero(label.values) == count
    assert len(counts) == 3


def test_medsam2_lesions_stand_upright(real_data):
    paths = io.find_images(real_data / "medsam2_ct_lesion")
    for path in paths:
        image, label = io.open_pair(path)
        raw = np.load(path)
        x, y, z = raw["spacing"]
        assert x == y
        assert image.grid.spacing_mm == pytest.approx((z, y, x))
        assert z == 5.0
        assert np.array_equal(image.voxels, raw["imgs"][::-1].transpose(0, 2, 1))
        assert np.array_equal(label.values, raw["gts"][::-1].transpose(0, 2, 1))
    assert len(paths) == 2


def test_each_mode_of_sirst(real_data):
    seen = {}
    for path in io.find_images(real_data / "sirst_v2/images"):
        with PIL.Image.open(path) as picture:
            mode = picture.mode
        if mode not in seen:
            seen[mode] = io.open(path, modality="infrared").pixels.shape[2:]
    assert seen == {"L": (), "RGB": (3,), "RGBA": (4,), "P": (3,)}


def test_kvasir_masks_are_jpeg(real_data):
    path = io.find_images(real_data / "kvasir_seg/train/masks")[0]
    with pytest.raises(LabelError, match="threshold=127"):
        io.open_label(path)
    mask = io.open_label(path, threshold=127)
    assert mask.values.shape == (352, 352)
    assert 0 < mask.values.mean() < 0.9


def test_dubai_colours(real_data):
    paths = io.find_images(real_data / "dubai_aerial/masks")
    black = []
    for path in paths:
        label = io.open_label(path, colors={**DUBAI, (0, 0, 0): 254})
        assert set(np.unique(label.values)) <= {1, 2, 3, 4, 5, 254, 255}
        black.append(int(np.count_nonzero(label.values == 254)))
    assert len(paths) >= 30
    assert sum(black) > 0
    worst = int(np.argmax(black))
    with pytest.raises(LabelError, match=rf"\(0, 0, 0\): {black[worst]} pixels"):
        io.open_label(paths[worst], colors=DUBAI)


def test_nuclei_instances_are_16_bit(real_data):
    path = io.find_images(real_data / "dsb2018_nuclei/images")[0]
    image = io.open(path)
    label = io.open_label(real_data / "dsb2018_nuclei/instances" / path.name)
    assert isinstance(image, Image)
    assert image.pixels.shape == (*label.values.shape, 4)
    assert label.values.max() > 1


def test_gaofen_tiles(real_data):
    path = io.find_images(real_data / "gid_mtl5/images")[0]
    assert io.open(path).pixels.shape == (224, 224, 3)


@pytest.mark.parametrize("folder", ["chaos_ct_dicom/dicom", "totalseg_example/dicom", "dicomseg_example/ct-3slice"])
def test_dicom_series(real_data, folder):
    ours = io.open(real_data / folder)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(real_data / folder)))
    theirs = sitk.DICOMOrient(reader.Execute(), "LPS")
    assert isinstance(ours, Volume)
    assert ours.modality == "CT"
    assert np.array_equal(ours.voxels, sitk.GetArrayFromImage(theirs))
    assert np.allclose(ours.grid.spacing_mm[::-1], theirs.GetSpacing(), atol=1e-5)
    assert np.allclose(ours.grid.affine[:3, 3], theirs.GetOrigin(), atol=1e-3)
    assert io.find_images(real_data / folder) == []


def test_three_patients_in_one_folder(real_data):
    folder = real_data / "sunnybrook_cardiac/dicom"
    with pytest.raises(FileFormatError, match="3 series"):
        io.open(folder)
    image = io.open(folder / "SCD0000101_0048.dcm")
    assert isinstance(image, Image)
    assert (image.modality, image.shape) == ("MR", (256, 256))
    assert image.grid.spacing_mm == pytest.approx((1.367188, 1.367188))


def test_names_inside_a_label_map(real_data):
    names = io.label_names(real_data / "totalseg_example/example_seg.nii.gz")
    assert len(names) == 117
    assert names[5] == "liver"
    assert io.label_names(real_data / "msd_spleen_crop/labels/sub-spleen2_ct_seg-manual.nii.gz") == {}
