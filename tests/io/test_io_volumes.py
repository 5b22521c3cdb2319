"""What NIfTI, NRRD and MetaImage may hold, and what is refused."""

from __future__ import annotations

import gzip
import struct

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk

import samadapt.io as io
from samadapt.core.errors import ConfigError, FileFormatError, InvalidGeometry, NonFiniteValues
from samadapt.core.image import Volume


def _hu(shape=(4, 5, 6)) -> np.ndarray:
    return np.random.default_rng(0).integers(-1024, 1500, shape).astype(np.int16)


def _raw_header(path, offset: int, *values: float, code: str = "f") -> None:
    content = bytearray(path.read_bytes())
    struct.pack_into(f"<{len(values)}{code}", content, offset, *values)
    path.write_bytes(bytes(content))


def test_every_stored_type_keeps_its_type_and_values(make_nifti):
    types = ("u1", "i1", "i2", "u2", "i4", "u4", "f4", "f8", ">i2", ">f4")
    for kind in types:
        data = np.arange(120).reshape(4, 5, 6).astype(kind)
        volume = io.open(make_nifti(data, np.diag([-1.0, -1, 1, 1]), name="x.nii"))
        assert volume.voxels.dtype == np.dtype(kind).newbyteorder("=")
        assert volume.voxels.dtype.isnative
        assert np.array_equal(volume.voxels, data.T)
    assert len(types) == 10


def test_big_endian_and_nifti2_files(tmp_path):
    data = _hu()
    for image in (
        nibabel.Nifti1Image(data, np.eye(4), header=nibabel.Nifti1Header(endianness=">")),
        nibabel.Nifti2Image(data, np.eye(4)),
    ):
        nibabel.save(image, tmp_path / "x.nii.gz")
        assert np.array_equal(io.open(tmp_path / "x.nii.gz").voxels[:, ::-1, ::-1], data.T)


def test_slope_and_intercept_are_applied_and_whole_offsets_stay_integer(make_nifti):
    path = make_nifti(np.full((2, 3, 4), 1064, np.int16), name="x.nii")
    _raw_header(path, 112, 1.0, -1024.0)
    shifted = io.open(path)
    assert shifted.voxels.dtype == np.int16
    assert (shifted.voxels == 40).all()
    _raw_header(path, 112, 0.5, 2.0)
    scaled = io.open(path)
    assert scaled.voxels.dtype == np.float32
    assert (scaled.voxels == 534).all()


def test_intercept_that_leaves_int16_is_widened(make_nifti):
    path = make_nifti(np.full((2, 3, 4), 32000, np.int16), name="x.nii")
    _raw_header(path, 112, 1.0, 1000.0)
    volume = io.open(path)
    assert (volume.voxels == 33000).all()


def test_units_other_than_millimetres_are_converted(make_nifti):
    path = make_nifti(_hu(), np.diag([500.0, 500.0, 1000.0, 1.0]), name="x.nii", xyzt_units=3)
    assert np.allclose(io.open(path).grid.spacing_mm, (1.0, 0.5, 0.5))


def test_single_slice_two_axes_and_a_fourth_axis_of_one(make_nifti):
    assert io.open(make_nifti(_hu((7, 8, 1)))).shape == (1, 8, 7)
    assert io.open(make_nifti(_hu((7, 8)))).shape == (1, 8, 7)
    squeezed = io.open(make_nifti(_hu((7, 8, 3, 1))))
    assert squeezed.voxels.shape == (3, 8, 7)


def test_fourth_axis_is_refused_unless_it_holds_channels(make_nifti):
    data = _hu((6, 5, 4, 3))
    path = make_nifti(data, np.diag([-1.0, -1, 1, 1]))
    with pytest.raises(InvalidGeometry, match="channels=True") as caught:
        io.open(path)
    assert caught.value.where == path
    volume = io.open(path, channels=True)
    assert np.array_equal(volume.voxels, data.transpose(2, 1, 0, 3))


