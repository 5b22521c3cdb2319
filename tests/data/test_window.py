from __future__ import annotations

import numpy as np
import pytest

from samadapt.core.errors import ConfigError, ShapeMismatch
from samadapt.core.rng import named_rng
from samadapt.data.window import preset, presets, to_display, window_of


def test_presets_are_level_and_width_of_the_publications():
    expected = {"ct-soft-tissue": (40, 400), "ct-lung": (-600, 1500), "ct-brain": (40, 80), "ct-samed": (75, 400)}
    assert set(presets()) == set(expected)
    for name, (level, width) in expected.items():
        assert preset(name) == (level - width / 2, level + width / 2)


def test_unknown_window_names_the_choices():
    with pytest.raises(ConfigError, match=r"ct-liver.*ct-lung"):
        window_of(np.zeros((2, 2), np.int16), "CT", "ct-liver")


@pytest.mark.parametrize("text", ["[5]", "[5,5]", "[9,1]", "[a,b]", "[0,nan]"])
def test_bad_bounds(text):
    with pytest.raises(ConfigError):
        window_of(np.zeros((2, 2), np.int16), "CT", text)


def test_auto_by_modality_and_type():
    voxels = np.arange(-500, 500, dtype=np.int16).reshape(1, 10, 100)
    assert window_of(voxels, "CT") == (-160, 240)
    assert window_of(voxels, "ct", "[-10, 20]") == (-10, 20)
    assert window_of(voxels.astype(np.uint8), "CT") == (0, 255)
    assert window_of(voxels, "CT", "percentile") != (-160, 240)


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.float32, np.int32, np.uint8, np.int8])
def test_percentiles_of_voxels_that_are_not_zero(dtype):
    voxels = named_rng("window", dtype.__name__).integers(0, 100, (6, 31, 17)).astype(dtype)
    low, high = window_of(voxels, "MR", "percentile")
    expected = np.percentile(voxels[voxels != 0].astype(np.float64), [0.5, 99.5])
    np.testing.assert_allclose([low, high], expected)


def test_percentiles_with_negative_integers():
    voxels = named_rng("window negative").integers(-3000, 3000, (4, 30, 30)).astype(np.int16)
    expected = np.percentile(voxels[voxels != 0].astype(np.float64), [0.5, 99.5])
    np.testing.assert_allclose(window_of(voxels, "infrared"), expected)


def test_large_float_volume_is_sampled_close_to_exact():
    voxels = named_rng("window large").normal(100, 20, (48, 320, 320)).astype(np.float32)
    exact = np.percentile(voxels, [0.5, 99.5])
    np.testing.assert_allclose(window_of(voxels, "MR"), exact, atol=0.5)


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
@pytest.mark.parametrize("value", [0, 7])
def test_constant_images_are_safe(dtype, value):
    voxels = np.full((3, 4, 5), value, dtype)
    low, high = window_of(voxels, "MR")
    assert low < high
    assert np.isfinite(to_display(voxels[0], (low, high))).all()
    assert np.isfinite(to_display(voxels[0], None)).all()


def test_display_maps_the_window_to_0_255_and_clips():
    pixels = np.array([[-1000, -160, 40, 240, 3000]], np.int16)
    display = to_display(pixels, (-160, 240))
    assert display.dtype == np.float32
    assert display.shape == (1, 5, 3)
    assert display.flags.c_contiguous
    np.testing.assert_allclose(display[0, :, 1], [0, 0, 127.5, 255, 255], atol=1e-4)


def test_display_of_8_bit_is_unchanged():
    pixels = named_rng("display").integers(0, 256, (5, 6, 3), dtype=np.uint8)
    for window in (None, (0.0, 255.0)):
        np.testing.assert_array_equal(to_display(pixels, window), pixels)


def test_display_channels():
    pixels = named_rng("channels").integers(0, 256, (5, 6, 4), dtype=np.uint8)
    np.testing.assert_array_equal(to_display(pixels, None), pixels[..., :3])
    two = to_display(pixels[..., :2], None)
    np.testing.assert_allclose(two[..., 2], pixels[..., :2].mean(axis=2))
    one = to_display(pixels[..., :1], None)
    np.testing.assert_array_equal(one[..., 0], one[..., 2])


def test_display_refuses_other_shapes():
    with pytest.raises(ShapeMismatch, match=r"\(2, 3, 4, 1\)"):
        to_display(np.zeros((2, 3, 4, 1)), None)
