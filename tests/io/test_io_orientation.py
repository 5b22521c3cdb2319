"""Every axis order comes out as LPS, and goes back into the file it came from."""

from __future__ import annotations

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
from io_cases import AXES, RAS_FROM_LPS, oriented_affine, rotation

import samadapt.io as io
from samadapt.core.image import LabelMap, Volume
from samadapt.io.orient import nearest_orientation, to_canonical

SHAPE = (4, 5, 6)


def _numbers() -> np.ndarray:
    return np.arange(np.prod(SHAPE), dtype=np.int16).reshape(SHAPE)


def _value_at(volume: Volume, lps: np.ndarray) -> float:
    index = np.linalg.solve(volume.grid.affine, np.append(lps, 1.0))[:3]
    assert np.allclose(index, np.rint(index), atol=1e-6)
    return volume.voxels[tuple(np.rint(index).astype(int))]


def test_all_48_orientations_keep_values_at_world_positions_and_restore_the_file(make_nifti, tmp_path):
    seen = 0
    for axes in AXES:
        affine, data = oriented_affine(axes), _numbers()
        volume = io.open(make_nifti(data, affine))
        assert np.argmax(np.abs(volume.grid.affine[:3, :3]), axis=0).tolist() == [2, 1, 0]
        assert (np.diag(volume.grid.affine[:3, [2, 1, 0]]) > 0).all()
        for ijk in [(0, 0, 0), (3, 4, 5), (1, 3, 2)]:
            world_ras = affine @ np.array([*ijk, 1.0])
            assert _value_at(volume, (RAS_FROM_LPS @ world_ras)[:3]) == data[ijk]
        io.save_image(volume, tmp_path / "back.nii.gz")
        back = nibabel.load(tmp_path / "back.nii.gz")
        assert np.array_equal(back.affine, affine)
        assert np.array_equal(np.asarray(back.dataobj), data)
        assert back.get_data_dtype() == np.int16
        seen += 1
    assert seen == 48


def test_oblique_affines_come_back_bit_for_bit(make_nifti, tmp_path):
    rng = np.random.default_rng(3)
    for number, axes in enumerate(AXES):
        tilt = rotation(rng.uniform(-30, 30), number % 3) @ rotation(rng.uniform(-12, 12), (number + 1) % 3)
        affine = oriented_affine(axes, rng.uniform(0.3, 5, 3), rng.uniform(-300, 300, 3), tilt)
        path = make_nifti(_numbers(), affine)
        volume = io.open(path)
        io.save_image(volume, tmp_path / "back.nii.gz")
        before, after = nibabel.load(path), nibabel.load(tmp_path / "back.nii.gz")
        assert np.array_equal(before.header.get_sform(), after.header.get_sform())
        assert np.allclose(after.header.get_qform(), affine, atol=1e-3)
        assert np.array_equal(np.asarray(before.dataobj), np.asarray(after.dataobj))
        again = io.open(tmp_path / "back.nii.gz")
        assert np.array_equal(again.grid.affine, volume.grid.affine)
        assert again.orientation == volume.orientation
    assert number == 47


def test_written_nifti_has_sform_qform_and_millimetres(make_nifti, tmp_path):
    io.save_image(io.open(make_nifti(_numbers(), oriented_affine(AXES[5]))), tmp_path / "x.nii.gz")
    header = nibabel.load(tmp_path / "x.nii.gz").header
    assert (int(header["sform_code"]), int(header["qform_code"])) == (1, 1)
    assert header.get_xyzt_units()[0] == "mm"
    assert np.allclose(header.get_zooms(), (0.75, 1.5, 2.25))


def test_sheared_axes_are_written_without_a_qform_that_would_contradict(make_nifti, tmp_path):
    affine = oriented_affine(AXES[0])
    affine[0, 2] = 1.2
    io.save_image(io.open(make_nifti(_numbers(), affine)), tmp_path / "x.nii.gz")
    header = nibabel.load(tmp_path / "x.nii.gz").header
    assert int(header["qform_code"]) == 0
    assert np.allclose(header.get_sform(), affine)


@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha"])
def test_agrees_with_simpleitk_for_an_lps_volume(tmp_path, suffix):
    image = sitk.GetImageFromArray(np.arange(120, dtype=np.int16).reshape(4, 5, 6))
    image.SetSpacing((0.5, 0.75, 3.0))
    image.SetOrigin((-10.0, 20.5, 33.0))
    sitk.WriteImage(image, str(tmp_path / f"x{suffix}"))
    ours = io.open(tmp_path / f"x{suffix}")
    assert np.array_equal(ours.voxels, sitk.GetArrayFromImage(image))
    assert ours.grid.spacing_mm == (3.0, 0.75, 0.5)
    assert np.allclose((ours.grid.affine @ [1, 2, 3, 1])[:3], image.TransformIndexToPhysicalPoint((3, 2, 1)))


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_simpleitk_formats_in_all_48_orientations(make_nifti, tmp_path, suffix):
    for axes in AXES:
        affine = oriented_affine(axes, tilt=rotation(10, 1))
        volume = io.open(make_nifti(_numbers(), affine))
        io.save_image(volume, tmp_path / f"x{suffix}")
        image = sitk.ReadImage(str(tmp_path / f"x{suffix}"))
        assert np.array_equal(sitk.GetArrayFromImage(image).T, _numbers())
        again = io.open(tmp_path / f"x{suffix}")
        assert np.array_equal(again.voxels, volume.voxels)
        assert again.orientation == volume.orientation
        assert np.allclose(again.grid.affine, volume.grid.affine, atol=1e-6)
    assert len(AXES) == 48


def test_label_goes_back_over_its_image(make_nifti, tmp_path):
    path = make_nifti(_numbers(), oriented_affine(AXES[29]))
    volume = io.open(path)
    label = LabelMap((volume.voxels > 60).astype(np.uint8), volume.grid, volume.orientation)
    io.save_label(label, tmp_path / "label.nii.gz")
    written = nibabel.load(tmp_path / "label.nii.gz")
    assert written.get_data_dtype() == np.uint8
    assert np.array_equal(np.asarray(written.dataobj) > 0, _numbers() > 60)
    assert np.array_equal(written.affine, nibabel.load(path).affine)
    io.open_label(tmp_path / "label.nii.gz").grid.require_match(volume.grid)


def test_volumes_may_be_written_in_another_format_than_read(make_nifti, tmp_path):
    volume = io.open(make_nifti(_numbers(), oriented_affine(AXES[17])))
    for suffix in (".nii", ".nrrd", ".mha", ".npz"):
        io.save_image(volume, tmp_path / f"x{suffix}")
        again = io.open(tmp_path / f"x{suffix}")
        assert np.array_equal(again.voxels, volume.voxels)
        assert np.allclose(again.grid.affine, volume.grid.affine)
        assert again.orientation == volume.orientation


def test_an_axis_at_45_degrees_is_decided_the_same_way_always():
    affine = np.eye(4)
    affine[:3, :3] = (rotation(45, 0))[:, ::-1]
    assert nearest_orientation(affine) == nearest_orientation(affine + 1e-15)


def test_canonical_is_a_view_without_interpolation():
    array = _numbers()
    view, _ = to_canonical(array, oriented_affine(AXES[9]), ((2, -1), (0, 1), (1, -1)))
    assert np.shares_memory(view, array)
    assert view.shape == (6, 4, 5)