def test_channels_come_back_from_every_volume_format(make_nifti, tmp_path):
    volume = io.open(make_nifti(_hu((6, 5, 4, 3))), channels=True)
    for suffix in (".nii.gz", ".nrrd", ".mha", ".npz", ".tif"):
        io.save_image(volume, tmp_path / f"x{suffix}")
        again = io.open(tmp_path / f"x{suffix}", channels=True)
        assert isinstance(again, Volume)
        assert np.array_equal(again.voxels, volume.voxels), suffix


def test_vector_nifti_of_five_axes(make_nifti):
    data = _hu((6, 5, 4, 1, 3))
    assert io.open(make_nifti(data), channels=True).voxels.shape == (4, 5, 6, 3)
    with pytest.raises(InvalidGeometry):
        io.open(make_nifti(_hu((6, 5, 4, 2, 3))), channels=True)


def test_rgb_voxels_are_channels(tmp_path):
    rgb = np.zeros((4, 5, 6), dtype=[("R", "u1"), ("G", "u1"), ("B", "u1")])
    rgb["G"] = 7
    nibabel.save(nibabel.Nifti1Image(rgb, np.eye(4)), tmp_path / "x.nii")
    volume = io.open(tmp_path / "x.nii")
    assert volume.voxels.shape == (6, 5, 4, 3)
    assert (volume.voxels[..., 1] == 7).all()


@pytest.mark.parametrize("spacing", [0.0, -2.0, np.nan])
def test_bad_spacing_in_nifti(make_nifti, spacing):
    path = make_nifti(_hu(), name="x.nii")
    _raw_header(path, 80, spacing)
    with pytest.raises(InvalidGeometry, match="spacing must be positive") as caught:
        io.open(path)
    assert caught.value.where == path
    assert "header" in caught.value.remedy


def test_coinciding_and_infinite_axes(make_nifti):
    path = make_nifti(_hu(), name="x.nii")
    for row in ((0, 0, 0, 0), (0, 1, 0, 0), (np.inf, 0, 0, 0)):
        _raw_header(path, 280, *row)
        with pytest.raises(InvalidGeometry, match=r"x\.nii"):
            io.open(path)


def test_nonfinite_voxels_are_counted_and_refused_kept_or_zeroed(make_nifti):
    data = np.ones((4, 5, 6), np.float32)
    data[0, 0, :3] = np.nan, np.inf, -np.inf
    path = make_nifti(data)
    with pytest.raises(NonFiniteValues, match=r"3 of 120 values are not finite \(1 NaN, 2 infinite\)") as caught:
        io.open(path)
    assert 'nonfinite="zero"' in caught.value.remedy
    assert np.isnan(io.open(path, nonfinite="keep").voxels).sum() == 1
    zeroed = io.open(path, nonfinite="zero").voxels
    assert zeroed.dtype == np.float32
    assert zeroed.sum() == 117
    with pytest.raises(ConfigError, match="refuse, keep, zero"):
        io.open(path, nonfinite="drop")


