"""The decode: many images, many prompts, gradients, precision."""

from __future__ import annotations

import pytest
import torch

from samadapt.core.errors import PromptError


@pytest.fixture
def embedding(small) -> torch.Tensor:
    return torch.randn(3, 32, 4, 4, generator=torch.Generator().manual_seed(0))


def prompts(batch: int, count: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    corner = torch.rand(batch, count, 2, generator=generator) * 30
    return {
        "points": torch.rand(batch, count, 4, 2, generator=generator) * 63,
        "point_labels": torch.randint(-1, 2, (batch, count, 4), generator=generator),
        "boxes": torch.cat([corner, corner + 20], dim=-1),
        "masks": torch.randn(batch, count, 16, 16, generator=generator),
    }


KINDS = [
    ("points", "point_labels"),
    ("boxes",),
    ("masks",),
    ("points", "point_labels", "boxes"),
    ("points", "point_labels", "masks"),
    ("points", "point_labels", "boxes", "masks"),
]


@pytest.mark.parametrize("kinds", KINDS, ids="-".join)
def test_a_batch_is_the_same_as_one_by_one(small, embedding, kinds):
    given = {key: value for key, value in prompts(3, 2).items() if key in kinds}
    with torch.no_grad():
        together = small.decode_tokens(embedding, **given)
        assert together.low_res_logits.shape == (3, 2, 4, 16, 16)
        compared = 0
        for b in range(3):
            for p in range(2):
                alone = {key: value[b : b + 1, p : p + 1] for key, value in given.items()}
                one = small.decode_tokens(embedding[b : b + 1], **alone)
                torch.testing.assert_close(one.low_res_logits[0, 0], together.low_res_logits[b, p], atol=1e-5, rtol=0)
                torch.testing.assert_close(one.iou[0, 0], together.iou[b, p], atol=1e-5, rtol=0)
                compared += 1
    assert compared == 6


def test_agrees_with_transformers_where_both_can(small, embedding):
    given = prompts(3, 2)
    with torch.no_grad():
        theirs = small.sam(
            image_embeddings=embedding,
            input_points=given["points"],
            input_labels=given["point_labels"],
            input_boxes=given["boxes"],
        )
        ours = small.decode(embedding, given["points"], given["point_labels"], given["boxes"])
    torch.testing.assert_close(ours.low_res_logits, theirs.pred_masks, atol=1e-5, rtol=0)
    torch.testing.assert_close(ours.iou, theirs.iou_scores, atol=1e-5, rtol=0)


def test_masks_and_labels_matter(small, embedding):
    given = prompts(3, 2)
    with torch.no_grad():
        none = small.decode_tokens(embedding)
        outputs = [none.low_res_logits[:, :1]]
        for kinds in KINDS:
            chosen = {key: value for key, value in given.items() if key in kinds}
            outputs.append(small.decode_tokens(embedding, **chosen).low_res_logits[:, :1])
    assert none.low_res_logits.shape == (3, 1, 4, 16, 16)
    differences = [(a - b).abs().max() for i, a in enumerate(outputs) for b in outputs[:i]]
    assert len(differences) == 21
    assert min(differences) > 1e-5


def test_single_mask_is_token_zero(small, embedding):
    with torch.no_grad():
        tokens = small.decode_tokens(embedding)
        single, several = small.decode(embedding, multimask=False), small.decode(embedding, multimask=True)
    assert torch.equal(single.low_res_logits, tokens.low_res_logits[:, :, :1])
    assert torch.equal(several.iou, tokens.iou[:, :, 1:])


@pytest.mark.parametrize("checkpointed", [False, True])
def test_gradients_reach_every_part(small, checkpointed):
    small.train()
    small.checkpoint_encoder(checkpointed)
    pixels = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    output = small(pixels, **prompts(2, 2))
    (output.low_res_logits.square().mean() + output.iou.sum()).backward()
    untouched = [name for name, p in small.named_parameters() if p.requires_grad and p.grad is None]
    assert untouched == ["sam.prompt_encoder.no_mask_embed.weight"]
    assert small.sam.vision_encoder.patch_embed.projection.weight.grad.abs().sum() > 0


def test_checkpointing_changes_no_gradient(small):
    pixels = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    gradients = []
    for enabled in (False, True):
        small.train()
        small.zero_grad()
        small.checkpoint_encoder(enabled)
        small(pixels).low_res_logits.square().mean().backward()
        gradients.append(small.sam.vision_encoder.layers[0].attn.qkv.weight.grad.clone())
    torch.testing.assert_close(*gradients)


def test_bfloat16_autocast_stays_close_and_answers_in_float32(small):
    pixels = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    given = prompts(1, 2)
    with torch.no_grad():
        full = small(pixels, **given)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            half = small(pixels, **given)
    assert half.low_res_logits.dtype == half.iou.dtype == torch.float32
    difference = (half.low_res_logits - full.low_res_logits).abs().max()
    assert 0 < difference < 0.05 * full.low_res_logits.abs().max() + 0.02


def test_any_number_of_mask_tokens(small, embedding):
    decoder = small.sam.mask_decoder
    decoder.mask_tokens = torch.nn.Embedding(14, 32)
    mlps = list(decoder.output_hypernetworks_mlps)
    decoder.output_hypernetworks_mlps = torch.nn.ModuleList((mlps * 4)[:14])
    decoder.iou_prediction_head.proj_out = torch.nn.Linear(32, 14)
    output = small.decode_tokens(embedding, boxes=prompts(3, 2)["boxes"])
    assert output.low_res_logits.shape == (3, 2, 14, 16, 16)
    assert output.iou.shape == (3, 2, 14)
    assert small.mask_tokens == 14


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"points": None}, "point labels"),
        ({"point_labels": torch.zeros(3, 2, 3)}, "labels"),
        ({"boxes": torch.zeros(3, 1, 4)}, "boxes"),
        ({"boxes": torch.zeros(3, 2, 5)}, "boxes"),
        ({"masks": torch.zeros(3, 2, 8, 8)}, "masks"),
        ({"points": torch.zeros(2, 2, 4, 2), "point_labels": torch.zeros(2, 2, 4)}, "points"),
    ],
)
def test_shapes_that_disagree(small, embedding, change, named):
    with pytest.raises(PromptError, match=named):
        small.decode_tokens(embedding, **(prompts(3, 2) | change))
