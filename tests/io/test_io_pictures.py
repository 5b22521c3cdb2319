"""PNG, JPEG and TIFF in every mode."""

from __future__ import annotations

import imagecodecs
import numpy as np
import PIL.Image
import pytest
import tifffile

import samadapt.io as io
from samadapt.core.errors import FileFormatError, InvalidGeometry, NonFiniteValues
from samadapt.core.image import Image, Volume


def _random(shape, dtype=np.uint8) -> np.ndarray:
    return np.random.default_rng(1).integers(0, np.iinfo(dtype).max, shape, endpoint=True).astype(dtype)


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((9, 7), np.uint8),
        ((9, 7, 2), np.uint8),
        ((9, 7, 3), np.uint8),
        ((9, 7, 4), np.uint8),
        ((9, 7), np.uint16),
        ((9, 7, 2), np.uint16),
        ((9, 7, 3), np.uint16),
        ((9, 7, 4), np.uint16),
    ],
)
def test_png_round_trip_is_exact(tmp_path, shape, dtype):
    path = tmp_path / "x.png"
    pixels = _random(shape, dtype)
    path.write_bytes(imagecodecs.png_encode(pixels))
    image = io.open(path)
    assert isinstance(image, Image)
    assert image.pixels.dtype == dtype
    assert np.array_equal(image.pixels, pixels)
    assert image.grid.spacing_mm == (1.0, 1.0)
    assert image.modality == ("RGB" if shape[2:] in ((3,), (4,)) else "grey")
    io.save_image(image, tmp_path / "y.png")
    assert np.array_equal(io.open(tmp_path / "y.png").pixels, pixels)


def test_palette_is_colour_in_an_image_and_index_in_a_label(tmp_path):
    indices = _random((6, 8)) % 3
    picture = PIL.Image.fromarray(indices, mode="P")
    picture.putpalette([10, 20, 30, 40, 50, 60, 200, 100, 0])
    picture.save(tmp_path / "x.png")
    colours = np.array([[10, 20, 30], [40, 50, 60], [200, 100, 0]], np.uint8)
    assert np.array_equal(io.open(tmp_path / "x.png").pixels, colours[indices])
    assert np.array_equal(io.open_label(tmp_path / "x.png").values, indices)


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_low_bit_greys_are_spread_in_an_image_and_kept_in_a_label(tmp_path, bits):
    import struct
    import zlib

    values = np.arange(16, dtype=np.uint8).reshape(2, 8) % 2**bits
    packed = np.packbits(((values[..., None] >> np.arange(bits)[::-1]) & 1).reshape(2, -1), axis=1)
    rows = b"".join(b"\0" + row.tobytes() for row in packed)

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", 8, 2, bits, 0, 0, 0, 0)
    content = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    (tmp_path / "x.png").write_bytes(b"\x89PNG\r\n\x1a\n" + content)
    assert np.array_equal(io.open(tmp_path / "x.png").pixels, values * (255 // (2**bits - 1)))
    assert np.array_equal(io.open_label(tmp_path / "x.png").values, values)


def test_jpeg_grey_colour_and_cmyk(tmp_path):
    for mode, shape in (("L", (16, 24)), ("RGB", (16, 24, 3)), ("CMYK", (16, 24, 3))):
        PIL.Image.new(mode, (24, 16)).save(tmp_path / "x.jpg")
        assert io.open(tmp_path / "x.jpg").pixels.shape == shape


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.int16, np.int32, np.float32, np.float64])
def test_tiff_of_every_depth(tmp_path, dtype):
    pixels = (_random((9, 7), np.uint16) / 3).astype(dtype)
    tifffile.imwrite(tmp_path / "x.tif", pixels)
    image = io.open(tmp_path / "x.tif")
    assert image.pixels.dtype == dtype
    assert np.array_equal(image.pixels, pixels)
    io.save_image(image, tmp_path / "y.tif")
    assert np.array_equal(io.open(tmp_path / "y.tif").pixels, pixels)


@pytest.mark.parametrize("compression", [None, "lzw", "zlib", "packbits"])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_tiff_bands_interleaved_or_planar(tmp_path, planar, compression):
    pixels = _random((9, 7, 3))
    stored = pixels if planar == "contig" else np.moveaxis(pixels, -1, 0)
    tifffile.imwrite(tmp_path / "x.tif", stored, photometric="rgb", planarconfig=planar, compression=compression)
    assert np.array_equal(io.open(tmp_path / "x.tif").pixels, pixels)


def test_six_bands_of_a_satellite(tmp_path):
    pixels = _random((9, 7, 6), np.uint16)
    tifffile.imwrite(tmp_path / "x.tif", pixels, photometric="minisblack", planarconfig="contig", bigtiff=True)
    image = io.open(tmp_path / "x.tif")
    assert isinstance(image, Image)
    assert np.array_equal(image.pixels, pixels)


