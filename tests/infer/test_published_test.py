"""SAMed's way of testing a slice: through 224 pixels, and class maps back instead of logits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import zoom
from torch.nn.functional import interpolate

from samadapt.adapt import add_head
from samadapt.core.grid import Grid
from samadapt.core.image import Image, LabelSet, Volume
from samadapt.infer.semantic import segment
from samadapt.models import fresh
from samadapt.models.preprocess import get

WINDOW = (-125.0, 275.0)


@pytest.fixture(scope="module")
def model():
    loaded = fresh("test")
    loaded.preprocessing = get("samed", loaded.image_size)
    add_head(loaded, LabelSet.from_names({1: "spleen", 4: "gallbladder"}), seed=3)
    return loaded.eval()


@pytest.fixture(scope="module")
def volume():
    rng = np.random.default_rng(0)
    voxels = zoom(rng.normal(60, 150, (3, 20, 25)), (1, 12, 10.4), order=1).astype(np.int16)  # (3, 240, 260)
    return Volume(voxels, Grid.from_spacing(voxels.shape, (5.0, 0.7, 0.7)), modality="CT", window=WINDOW)


def published_slice(model, plane):
    """The published steps in their own words: clip, 224, input size, argmax, back."""
    x, y = plane.shape
    size = model.image_size
    clipped = ((np.clip(plane, *WINDOW) + 125) / 400).astype(np.float32)
    small = zoom(clipped, (224 / x, 224 / y), order=3)
    shown = torch.from_numpy(zoom(small, (size / 224, size / 224), order=3))
    with torch.no_grad():
        pixels = shown[None, None].repeat(1, 3, 1, 1)
        logits = model.decode_tokens(model.encode(pixels)).low_res_logits[:, 0]
        masks = interpolate(logits, (size, size), mode="bilinear", align_corners=False)
    classes = torch.softmax(masks, dim=1).argmax(dim=1)[0].numpy()
    return zoom(classes, (x / size, y / size), order=0)


def test_every_pixel_is_that_of_the_published_steps(model, volume):
    found = segment(model, volume, batch_size=2, test_as="samed")
    expected = np.stack([published_slice(model, plane) for plane in volume.voxels])
    assert {0, 1, 2} == set(np.unique(expected))
    np.testing.assert_array_equal(found.values, np.array([0, 1, 4])[expected])


def test_it_is_not_what_the_model_says_of_the_whole_slice(model, volume):
    own, published_map = (segment(model, volume, test_as=how).values for how in ("", "samed"))
    assert own.shape == published_map.shape
    differ = (own != published_map).mean()
    assert 0.0005 < differ < 0.5


def test_a_picture_of_the_same_pixels_has_the_same_labels(model, volume):
    plane = volume.voxels[1]
    image = Image(plane, Grid.from_spacing(plane.shape, (0.7, 0.7)), "CT", window=WINDOW)
    whole = segment(model, volume, test_as="samed").values[1]
    np.testing.assert_array_equal(segment(model, image, test_as="samed").values, whole)
