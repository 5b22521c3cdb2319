"""LoRA: the formula, where it acts, how many parameters, and the published sizes of the other methods."""

from __future__ import annotations

import pytest
import torch
from adapt_cases import answers, build_tiny
from pydantic import ValidationError
from torch.nn import functional as F

from samadapt.adapt import inject, trainable_parameters
from samadapt.adapt.config import AdapterConfig, DecoderConfig, FullConfig, LoraConfig, SamMed2dConfig
from samadapt.adapt.lora import LoraLinear, LowRank
from samadapt.core.errors import ConfigError
from samadapt.models.architecture import KNOWN
from samadapt.models.build import empty_sam
from samadapt.models.preprocess import get as get_preprocessing
from samadapt.models.promptable import SamPromptable


def vit_b() -> SamPromptable:
    """SAM ViT-B without memory for its weights."""
    architecture = KNOWN["vit-b"]
    return SamPromptable(empty_sam(architecture), architecture, get_preprocessing("sam", 1024), name="vit-b")


def count(model, *parts: str) -> int:
    return sum(p.numel() for name, p in trainable_parameters(model) if any(part in name for part in parts))


def test_queries_and_values_change_and_keys_do_not():
    torch.manual_seed(0)
    linear, x = torch.nn.Linear(6, 18), torch.randn(2, 3, 4, 6)
    layer = LoraLinear(linear, {"lora_q": (0, 6), "lora_v": (12, 18)}, rank=2, scale=4.0)
    with torch.no_grad():
        layer.lora_q.B.normal_()
        layer.lora_v.B.normal_()
        plain, change = linear(x), layer(x) - linear(x)
        for name, columns in {"lora_q": slice(0, 6), "lora_v": slice(12, 18)}.items():
            update: LowRank = layer.get_submodule(name)
            expected = 4.0 * F.linear(x, update.B @ update.A)
            torch.testing.assert_close(change[..., columns], expected, atol=1e-5, rtol=1e-5)
        assert torch.equal(layer(x)[..., 6:12], plain[..., 6:12])
    assert layer.weight is linear.weight
    assert [name for name, _ in layer.named_parameters()][:2] == ["weight", "bias"]


def test_initial_values():
    update = LowRank(4096, 8, 4)
    assert update.B.abs().max() == 0
    assert update.A.abs().max() <= 1 / 4096**0.5
    assert update.A.std().item() == pytest.approx(1 / (3 * 4096) ** 0.5, rel=0.05)


def test_alpha_scales_and_its_absence_does_not():
    layers = [build_tiny(), build_tiny(), build_tiny()]
    for model, alpha in zip(layers, (None, 4, 8)):
        inject(model, LoraConfig(rank=4, alpha=alpha))
    assert [model.sam.vision_encoder.layers[0].attn.qkv.scale for model in layers] == [1, 1, 2]


@pytest.mark.parametrize("rank", [1, 4, 8, 40])
def test_any_rank(rank):
    model = build_tiny()
    inject(model, LoraConfig(rank=rank, train_decoder=False, train_prompt_encoder=False))
    assert count(model, "lora_") == sum(p.numel() for _, p in trainable_parameters(model)) == 2 * 4 * rank * 32


def test_chosen_blocks_and_those_that_do_not_exist():
    model = build_tiny()
    adaptation = inject(model, LoraConfig(blocks=(1,), train_decoder=False, train_prompt_encoder=False))
    assert {name.split(".")[3] for name in adaptation.trainable()} == {"1"}
    with pytest.raises(ConfigError, match=r"blocks \[7\] do not exist.* Blocks are 0 to 1") as error:
        inject(build_tiny(), LoraConfig(blocks=(0, 7)))
    assert error.value.where == "fresh-test"


def test_a_place_is_needed():
    with pytest.raises(ValidationError, match="encoder or decoder"):
        LoraConfig(encoder=False)


def test_decoder_updates_freeze_its_transformer():
    model = build_tiny()
    names = inject(model, LoraConfig(encoder=False, decoder=True)).trainable()
    inside = [name for name in names if ".transformer." in name]
    assert len(inside) == 2 * 2 * 7
    assert all(name.endswith((".lora.A", ".lora.B")) for name in inside)
    assert any("upscale_conv1" in name for name in names)
    assert not any("vision_encoder" in name for name in names)