def test_truncated_compressed_nifti(make_nifti):
    path = make_nifti(_hu((40, 40, 40)))
    whole = path.read_bytes()
    for kept in (20, 200, len(whole) // 2, len(whole) - 12):
        path.write_bytes(whole[:kept])
        with pytest.raises(FileFormatError) as caught:
            io.open(path)
        assert caught.value.where == path
        assert caught.value.remedy


def test_truncated_plain_nifti_and_a_damaged_type_code(make_nifti):
    path = make_nifti(_hu(), name="x.nii")
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    with pytest.raises(FileFormatError, match="truncated"):
        io.open(path)
    path.write_bytes(whole)
    _raw_header(path, 70, 9999, code="h")
    with pytest.raises(FileFormatError, match="NIfTI"):
        io.open(path)
    _raw_header(path, 40, 99, code="h")
    with pytest.raises(FileFormatError):
        io.open(path)


def test_analyze_and_header_pairs_are_named(make_nifti):
    path = make_nifti(_hu(), name="x.nii")
    for magic, words in ((b"\0\0\0\0", "Analyze"), (b"ni1\0", "pair")):
        content = bytearray(path.read_bytes())
        content[344:348] = magic
        path.write_bytes(bytes(content))
        with pytest.raises(FileFormatError, match=words):
            io.open(path)


def test_complex_voxels_are_refused(make_nifti):
    with pytest.raises(FileFormatError, match="complex"):
        io.open(make_nifti(np.ones((2, 3, 4), np.complex64)))


def test_metaimage_with_its_data_in_another_file(tmp_path):
    image = sitk.GetImageFromArray(_hu())
    sitk.WriteImage(image, str(tmp_path / "x.mhd"))
    assert np.array_equal(io.open(tmp_path / "x.mhd").voxels, sitk.GetArrayFromImage(image))
    (tmp_path / "x.raw").unlink()
    with pytest.raises(FileFormatError, match=r"x\.mhd"):
        io.open(tmp_path / "x.mhd")


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_vectors_two_axes_and_truncation(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    sitk.WriteImage(sitk.GetImageFromArray(_hu((4, 5, 6, 2)), isVector=True), str(path))
    with pytest.raises(InvalidGeometry, match="channels=True"):
        io.open(path)
    assert io.open(path, channels=True).voxels.shape == (4, 5, 6, 2)
    flat = sitk.GetImageFromArray(_hu((5, 6)))
    flat.SetSpacing((0.5, 0.25))
    sitk.WriteImage(flat, str(path))
    assert io.open(path).shape == (1, 5, 6)
    assert io.open(path).grid.spacing_mm == (1.0, 0.25, 0.5)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(FileFormatError) as caught:
        io.open(path)
    assert caught.value.where == path


@pytest.mark.parametrize("suffix", [".nrrd", ".mha"])
def test_four_axes(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    data = _hu((2, 4, 5, 6))
    series = sitk.JoinSeries([sitk.GetImageFromArray(volume) for volume in data])
    sitk.WriteImage(series, str(path))
    with pytest.raises(InvalidGeometry, match="channels=True"):
        io.open(path)
    assert np.array_equal(io.open(path, channels=True).voxels, np.moveaxis(data, 0, -1))


@pytest.mark.parametrize("spacing", [b"0 1 3", b"-0.5 1 3", b"nan 1 1"])
def test_bad_spacing_in_metaimage(tmp_path, spacing):
    path = tmp_path / "x.mha"
    image = sitk.GetImageFromArray(_hu())
    image.SetSpacing((0.5, 1, 3))
    sitk.WriteImage(image, str(path))
    content = path.read_bytes()
    assert b"ElementSpacing = 0.5 1 3" in content
    path.write_bytes(content.replace(b"ElementSpacing = 0.5 1 3", b"ElementSpacing = " + spacing))
    with pytest.raises(InvalidGeometry, match="spacing must be positive"):
        io.open(path)


def test_zero_spacing_in_nrrd(tmp_path):
    path = tmp_path / "x.nrrd"
    sitk.WriteImage(sitk.GetImageFromArray(_hu()), str(path))
    content = path.read_bytes()
    assert b"(1,0,0)" in content
    path.write_bytes(content.replace(b"(1,0,0)", b"(0,0,0)"))
    with pytest.raises(InvalidGeometry, match="spacing"):
        io.open(path)


def test_wrong_suffixes_do_not_matter(make_nifti, tmp_path):
    path = make_nifti(_hu())
    volume = io.open(path)
    for suffix in (".nii.gz", ".nii", ".nrrd", ".mha", ".npz"):
        io.save_image(volume, tmp_path / f"x{suffix}")
        disguised = (tmp_path / f"x{suffix}").rename(tmp_path / "report.jpg")
        assert np.array_equal(io.open(disguised).voxels, volume.voxels), suffix
    (tmp_path / "plain.nii.gz").write_bytes(gzip.decompress(path.read_bytes()))
    assert np.array_equal(io.open(tmp_path / "plain.nii.gz").voxels, volume.voxels)
