from __future__ import annotations

import numpy as np
import pytest

from samadapt.core.errors import ConfigError
from samadapt.core.grid import Grid
from samadapt.core.image import Image, Volume
from samadapt.core.rng import named_rng
from samadapt.data.channels import as_colour
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
