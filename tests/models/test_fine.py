"""The fine path beside the image encoder."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from samadapt.adapt import inject
from samadapt.adapt.config import DecoderConfig, FullConfig, LoraConfig
from samadapt.models import fresh, load
from samadapt.models.architecture import KNOWN
from samadapt.models.loading import save_packaged
from samadapt.models.maps import FeatureMaps, coarse, join

FINE = replace(KNOWN["test"], patch_size=8, fine=6)


@pytest.fixture
def model():
    return fresh(FINE, image_size=64, preprocessing="tiny", seed=4, name="fine").eval()


@pytest.fixture
def pixels():
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))


def prompts() -> dict[str, torch.Tensor]:
    boxes = torch.tensor([[4.0, 5, 30, 40], [10, 10, 50, 60], [2, 2, 9, 9]]).expand(2, 3, 4)
    return {"boxes": boxes, "masks": torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(1))}


def test_the_maps_have_the_sizes_of_the_decoders_upscaling(model, pixels):
    embedding = model.encode(pixels)
    assert isinstance(embedding, FeatureMaps)
    assert embedding.shape == (2, 32, 8, 8)
    assert [tuple(f.shape) for f in embedding.finer] == [(2, 4, 32, 32), (2, 8, 16, 16)]
    output = model.decode(embedding, **prompts())
    assert output.low_res_logits.shape == (2, 3, 3, 32, 32)
    assert model.decode(embedding).low_res_logits.shape == (2, 1, 3, 32, 32)


def test_without_its_maps_it_is_the_plain_network(model, pixels):
    for layer in (model.sam.fine.finest, model.sam.fine.finer):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    embedding = model.encode(pixels)
    fine, plain = model.decode(embedding, **prompts()), model.decode(coarse(embedding), **prompts())
    assert torch.equal(fine.low_res_logits, plain.low_res_logits)
    assert torch.equal(fine.iou, plain.iou)


def test_images_and_prompts_do_not_mix(model, pixels):
    together = model.decode(model.encode(pixels), **prompts())
    for image in range(2):
        one = {name: value[image : image + 1, 1:2] for name, value in prompts().items()}
        alone = model.decode(model.encode(pixels[image : image + 1]), **one)
        wanted = together.low_res_logits[image : image + 1, 1:2]
        torch.testing.assert_close(alone.low_res_logits, wanted, atol=1e-5, rtol=0)


def test_a_pixel_reaches_the_finest_map_where_it_lies(model, pixels):
    other = pixels.clone()
    other[0, :, 21, 42] += 4
    difference = (model.encode(other).finer[0] - model.encode(pixels).finer[0]).abs().sum(1)[0]
    y, x = divmod(int(difference.argmax()), 32)
    assert abs(y - 21 // 2) <= 3
    assert abs(x - 42 // 2) <= 3


def test_a_file_says_that_it_has_a_fine_path(model, pixels, tmp_path):
    model.half().float()
    path = save_packaged(model, tmp_path, "fine")
    again = load(str(path))
    assert again.architecture == replace(FINE, image_size=64, ambiguous_windows=again.architecture.ambiguous_windows)
    assert not again.report.missing
    assert not again.report.unexpected
    assert torch.equal(again.encode(pixels).finer[0], model.encode(pixels).finer[0])
    larger = load(str(path), 128)
    assert larger.encode(torch.zeros(1, 3, 128, 128)).finer[0].shape == (1, 4, 64, 64)


@pytest.mark.parametrize(("method", "learns"), [(FullConfig(), True), (LoraConfig(), False), (DecoderConfig(), False)])
def test_it_learns_with_the_image_encoder(model, method, learns):
    inject(model, method)
    assert {p.requires_grad for p in model.sam.fine.parameters()} == {learns}


def test_gradients_reach_it(model, pixels):
    model.decode(model.encode(pixels), **prompts()).low_res_logits.square().mean().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.sam.fine.parameters())


def test_maps_behave_like_the_tensor_they_stand_for(model, pixels):
    maps = model.encode(pixels)
    assert len(maps) == 2
    assert maps.dtype == torch.float32
    assert maps.device.type == "cpu"
    assert not maps.detach().image.requires_grad
    assert maps.to(torch.float64).float().finer[1].dtype == torch.float32
    assert maps.repeat_interleave(3).shape[0] == 6
    joined = join([maps[0:1], maps[1:2]])
    assert torch.equal(joined.finer[0], maps.finer[0])
    assert torch.equal(joined.image, maps.image)
