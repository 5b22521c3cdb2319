"""Decoding many prompts in another order of work gives the same numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from samadapt.adapt import inject
from samadapt.adapt.config import LoraConfig
from samadapt.models import fresh
from samadapt.models.architecture import KNOWN
from samadapt.models.decode_many import ManyPrompts, can_decode_many

FINE = replace(KNOWN["test"], fine=8)


def spread(model, seed=0, prompts=9):
    """Embedding of noise and points, after giving every weight some size."""
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
        pixels = torch.randn(1, 3, model.image_size, model.image_size)
        points = torch.rand(1, prompts, 2, 2) * model.image_size
        labels = torch.tensor([[[1, 0]] * (prompts - 1) + [[1, -1]]])
        return model.eval().encode(pixels), points, labels


def compare(model):
    embedding, points, labels = spread(model)
    with torch.no_grad():
        plain = model.decode_tokens(embedding, points, labels)
        decoder = ManyPrompts(model, embedding)
        scored = decoder.score(points[0], labels[0])
        wanted = torch.rand(scored.iou.shape) < 0.4
        wanted[0], wanted[1] = True, False
        drawn = decoder.draw(scored, wanted)
    assert (scored.iou - plain.iou[0]).abs().max() < 1e-5
    assert drawn.shape == plain.low_res_logits[0][wanted].shape
    assert (drawn - plain.low_res_logits[0][wanted]).abs().max() < 1e-4
    assert plain.low_res_logits.std() > 0.1
    assert 4 < len(drawn) < wanted.numel()


@pytest.mark.parametrize("architecture", ["test", FINE], ids=["plain", "fine path"])
@pytest.mark.parametrize("size", [64, 96])
def test_scores_and_masks_are_those_of_decode(architecture, size):
    compare(fresh(architecture, image_size=size, seed=1))


def test_low_rank_updates_in_the_decoder_count():
    model = fresh("test", seed=2)
    inject(model, LoraConfig(decoder=True))
    assert can_decode_many(model)
    compare(model)


def test_nothing_is_drawn_where_nothing_is_wanted():
    model = fresh("test")
    embedding, points, labels = spread(model)
    with torch.no_grad():
        decoder = ManyPrompts(model, embedding)
        scored = decoder.score(points[0], labels[0])
        drawn = decoder.draw(scored, torch.zeros(scored.iou.shape, dtype=torch.bool))
    assert drawn.shape == (0, 16, 16)


def test_the_reference_network(sam, reference):
    with torch.no_grad():
        for image in range(2):
            decoder = ManyPrompts(sam, reference["image_embeddings"][image : image + 1])
            scored = decoder.score(reference["points"][image : image + 1], reference["point_labels"][image : image + 1])
            drawn = decoder.draw(scored, torch.tensor([[False, True, True, True]]))
            assert (drawn - reference["points.multi.low_res_logits"][image]).abs().max() < 1e-4
            assert (scored.iou[0, 1:] - reference["points.multi.iou"][image]).abs().max() < 1e-5


def test_what_hangs_on_the_decoder_is_not_passed_over():
    model = fresh("test")
    assert can_decode_many(model)
    handle = model.sam.mask_decoder.transformer.layers[0].mlp.register_forward_hook(lambda m, a, out: 2 * out)
    assert not can_decode_many(model)
    handle.remove()

    class Other(type(model)):
        def decode(self, *given, **named):
            return super().decode(*given, **named)

    model.__class__ = Other
    assert not can_decode_many(model)
    assert not can_decode_many(object())
