"""A part of a picture, and its size, without reading all of it."""

from __future__ import annotations

import numpy as np
import pytest
import tifffile

from fake.writing import nifti, noisy, png
from samadapt import io
from samadapt.core.errors import FileFormatError, InvalidGeometry

HW = (70, 90)
REGION = (13, 20, 61, 90)
KINDS = {
    "strips": {"rowsperstrip": 8},
    "one strip": {},
    "tiles": {"tile": (32, 16)},
    "zlib": {"rowsperstrip": 16, "compression": "zlib"},
    "tiles zlib predictor": {"tile": (16, 32), "compression": "zlib", "predictor": True},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [HW, (*HW, 3), (*HW, 4)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_tiff_region_is_the_crop(tmp_path, kind, shape, dtype):
    pixels = np.random.default_rng(0).integers(0, 255, shape).astype(dtype)
    photometric = "rgb" if len(shape) == 3 else "minisblack"
    tifffile.imwrite(tmp_path / "a.tif", pixels, photometric=photometric, **KINDS[kind])
    y0, x0, y1, x1 = REGION
    assert np.array_equal(io.open(tmp_path / "a.tif", region=REGION).pixels, pixels[y0:y1, x0:x1])
    assert io.picture_size(tmp_path / "a.tif") == HW


def test_only_the_strips_needed_are_read(tmp_path, monkeypatch):
    tifffile.imwrite(tmp_path / "a.tif", noisy((64, 32), 0), rowsperstrip=4)
    decoded = []
    original = tifffile.TiffPage.decode.func

    def counting(page):
        decode = original(page)

        def wrapped(data, index, **options):
            decoded.append(index)
            return decode(data, index, **options)

        return wrapped

    monkeypatch.setattr(tifffile.TiffPage, "decode", property(counting))
    io.open(tmp_path / "a.tif", region=(9, 0, 17, 32))
    assert decoded == [2, 3, 4]


def test_palette_and_labels(tmp_path):
    colours = np.array([(0, 0, 0), (255, 0, 0)], np.uint8)
    values = np.random.default_rng(1).integers(0, 2, HW)
    png(tmp_path / "a.png", colours[values])
    y0, x0, y1, x1 = REGION
    label = io.open_label(tmp_path / "a.png", colors={(0, 0, 0): 0, (255, 0, 0): 1}, region=REGION)
    assert np.array_equal(label.values, values[y0:y1, x0:x1])
    assert io.picture_size(tmp_path / "a.png") == HW


def test_what_is_refused(tmp_path):
    png(tmp_path / "a.png", noisy(HW, 0))
    with pytest.raises(InvalidGeometry, match="not inside a picture of 70 x 90"):
        io.open(tmp_path / "a.png", region=(0, 0, 71, 10))
    nifti(tmp_path / "v.nii.gz", noisy((2, 3, 4), 0))
    with pytest.raises(FileFormatError, match="only a part of a picture"):
        io.open(tmp_path / "v.nii.gz", region=(0, 0, 1, 1))
    with pytest.raises(FileFormatError, match="NIFTI"):
        io.picture_size(tmp_path / "v.nii.gz")
    tifffile.imwrite(tmp_path / "pages.tif", noisy((3, 20, 20), 0), photometric="minisblack")
    with pytest.raises(InvalidGeometry, match="one-page"):
        io.open(tmp_path / "pages.tif", region=(0, 0, 5, 5))