def test_updates_of_the_decoder_alone_learn():
    """Nothing before them has a gradient, so the layers that they change start from constants."""
    model = build_tiny()
    inject(model, LoraConfig(encoder=False, decoder=True, train_decoder=False, train_prompt_encoder=False))
    learning = dict(trainable_parameters(model))
    sum(part.sum() for part in answers(model)).backward()
    moved = [name for name, parameter in learning.items() if parameter.grad is not None]
    assert moved == list(learning)
    assert len(moved) == 2 * 2 * 7


def test_merged_weights_are_the_sum():
    model = build_tiny()
    before = model.sam.vision_encoder.layers[0].attn.qkv.weight.clone()
    adaptation, old_hash = inject(model, LoraConfig(rank=3, alpha=6)), model.base_hash
    layer = model.sam.vision_encoder.layers[0].attn.qkv
    with torch.no_grad():
        layer.lora_v.B.normal_()
        change = 2 * layer.lora_v.weight()
        outputs = answers(model)
        adaptation.merge()
        merged = model.sam.vision_encoder.layers[0].attn.qkv
        assert type(merged) is torch.nn.Linear
        torch.testing.assert_close(merged.weight[64:], before[64:] + change)
        assert torch.equal(merged.weight[:64], before[:64])
        assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(outputs, answers(model)))
    assert model.base_hash != old_hash
    inject(model, LoraConfig())


def test_dora_sets_the_lengths_of_the_rows():
    torch.manual_seed(0)
    linear, x = torch.nn.Linear(6, 18), torch.randn(5, 6)
    layer = LoraLinear(linear, {"lora_q": (0, 6)}, rank=2, scale=4.0, dora=True)
    with torch.no_grad():
        layer.lora_q.B.normal_()
        layer.lora_q.lengths.uniform_(0.5, 2)
        direction = linear.weight[:6] + 4 * layer.lora_q.weight()
        weight = F.normalize(direction, dim=1) * layer.lora_q.lengths[:, None]
        torch.testing.assert_close(layer(x)[:, :6], F.linear(x, weight, linear.bias[:6]))
        torch.testing.assert_close(layer(x)[:, 6:], linear(x)[:, 6:])
    norm = direction.norm(dim=1)
    layer(x)[:, :6].sum().backward()
    torch.testing.assert_close(layer.lora_q.lengths.grad, (x @ direction.T).sum(0) / norm)
    outer = 4 * (layer.lora_q.lengths.detach() / norm)[:, None] * (x @ layer.lora_q.A.detach().T).sum(0)
    torch.testing.assert_close(layer.lora_q.B.grad, outer)  # the norm is a constant


def test_adapters_of_the_decoder_sit_at_its_attentions_and_perceptrons():
    model = build_tiny()
    names = inject(model, AdapterConfig(decoder=True, train_decoder=False)).trainable()
    inside = {name.partition(".adapter.")[0].partition("transformer.")[2] for name in names if "mask_decoder" in name}
    attentions = ("self_attn", "cross_attn_token_to_image", "cross_attn_image_to_token", "mlp")
    assert inside == {f"layers.{n}.{part}" for n in (0, 1) for part in attentions} | {"final_attn_token_to_image"}
    assert all(".adapter." in name for name in names)


def test_published_parameter_counts():
    with torch.device("meta"):
        models = {config: vit_b() for config in ("lora", "sammed2d", "adapter", "decoder", "full")}
        inject(models["lora"], LoraConfig(rank=4))
        inject(models["sammed2d"], SamMed2dConfig())
        inject(models["adapter"], AdapterConfig())
        inject(models["decoder"], DecoderConfig())
        inject(models["full"], FullConfig())
    assert count(models["lora"], "lora_") == 147_456
    assert count(models["sammed2d"], "layers.0.mlp.adapter.") == 15_042_048
    assert count(models["sammed2d"], ".adapter.") == 12 * 15_042_048  # 180.5 M
    assert count(models["adapter"], "layers.0.attn.adapter.") == 2 * 768 * 192 + 768 + 192  # 0.296 M
    assert count(models["adapter"], ".adapter.") == 24 * 295_872
    assert count(models["decoder"], "") == 4_058_340  # MedSAM's mask decoder
    assert count(models["full"], "") == 89_670_912 + 4_058_340
