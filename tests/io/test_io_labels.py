"""Labels as numbers, by threshold and by colour; images and labels written and read again."""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest

import samadapt.io as io
from samadapt.core.errors import ConfigError, FileFormatError, InvalidGeometry, LabelError, ShapeMismatch
from samadapt.core.grid import Grid
from samadapt.core.image import Image, LabelMap, Volume

COLOURS = {(0, 0, 0): 0, (255, 0, 0): 1, (0, 128, 0): 7}


def _disc(size: int = 64) -> np.ndarray:
    y, x = np.mgrid[:size, :size]
    return (y - 30) ** 2 + (x - 25) ** 2 < 15**2


def _label(shape, top: int) -> LabelMap:
    values = np.random.default_rng(4).integers(0, top, shape, endpoint=True)
    values.flat[0] = top
    return LabelMap(values, Grid.from_spacing(shape, (1.5,) * len(shape)))


def test_mask_values_are_kept(tmp_path):
    PIL.Image.fromarray(_disc().astype(np.uint8) * 255).save(tmp_path / "x.png")
    label = io.open_label(tmp_path / "x.png")
    assert np.unique(label.values).tolist() == [0, 255]
    assert np.array_equal(io.open_label(tmp_path / "x.png", threshold=0).values, _disc())


def test_jpeg_mask_needs_a_threshold(tmp_path):
    path = tmp_path / "x.jpg"
    PIL.Image.fromarray(_disc().astype(np.uint8) * 255).save(path, quality=60)
    with pytest.raises(LabelError, match="JPEG mask") as caught:
        io.open_label(path)
    assert "threshold=127" in caught.value.remedy
    mask = io.open_label(path, threshold=127)
    assert np.unique(mask.values).tolist() == [0, 1]
    assert np.array_equal(mask.values, _disc())
    PIL.Image.fromarray(_disc().astype(np.uint8) * 255).convert("RGB").save(path, quality=60)
    assert np.array_equal(io.open_label(path, threshold=127).values, _disc())


def test_colours(tmp_path):
    pixels = np.array(list(COLOURS), np.uint8)[np.random.default_rng(0).integers(0, 3, (6, 8))]
    wanted = np.array([0, 1, 7])[np.random.default_rng(0).integers(0, 3, (6, 8))]
    for name, picture in (
        ("rgb.png", PIL.Image.fromarray(pixels)),
        ("rgba.png", PIL.Image.fromarray(pixels).convert("RGBA")),
        ("palette.png", PIL.Image.fromarray(pixels).quantize(3, dither=PIL.Image.Dither.NONE)),
        ("rgb.tif", PIL.Image.fromarray(pixels)),
    ):
        picture.save(tmp_path / name)
        assert np.array_equal(io.open_label(tmp_path / name, colors=COLOURS).values, wanted), name


def test_unknown_colours_are_named_with_their_pixels(tmp_path):
    pixels = np.zeros((6, 8, 3), np.uint8)
    pixels[0, :5] = 1, 2, 3
    pixels[1, :2] = 9, 9, 9
    PIL.Image.fromarray(pixels).save(tmp_path / "x.png")
    with pytest.raises(LabelError, match=r"7 of 48 pixels: \(1, 2, 3\): 5 pixels, \(9, 9, 9\): 2 pixels"):
        io.open_label(tmp_path / "x.png", colors=COLOURS)
    with pytest.raises(LabelError, match="3 channels"):
        io.open_label(tmp_path / "x.png")
    with pytest.raises(ConfigError, match="exclude"):
        io.open_label(tmp_path / "x.png", colors=COLOURS, threshold=1)


def test_grey_saved_as_colour_is_a_label(tmp_path):
    values = (np.arange(48) % 5).reshape(6, 8).astype(np.uint8)
    for mode in ("RGB", "RGBA", "LA"):
        PIL.Image.fromarray(values).convert(mode).save(tmp_path / "x.png")
        assert np.array_equal(io.open_label(tmp_path / "x.png").values, values)


