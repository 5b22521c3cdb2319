"""Arrays in the layouts of MedSAM, TransUNet and SAMed."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

import samadapt.io as io
from samadapt.core.errors import FileFormatError, InvalidGeometry, NonFiniteValues, ShapeMismatch
from samadapt.core.image import Image, Volume


def _random(*shape) -> np.ndarray:
    return np.random.default_rng(2).integers(0, 255, shape).astype(np.uint8)


def test_medsam_volume_has_its_spacing_in_xyz(tmp_path):
    imgs, gts = _random(4, 6, 5), _random(4, 6, 5) % 3
    np.savez_compressed(tmp_path / "x.npz", imgs=imgs, gts=gts, spacing=(0.5, 0.75, 5.0))
    image, label = io.open_pair(tmp_path / "x.npz")
    assert isinstance(image, Volume)
    assert image.grid.spacing_mm == (5.0, 0.75, 0.5)
    assert np.array_equal(image.voxels, imgs)
    assert np.array_equal(label.values, gts)
    label.grid.require_match(image.grid)
    assert np.array_equal(io.open(tmp_path / "x.npz").voxels, imgs)
    assert np.array_equal(io.open_label(tmp_path / "x.npz").values, gts)


@pytest.mark.parametrize(
    ("imgs", "gts", "kind"),
    [
        ((6, 5, 3), (6, 5), Image),
        ((4, 6, 5, 3), (4, 6, 5), Volume),
        ((4, 6, 3), (4, 6, 3), Volume),
        ((6, 5), (6, 5), Image),
    ],
)
def test_the_label_tells_colours_from_slices(tmp_path, imgs, gts, kind):
    np.savez(tmp_path / "x.npz", imgs=_random(*imgs), gts=_random(*gts))
    image, label = io.open_pair(tmp_path / "x.npz")
    assert isinstance(image, kind)
    assert label.values.shape == gts
    assert isinstance(io.open(tmp_path / "x.npz"), kind)


def test_transunet_slice_and_volume(tmp_path):
    image, label = np.random.default_rng(0).random((6, 5), np.float32), (_random(6, 5) % 9).astype(np.float32)
    np.savez(tmp_path / "case_slice000.npz", image=image, label=label)
    opened, truth = io.open_pair(tmp_path / "case_slice000.npz")
    assert np.array_equal(opened.pixels, image)
    assert truth.values.dtype == np.uint8
    with h5py.File(tmp_path / "case.npy.h5", "w") as file:
        file["image"], file["label"] = np.stack([image] * 3), np.stack([label] * 3)
    opened, truth = io.open_pair(tmp_path / "case.npy.h5")
    assert opened.voxels.shape == truth.values.shape == (3, 6, 5)
    assert np.array_equal(io.open_label(tmp_path / "case.npy.h5").values[1], label)


def test_npy_and_a_single_array(tmp_path):
    for shape, kind in (((6, 5), Image), ((6, 5, 3), Image), ((4, 6, 5), Volume), ((4, 6, 5, 2), Volume)):
        np.save(tmp_path / "x.npy", _random(*shape))
        assert isinstance(io.open(tmp_path / "x.npy"), kind)
    np.savez(tmp_path / "x.npz", _random(6, 5))
    assert io.open(tmp_path / "x.npz").pixels.shape == (6, 5)
    np.save(tmp_path / "x.npy", _random(6))
    with pytest.raises(InvalidGeometry, match="neither an image nor a volume"):
        io.open(tmp_path / "x.npy")


def test_objects_are_never_unpickled(tmp_path):
    payload = np.array([{"run": "anything"}], dtype=object)
    np.save(tmp_path / "x.npy", payload, allow_pickle=True)
    np.savez(tmp_path / "x.npz", imgs=payload)
    for name in ("x.npy", "x.npz"):
        with pytest.raises(FileFormatError, match="pickled Python objects") as caught:
            io.open(tmp_path / name)
        assert "np.savez" in caught.value.remedy
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["image"] = "text"
    with pytest.raises(FileFormatError, match="does not hold an image"):
        io.open(tmp_path / "x.h5")


def test_missing_arrays_are_named(tmp_path):
    np.savez(tmp_path / "x.npz", alpha=_random(6, 5), beta=_random(6, 5))
    for read in (io.open, io.open_pair):
        with pytest.raises(FileFormatError, match=r"\['alpha', 'beta'\]"):
            read(tmp_path / "x.npz")
    np.savez(tmp_path / "x.npz", imgs=_random(6, 5))
    with pytest.raises(FileFormatError, match="an image and a label"):
        io.open_pair(tmp_path / "x.npz")


def test_bad_geometry_shapes_and_values(tmp_path):
    path = tmp_path / "x.npz"
    np.savez(path, imgs=_random(4, 6, 5), spacing=(1.0, 0.0, 1.0))
    with pytest.raises(InvalidGeometry, match="spacing must be positive"):
        io.open(path)
    np.savez(path, imgs=_random(4, 6, 5), spacing=(1.0, 1.0, 1.0), direction=np.zeros(9))
    with pytest.raises(InvalidGeometry, match="coincide"):
        io.open(path)
    np.savez(path, imgs=_random(4, 6, 5), spacing=(1.0,))
    with pytest.raises(InvalidGeometry, match="1, 9 and 3"):
        io.open(path)
    np.savez(path, imgs=_random(4, 6, 5), gts=_random(4, 6, 4))
    with pytest.raises(ShapeMismatch, match=r"\(4, 6, 4\)"):
        io.open_pair(path)
    np.savez(path, image=np.full((6, 5), np.nan), label=_random(6, 5))
    with pytest.raises(NonFiniteValues):
        io.open_pair(path)


def test_damaged_containers(tmp_path):
    np.savez_compressed(tmp_path / "x.npz", imgs=_random(40, 40, 40))
    np.save(tmp_path / "x.npy", _random(40, 40))
    with h5py.File(tmp_path / "x.h5", "w") as file:
        file["image"] = _random(40, 40)
    for name in ("x.npz", "x.npy", "x.h5"):
        path = tmp_path / name
        path.write_bytes(path.read_bytes()[:-200])
        with pytest.raises(FileFormatError, match="cannot be decoded") as caught:
            io.open(path)
        assert caught.value.where == path


def test_pairs_only_from_formats_that_hold_two(make_nifti):
    with pytest.raises(FileFormatError, match="open_label"):
        io.open_pair(make_nifti(np.zeros((2, 3, 4), np.int16)))