def test_pages_are_slices(tmp_path):
    pixels = _random((5, 9, 7), np.uint16)
    tifffile.imwrite(tmp_path / "x.tif", pixels, photometric="minisblack")
    volume = io.open(tmp_path / "x.tif")
    assert isinstance(volume, Volume)
    assert np.array_equal(volume.voxels, pixels)
    assert volume.grid.spacing_mm == (1.0, 1.0, 1.0)
    pages = [PIL.Image.fromarray(page) for page in pixels]
    pages[0].save(tmp_path / "y.tif", save_all=True, append_images=pages[1:])
    assert np.array_equal(io.open(tmp_path / "y.tif").voxels, pixels)
    colours = _random((5, 9, 7, 3))
    tifffile.imwrite(tmp_path / "z.tif", colours, photometric="rgb")
    assert np.array_equal(io.open(tmp_path / "z.tif").voxels, colours)


def test_channels_of_imagej_are_slices_unless_told(tmp_path):
    pixels = _random((3, 9, 7), np.uint16)
    tifffile.imwrite(tmp_path / "x.tif", pixels, imagej=True, metadata={"axes": "CYX"})
    assert io.open(tmp_path / "x.tif").shape == (3, 9, 7)
    told = io.open(tmp_path / "x.tif", channels=True)
    assert np.array_equal(told.pixels, np.moveaxis(pixels, 0, -1))


def test_tiff_palette_bilevel_and_inverted(tmp_path):
    indices = _random((6, 8)) % 3
    picture = PIL.Image.fromarray(indices, mode="P")
    picture.putpalette([10, 20, 30, 40, 50, 60, 200, 100, 0])
    picture.save(tmp_path / "x.tif")
    assert (
        io.open(tmp_path / "x.tif").pixels[0, 0].tolist() == [[10, 20, 30], [40, 50, 60], [200, 100, 0]][indices[0, 0]]
    )
    assert np.array_equal(io.open_label(tmp_path / "x.tif").values, indices)
    mask = indices > 1
    PIL.Image.fromarray(mask).save(tmp_path / "m.tif")
    assert np.array_equal(io.open(tmp_path / "m.tif").pixels, mask * np.uint8(255))
    assert np.array_equal(io.open_label(tmp_path / "m.tif").values, mask)
    tifffile.imwrite(tmp_path / "i.tif", 255 - indices, photometric="miniswhite")
    assert np.array_equal(io.open(tmp_path / "i.tif").pixels, indices)


def test_tiff_that_is_refused(tmp_path):
    PIL.Image.new("L", (9, 8)).save(tmp_path / "x.tif", save_all=True, append_images=[PIL.Image.new("L", (5, 5))])
    with pytest.raises(FileFormatError, match="2 images of different kind"):
        io.open(tmp_path / "x.tif")
    PIL.Image.new("CMYK", (9, 8)).save(tmp_path / "x.tif")
    with pytest.raises(FileFormatError, match="CMYK"):
        io.open(tmp_path / "x.tif")
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((2, 3, 8, 9), np.uint8), imagej=True, metadata={"axes": "TZYX"})
    with pytest.raises(InvalidGeometry, match="TZYX"):
        io.open(tmp_path / "x.tif")
    tifffile.imwrite(tmp_path / "x.tif", np.full((8, 9), np.nan, np.float32))
    with pytest.raises(NonFiniteValues, match="72 of 72"):
        io.open(tmp_path / "x.tif")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_truncated_pictures(tmp_path, suffix):
    path = tmp_path / f"x{suffix}"
    if suffix == ".tif":
        tifffile.imwrite(path, _random((64, 64)), compression="zlib")
    else:
        PIL.Image.fromarray(_random((64, 64))).save(path)
    whole = path.read_bytes()
    for kept in (len(whole) // 3, len(whole) - 400):
        path.write_bytes(whole[:kept])
        with pytest.raises(FileFormatError) as caught:
            io.open(path)
        assert caught.value.where == path


def test_oversized_picture_is_refused(tmp_path, monkeypatch):
    PIL.Image.new("L", (100, 100)).save(tmp_path / "x.png")
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(FileFormatError, match="too large"):
        io.open(tmp_path / "x.png")


def test_pictures_with_a_wrong_suffix(tmp_path):
    pixels = _random((9, 7))
    PIL.Image.fromarray(pixels).save(tmp_path / "x.tif", format="PNG")
    assert np.array_equal(io.open(tmp_path / "x.tif").pixels, pixels)
    tifffile.imwrite(tmp_path / "x.png", pixels)
    assert np.array_equal(io.open(tmp_path / "x.png").pixels, pixels)
