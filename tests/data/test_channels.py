from __future__ import annotations

import numpy as np
import pytest

from samadapt.config.channels import channel_names
from samadapt.core.errors import ConfigError, ShapeMismatch
from samadapt.core.grid import Grid
from samadapt.core.image import Image, Volume
from samadapt.core.rng import named_rng
from samadapt.data.channels import Channels, as_colour, places_of, windows_of
from samadapt.data.window import to_display, window_of


def unit_grid(shape: tuple[int, ...]) -> Grid:
    return Grid.from_spacing(shape, (1.0,) * len(shape))


def bands(*shape: int) -> np.ndarray:
    """Channels of very different ranges."""
    values = named_rng("channels", *map(str, shape)).integers(1, 1000, shape)
    return (values * 10 ** np.arange(shape[-1])).astype(np.float32)


def test_8_bit_channels_change_only_their_places():
    pixels = named_rng("channels bytes").integers(0, 256, (4, 5, 6), dtype=np.uint8)
    colour = as_colour(Image(pixels, unit_grid((4, 5))), (5, 0, 3))
    np.testing.assert_array_equal(colour.pixels, pixels[..., [5, 0, 3]])
    np.testing.assert_array_equal(to_display(colour.pixels, colour.window), pixels[..., [5, 0, 3]])


def test_every_channel_has_its_own_window():
    image = Image(bands(12, 9, 4), unit_grid((12, 9)), "MR", window=(0.0, 1.0))
    colour = as_colour(image, (3, 0, 0))
    for place, index in enumerate((3, 0, 0)):
        channel = image.pixels[..., index]
        np.testing.assert_array_equal(colour.pixels[..., place], to_display(channel, window_of(channel, "MR"))[..., 0])
        assert np.ptp(colour.pixels[..., place]) == 255


def test_the_window_of_a_volume_is_that_of_all_slices():
    voxels = bands(3, 6, 7, 2)
    colour = as_colour(Volume(voxels, unit_grid((3, 6, 7)), modality="MR"), (1, 1, 0))
    window = window_of(voxels[..., 1], "MR")
    assert colour.voxels.shape == (3, 6, 7, 3)
    np.testing.assert_array_equal(colour.slice(2).pixels[..., 0], to_display(voxels[2, ..., 1], window)[..., 0])


def test_a_grey_image_has_one_channel():
    image = Image(np.arange(20, dtype=np.uint8).reshape(4, 5), unit_grid((4, 5)))
    np.testing.assert_array_equal(as_colour(image, (0, 0, 0)).pixels[..., 2], image.pixels)


@pytest.mark.parametrize(
    ("channels", "says"), [((0, 1), "not 2"), ((0, 1, 4), "no channel 4.*has 4"), ((0, -1, 2), "no channel -1")]
)
def test_channels_that_are_not_there(channels, says):
    with pytest.raises(ConfigError, match=says):
        as_colour(Image(bands(4, 5, 4), unit_grid((4, 5))), channels)


BANDS = ("red", "green", "blue", "nir")


def test_channels_by_name_and_number_in_any_order():
    pixels = named_rng("named channels").integers(0, 256, (4, 5, 4), dtype=np.uint8)
    image = Image(pixels, unit_grid((4, 5)), channels=BANDS)
    np.testing.assert_array_equal(Channels(("nir", "0", "Green")).show(image), pixels[..., [3, 0, 1]])
    np.testing.assert_array_equal(as_colour(image, ("nir", 0, "green")).pixels, pixels[..., [3, 0, 1]])
    assert Channels().show(Image(pixels[..., 0], unit_grid((4, 5)))).shape == (4, 5, 3)


def test_an_image_without_names_has_those_that_are_known():
    wanted = ("nir", "red", "green")
    assert places_of(wanted, (), 4, known=BANDS) == [3, 0, 1]
    assert places_of(("blue", "green", "red"), (), 3) == [2, 1, 0]
    assert places_of(("alpha", "green", "red"), (), 4, "RGB") == [3, 1, 0]
    assert places_of(BANDS[::-1], (), 4, "RGB") == [0, 1, 2, 3]
    assert places_of(BANDS[::-1], (), 4, known=BANDS) == [3, 2, 1, 0]


@pytest.mark.parametrize(
    ("names", "count", "says"),
    [
        (BANDS, 4, r"'nri'; did you mean 'nir'\?. The image has red, green, blue, nir"),
        ((), 5, "The 5 channels of the image have no names. Numbers"),
        ((), 3, "The image has red, green, blue"),
    ],
)
def test_a_name_that_no_channel_has(names, count, says):
    with pytest.raises(ConfigError, match=says):
        places_of(("nri", "0", "1"), names, count)


@pytest.mark.parametrize("text", ["nir, red,green", ["nir", "red", "green"], ("nir,red", "green")])
def test_names_are_parted_at_commas(text):
    assert channel_names(text) == ("nir", "red", "green")


def test_a_count_stands_for_the_first_channels():
    assert channel_names(4) == ("0", "1", "2", "3")
    assert channel_names(None) == channel_names(()) == ()
    with pytest.raises(ConfigError, match="three channels, not 2"):
        channel_names("nir,red")


def test_more_channels_than_colours_must_be_named():
    grid = unit_grid((4, 5))
    for modality, names in (("CT", ()), ("", ()), ("RGB", BANDS), ("infrared", BANDS)):
        with pytest.raises(ConfigError, match=r"4 channels.*the model takes three.*--channels"):
            Channels().show(Image(bands(4, 5, 4), grid, modality, channels=names))
    for modality, dtype in (("RGB", np.uint16), ("infrared", np.uint8)):
        assert Channels().show(Image(np.zeros((4, 5, 4), dtype), grid, modality)).shape == (4, 5, 3)


def test_every_channel_is_shown_by_its_own_window_where_it_is_known():
    pixels, grid = bands(12, 9, 4), unit_grid((12, 9))
    common = window_of(pixels, "MR")
    windows = windows_of(pixels, "MR", "auto", common)
    shown = Channels(("3", "0", "0", "1")).show(Image(pixels, grid, "MR", window=common, windows=windows))
    for place, index in enumerate((3, 0, 0, 1)):
        np.testing.assert_array_equal(shown[..., place], to_display(pixels[..., index], windows[index])[..., 0])
    assert windows_of(pixels, "CT", "auto", window_of(pixels, "CT")) == ()


def test_names_and_windows_are_one_a_channel():
    with pytest.raises(ShapeMismatch, match="3 names for 4 channels"):
        Image(bands(4, 5, 4), unit_grid((4, 5)), channels=BANDS[:3])
    with pytest.raises(ShapeMismatch, match="1 windows for 2 channels"):
        Volume(bands(2, 4, 5, 2), unit_grid((2, 4, 5)), windows=((0.0, 1.0),))
