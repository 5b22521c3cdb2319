"""Every checkpoint's own way from pixels to tensor."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image as PilImage
from scipy.ndimage import zoom

from samadapt.core.errors import CheckpointError, DataError, NonFiniteValues, ShapeMismatch
from samadapt.core.grid import Grid
from samadapt.core.image import Image
from samadapt.models import preprocess
from samadapt.models.display import to_pixels
from samadapt.models.resize import resize_array

MEAN = np.array([123.675, 116.28, 103.53], dtype=np.float32)
STD = np.array([58.395, 57.12, 57.375], dtype=np.float32)


def picture(h: int, w: int, seed: int = 0, *, whole: bool = True) -> np.ndarray:
    values = np.random.default_rng(seed).uniform(0, 255, (h, w, 3))
    return (np.rint(values) if whole else values).astype(np.float32)


def test_sam_is_pil_on_bytes_and_zeros_after_normalising():
    image = picture(50, 100)
    plan = preprocess.get("sam", 64)
    tensor = plan.apply(image).numpy()
    resized = np.asarray(PilImage.fromarray(image.astype(np.uint8)).resize((64, 32), PilImage.Resampling.BILINEAR))
    np.testing.assert_allclose(tensor[:, :32], ((resized - MEAN) / STD).transpose(2, 0, 1), atol=1e-6)
    assert (tensor[:, 32:] == 0).all()
    assert plan.frame((50, 100)).content_hw == (32, 64)


def test_sam_does_not_round_floats():
    image = picture(50, 100, whole=False)
    tensor = preprocess.get("sam", 64).apply(image).numpy() * STD[:, None, None] + MEAN[:, None, None]
    assert np.abs(tensor[:, :32] - np.rint(tensor[:, :32])).max() > 0.4


def test_medsam_stretches_and_scales_each_image():
    image = picture(40, 90) * 0.5 + 20
    tensor = preprocess.get("medsam", 64).apply(image)
    assert tensor.shape == (3, 64, 64)
    assert (tensor.min(), tensor.max()) == (0, 1)
    constant = preprocess.get("medsam", 64).apply(np.full((64, 64, 3), 7, dtype=np.float32))
    assert (constant == 0).all()


def test_medsam_resize_is_that_of_scikit_image():
    transform = pytest.importorskip("skimage.transform", reason="needs scikit-image, MedSAM's own resize")
    for hw in ((120, 90), (50, 40), (300, 64)):
        image = picture(*hw)
        expected = transform.resize(image, (64, 64), order=3, preserve_range=True, anti_aliasing=True)
        np.testing.assert_allclose(resize_array(image, (64, 64), "cubic-antialiased"), expected, atol=1e-3)


def test_medsam_resize_antialiases_and_keeps_a_ramp():
    stripes = np.zeros((128, 128, 3), dtype=np.float32)
    stripes[::2] = 200
    small = resize_array(stripes, (32, 32), "cubic-antialiased")
    assert np.abs(small[4:-4] - 100).max() < 12
    ramp = np.broadcast_to(np.arange(64, dtype=np.float32)[None, :, None], (64, 64, 3)).copy()
    large = resize_array(ramp, (128, 128), "cubic-antialiased")
    np.testing.assert_allclose(large[10, 20:100, 0], (np.arange(20, 100) + 0.5) / 2 - 0.5, atol=0.05)


def test_samed_is_scipy_zoom_to_unit_range():
    image = np.repeat(picture(40, 80)[..., :1], 3, axis=2)
    tensor = preprocess.get("samed", 64).apply(image).numpy()
    expected = zoom(image[..., 0], (64 / 40, 64 / 80), order=3) / 255
    for channel in tensor:
        np.testing.assert_allclose(channel, expected, atol=1e-6)


def test_sammed2d_takes_the_floor_pixel_in_bgr_with_rgb_statistics():
    image = picture(100, 300)
    tensor = preprocess.get("sammed2d", 256).apply(image).numpy()
    rows, columns = np.floor(np.arange(256) * 100 / 256).astype(int), np.floor(np.arange(256) * 300 / 256).astype(int)
    expected = (image[rows][:, columns][..., ::-1] - MEAN) / STD
    np.testing.assert_allclose(tensor, expected.transpose(2, 0, 1), atol=1e-6)


def test_sammed2d_centres_what_is_smaller():
    plan = preprocess.get("sammed2d", 256)
    frame = plan.frame((101, 200))
    assert (frame.content_hw, frame.offset_yx) == ((101, 200), (77, 28))
    tensor = plan.apply(np.full((101, 200, 3), 255, dtype=np.float32))
    inside = tensor[:, 77:178, 28:228]
    assert (inside != 0).all()
    assert int((tensor != 0).sum()) == inside.numel()
    assert plan.frame((256, 100)).content_hw == (256, 256)


@pytest.mark.parametrize("name", preprocess.names())
@pytest.mark.parametrize("hw", [(64, 64), (40, 90), (90, 40), (200, 1), (30, 20)])
def test_the_frame_is_where_the_content_is(name, hw):
    plan = preprocess.get(name, 64)
    frame = plan.frame(hw)
    content = np.full((*hw, 3), 255, dtype=np.float32)
    content[0, 0] = 0  # so that min-max does not flatten it
    filled = (plan.apply(content) != 0).any(dim=0).numpy()
    (top, left), (h, w) = frame.offset_yx, frame.content_hw
    outside = np.ones((64, 64), dtype=bool)
    outside[top : top + h, left : left + w] = False
    assert not filled[outside].any()
    assert filled[~outside].mean() > 0.9
    first = -0.5 if plan.half_pixel else 0.0
    corners = frame.to_model([[first, first], [hw[1] + first, hw[0] + first]])
    np.testing.assert_allclose(corners - first, [[left, top], [left + w, top + h]], atol=1e-3)


@pytest.mark.parametrize("name", preprocess.names())
def test_an_image_of_the_models_size_is_not_resampled(name):
    image = picture(64, 64, whole=False)
    plan = preprocess.get(name, 64)
    tensor = plan.apply(image).numpy()
    if plan.scale == "min-max":
        expected = (image - image.min()) / (image.max() - image.min())
    else:
        expected = (image[..., ::-1] if plan.channels == "bgr" else image) / (255 if plan.scale == "0-1" else 1)
    expected = (expected - np.array(plan.mean, dtype=np.float32)) / np.array(plan.std, dtype=np.float32)
    np.testing.assert_allclose(tensor, expected.transpose(2, 0, 1), atol=1e-5)


@pytest.mark.parametrize("name", preprocess.names())
@pytest.mark.parametrize("hw", [(64, 64), (40, 90)])
def test_a_batch_of_tensors_is_the_same_as_arrays(name, hw):
    plan = preprocess.get(name, 64)
    images = [picture(*hw, seed=seed) for seed in range(2)]
    batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)
    expected = torch.stack([plan.apply(image) for image in images])
    torch.testing.assert_close(plan.apply_batch(batch), expected, atol=1e-4, rtol=0)


def test_everything_the_model_accepts_gives_the_same_tensor(small):
    grey = picture(40, 90)[..., 0]
    rgb = np.repeat(grey[..., None], 3, axis=2)
    wide = Image((grey * 10).astype(np.int16), Grid.from_spacing((40, 90), (1.0, 1.0)), window=(0.0, 2550.0))
    one = small.preprocess(grey)
    assert one.shape == (1, 3, 64, 64)
    same = [rgb, rgb.astype(np.uint8), grey.astype(np.uint8), wide, torch.from_numpy(rgb).permute(2, 0, 1)]
    for other in same:
        torch.testing.assert_close(small.preprocess(other), one, atol=1e-5, rtol=0)
    listed = small.preprocess([grey, picture(64, 30), wide])
    assert listed.shape == (3, 3, 64, 64)
    assert torch.equal(listed[0], one[0])


def test_alpha_is_dropped():
    rgba = np.concatenate([picture(8, 8), np.full((8, 8, 1), 77)], axis=2).astype(np.uint8)
    assert np.array_equal(to_pixels(rgba), rgba[..., :3])


@pytest.mark.parametrize(
    ("array", "error", "says"),
    [
        (np.full((4, 4), np.nan), NonFiniteValues, "NaN"),
        (np.array([[-1024, 3071]], dtype=np.int16), DataError, "-1024 to 3071"),
        (np.linspace(0, 1, 16).reshape(4, 4), DataError, r"0\.\.1"),
        (np.zeros((4, 4, 4, 4)), ShapeMismatch, "4, 4, 4, 4"),
        (np.zeros((3, 8, 8)), ShapeMismatch, "3, 8, 8"),
        (np.zeros((0, 8)), ShapeMismatch, "0, 8"),
        (np.array([["a"]]), ShapeMismatch, "numbers"),
    ],
)
def test_arrays_that_are_no_images(small, array, error, says):
    with pytest.raises(error, match=says):
        small.preprocess(array)


def test_unknown_names_and_fixed_sizes():
    with pytest.raises(CheckpointError, match="samm"):
        preprocess.get("samm")
    fixed = preprocess.Preprocessing("fixed", 64, "none")
    assert fixed.frame((64, 64)).content_hw == (64, 64)
    with pytest.raises(ShapeMismatch, match="64"):
        fixed.frame((64, 65))
    with pytest.raises(ShapeMismatch, match="1, 64, 64"):
        fixed.apply_batch(torch.zeros(1, 64, 64)[None])