def test_labels_must_be_whole_and_not_negative(make_nifti):
    for bad in (0.5, -1.0, np.nan):
        with pytest.raises(LabelError, match=r"image\.nii\.gz"):
            io.open_label(make_nifti(np.full((2, 3, 4), bad, np.float32)))
    assert io.open_label(make_nifti(np.full((2, 3, 4), 3.0, np.float32))).values.dtype == np.uint8
    assert io.open_label(make_nifti(np.full((2, 3, 4), 0.7, np.float32)), threshold=0.5).values.all()
    assert io.open_label(make_nifti(np.full((2, 3, 4), 300, np.int64))).values.dtype == np.uint16


@pytest.mark.parametrize("top", [1, 255, 300, 70000])
@pytest.mark.parametrize("suffix", [".nii.gz", ".nrrd", ".mha", ".tif", ".npz", ".png"])
def test_labels_come_back_exactly(tmp_path, suffix, top):
    for shape in ((6, 8), (4, 6, 8)):
        label, path = _label(shape, top), tmp_path / f"{len(shape)}{suffix}"
        if suffix == ".png" and (len(shape) == 3 or top > 65535):
            with pytest.raises((InvalidGeometry, FileFormatError), match=r"\d\.png"):
                io.save_label(label, path)
            assert not path.exists()
            continue
        io.save_label(label, path)
        again = io.open_label(path)
        assert again.values.dtype == label.values.dtype
        assert np.array_equal(again.values.reshape(shape), label.values)
        if suffix not in (".tif", ".npz", ".png"):
            assert again.grid.spacing_mm[-2:] == (1.5, 1.5)


def test_masks_are_255_in_png_and_1_elsewhere(tmp_path, make_nifti):
    io.save_mask(_disc(), tmp_path / "m.png")
    assert np.array_equal(io.open_label(tmp_path / "m.png").values, _disc() * np.uint8(255))
    volume = io.open(make_nifti(np.zeros((8, 6, 4), np.int16), np.diag([1.0, 2.0, 3.0, 1.0])))
    mask = np.zeros(volume.shape, bool)
    mask[1, 2, 3] = True
    io.save_mask(mask, tmp_path / "m.nii.gz", like=volume)
    again = io.open_label(tmp_path / "m.nii.gz")
    again.grid.require_match(volume.grid)
    assert again.orientation == volume.orientation
    assert np.argwhere(again.values).tolist() == [[1, 2, 3]]
    with pytest.raises(ShapeMismatch):
        io.save_mask(_disc(), tmp_path / "m.nii.gz", like=volume)


def test_images_that_a_format_cannot_hold_exactly(tmp_path):
    hu = Image(np.full((4, 5), -1000, np.int16), Grid.from_spacing((4, 5), (1.0, 1.0)))
    with pytest.raises(FileFormatError, match="int16") as caught:
        io.save_image(hu, tmp_path / "x.png")
    assert ".tif" in caught.value.remedy
    for suffix in (".jpg", ".gif", ""):
        with pytest.raises(FileFormatError, match=r"JPEG|suffix"):
            io.save_image(hu, tmp_path / f"x{suffix}")
    (tmp_path / "folder.tif").mkdir()
    with pytest.raises(FileFormatError, match="folder"):
        io.save_image(hu, tmp_path / "folder.tif")
    assert [child.name for child in tmp_path.iterdir()] == ["folder.tif"]
    (tmp_path / "file").touch()
    with pytest.raises(FileFormatError, match="is a file, not a folder"):
        io.save_image(hu, tmp_path / "file" / "x.tif")


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    label = _label((6, 8), 3)
    io.save_label(label, tmp_path / "x.png")
    before = (tmp_path / "x.png").read_bytes()
    monkeypatch.setattr("samadapt.io.raster.write", lambda *_: (_ for _ in ()).throw(OSError("no")))
    with pytest.raises(OSError, match="no"):
        io.save_label(_label((6, 8), 2), tmp_path / "x.png")
    assert (tmp_path / "x.png").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_bool_and_half_precision_images(tmp_path):
    grid = Grid.from_spacing((3, 4, 5), (1.0, 1.0, 1.0))
    for dtype, stored in ((bool, np.uint8), (np.float16, np.float32)):
        for suffix in (".nii.gz", ".nrrd", ".tif"):
            io.save_image(Volume(np.ones((3, 4, 5), dtype), grid), tmp_path / f"x{suffix}")
            assert io.open(tmp_path / f"x{suffix}").voxels.dtype == stored
