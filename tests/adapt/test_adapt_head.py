"""The prompt-free head: shapes, initial values, order of classes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from adapt_cases import LABELS, build_tiny

from samadapt.adapt import add_head, inject, load_adapter, save_adapter, trainable_parameters
from samadapt.adapt.config import HeadConfig
from samadapt.core.errors import ConfigError
from samadapt.core.image import LabelSet
from samadapt.models.architecture import KNOWN
from samadapt.models.maps import coarse
from samadapt.models.untrained import fresh


def test_logits_are_all_mask_tokens_without_a_prompt():
    model = build_tiny()
    head = add_head(model, LABELS)
    pixels = torch.zeros(2, 3, 64, 64)
    embedding = model.encode(pixels)
    logits = head.logits(model, embedding, pixels)
    assert model.head is head
    assert logits.shape == (2, 4, 16, 16)
    assert (model.mask_tokens, model.architecture.mask_tokens, head.channels) == (4, 4, 4)
    assert torch.equal(logits, model.decode_tokens(embedding).low_res_logits[:, 0])
    five = add_head(model, LabelSet.from_names({k: f"class {k}" for k in range(1, 6)}))
    assert five.logits(model, embedding, pixels).shape == (2, 6, 16, 16)


def test_only_tokens_hypernetworks_and_iou_head_are_made_anew():
    model = build_tiny()
    before = {name: p.clone() for name, p in model.named_parameters()}
    add_head(model, LABELS)  # four tokens, as before: every name and shape stays
    changed = {n.split(".")[2] for n, p in model.named_parameters() if not torch.equal(p, before[n])}
    assert changed == {"mask_tokens", "output_hypernetworks_mlps", "iou_prediction_head"}


def test_initial_values_are_those_of_sam():
    model = build_tiny()
    add_head(model, LabelSet.from_names({k: f"class {k}" for k in range(1, 200)}))
    decoder = model.sam.mask_decoder
    assert decoder.mask_tokens.weight.std().item() == pytest.approx(1, rel=0.05)
    weights = torch.stack([mlp.proj_in.weight for mlp in decoder.output_hypernetworks_mlps])
    assert weights.abs().max() <= 1 / 32**0.5  # uniform within 1 / sqrt(fan in), PyTorch's linear layer
    assert weights.std().item() == pytest.approx(1 / (3 * 32) ** 0.5, rel=0.02)
    assert decoder.iou_prediction_head.proj_out.weight.shape == (200, 32)


def test_channels_follow_the_order_of_values():
    head = add_head(build_tiny(), LABELS)
    labels = torch.tensor([[0, 1, 3], [7, 255, 2]], dtype=torch.uint8)
    classes = head.class_indices(labels)
    assert head.values == (0, 1, 3, 7)
    assert classes.tolist() == [[0, 1, 2], [3, -100, -100]]
    assert classes.dtype == torch.int64
    assert head.label_values(torch.tensor([3, 0, 2])).tolist() == [7, 0, 3]


def test_a_new_detail_branch_answers_as_the_decoder_alone_at_the_full_size():
    plain, detailed = build_tiny(), build_tiny()
    heads = add_head(plain, LABELS), add_head(detailed, LABELS, detail=4)
    pixels = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    embedding = plain.encode(pixels)
    low = heads[0].logits(plain, embedding, pixels)
    full = heads[1].logits(detailed, embedding, pixels)
    assert (heads[0].resolution(plain), heads[1].resolution(detailed)) == (16, 64)
    wanted = torch.nn.functional.interpolate(low, size=(64, 64), mode="bilinear", align_corners=False)
    assert torch.equal(full, wanted)


def test_the_detail_branch_sees_what_the_embedding_does_not():
    model = build_tiny()
    head = add_head(model, LABELS, detail=4)
    torch.nn.init.normal_(model.detail.answer.weight, generator=torch.Generator().manual_seed(0))
    pixels = torch.zeros(1, 3, 64, 64)
    embedding = model.encode(pixels)
    other = pixels.clone()
    other[..., 20, 33] = 3.0
    difference = (head.logits(model, embedding, other) - head.logits(model, embedding, pixels)).abs().amax(1)[0]
    y, x = divmod(int(difference.argmax()), 64)
    assert abs(y - 20) <= 3
    assert abs(x - 33) <= 3


def test_an_empty_label_set_is_refused():
    with pytest.raises(ConfigError, match="at least one label"):
        add_head(build_tiny(), LabelSet(()))


def test_without_the_decoder_the_branch_answers_alone():
    model = build_tiny()
    head = add_head(model, LABELS, detail=4, decoder=False)
    torch.nn.init.normal_(model.detail.answer.weight, generator=torch.Generator().manual_seed(0))
    pixels = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    embedding = model.encode(pixels)
    assert torch.equal(head.logits(model, embedding, pixels), model.detail(pixels, embedding))
    with pytest.raises(ConfigError, match="needs a detail branch"):
        add_head(build_tiny(), LABELS, decoder=False)


def test_a_fine_path_goes_with_the_decoder_that_reads_it():
    network = replace(KNOWN["test"], fine=4, refine=4)
    models = [fresh(network, seed=1) for _ in range(2)]
    for model, decoder in zip(models, (True, False)):
        add_head(model, LABELS, detail=4, decoder=decoder)
    assert [len(model.encoder_parts) for model in models] == [2, 1]
    pixels = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    answers = [model.detail(pixels, coarse(model.encode(pixels))) for model in models]
    assert torch.equal(answers[0], answers[1])
    assert models[1].head.logits(models[1], models[1].encode(pixels), pixels).shape == (1, 4, 64, 64)


@pytest.mark.parametrize("decoder", [True, False])
def test_the_method_head_trains_the_head_alone_and_keeps_it(decoder, tmp_path):
    model = build_tiny()
    head = add_head(model, LABELS, detail=4, decoder=decoder)
    inject(model, HeadConfig())
    parts = {name.split(".")[0 if name.startswith("detail") else 2] for name, _ in trainable_parameters(model)}
    own = {"mask_tokens", "output_hypernetworks_mlps", "iou_prediction_head"} if decoder else set()
    assert parts == {"detail"} | own
    with torch.no_grad():
        for _, parameter in trainable_parameters(model):
            parameter.add_(0.01)
    save_adapter(model, tmp_path)
    again = build_tiny()
    load_adapter(again, tmp_path)
    pixels = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    first, second = (one.head.logits(one, one.encode(pixels), pixels) for one in (model, again))
    assert again.head == head
    assert torch.equal(first, second)


def test_the_method_head_needs_a_head():
    with pytest.raises(ConfigError, match="no prompt-free head"):
        inject(build_tiny(), HeadConfig())
