"""The same demands on every method, with and without the prompt-free head."""

from __future__ import annotations

import copy

import pytest
import torch
from adapt_cases import LABELS, METHODS, answers, build_tiny, loss_of

from samadapt.adapt import add_head, assert_trainable, inject, load_adapter, save_adapter, trainable_parameters
from samadapt.adapt.adaptation import adaptation_of
from samadapt.adapt.config import BUILTIN_METHODS
from samadapt.core.errors import ConfigError

MERGED = {"lora", "lora-chosen-blocks", "lora-decoder", "dora", "dora-decoder", "decoder", "full", "full-prompts"}
IDENTITY = {"adapter-zero", "adapter-decoder", "sammed2d-zero"} | MERGED


def train(model, steps: int = 3) -> None:
    optimizer = torch.optim.AdamW([p for _, p in trainable_parameters(model)], lr=0.02, weight_decay=0.1)
    assert_trainable(model, optimizer)
    for _ in range(steps):
        optimizer.zero_grad()
        loss_of(model).backward()
        optimizer.step()


def close(first, second, atol: float) -> bool:
    assert len(first) == len(second) >= 6
    return all(torch.allclose(a, b, atol=atol, rtol=0) for a, b in zip(first, second))


def test_the_battery_covers_every_method():
    assert {config.method for config in METHODS.values()} == set(BUILTIN_METHODS) - {"head"}  # which needs a head
    assert len(METHODS) == 13
    assert len(IDENTITY) == 11


@pytest.mark.parametrize("name", sorted(METHODS))
def test_starts_as_the_unchanged_model_where_the_method_promises_it(name):
    model = build_tiny()
    with torch.no_grad():
        before = answers(model)
        inject(model, METHODS[name])
        assert close(before, answers(model), 1e-6) == (name in IDENTITY)


def test_training_moves_every_trainable_tensor_and_no_other(adapted):
    model = adapted
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    names = adaptation_of(model).trainable()
    train(model)
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert moved == set(names)
    assert 0 < len(names) < len(before)


def test_saved_and_loaded_onto_a_fresh_base_it_answers_the_same(adapted, tmp_path):
    model = adapted
    train(model)
    save_adapter(model, tmp_path, context={"window": [-125, 275]})
    fresh = build_tiny()
    info = load_adapter(fresh, tmp_path)
    with torch.no_grad():
        assert close(answers(model), answers(fresh), 0)
    assert info.context == adaptation_of(fresh).context == adaptation_of(model).context
    assert info.context["window"] == [-125, 275]
    assert adaptation_of(fresh).config == adaptation_of(model).config
    assert adaptation_of(fresh).trainable() == adaptation_of(model).trainable()
    assert fresh.head == model.head


@pytest.mark.parametrize("name", sorted(METHODS))
def test_merges_exactly_or_says_that_it_cannot(name):
    model = build_tiny()
    adaptation = inject(model, METHODS[name])
    train(model)
    with torch.no_grad():
        before = answers(model)
        if name not in MERGED:
            with pytest.raises(ConfigError, match="cannot be folded"):
                adaptation.merge()
            return
        adaptation.merge()
        assert close(before, answers(model), 1e-5)
    assert [n for n, _ in model.named_parameters()] == [n for n, _ in build_tiny().named_parameters()]
    assert adaptation_of(model) is None


@pytest.mark.parametrize("image_size", [48, 96])
def test_other_image_sizes(adapted_with_head, image_size, tmp_path):
    model = adapted_with_head(image_size)
    train(model, 1)
    save_adapter(model, tmp_path)
    fresh = build_tiny(image_size)
    load_adapter(fresh, tmp_path)
    with torch.no_grad():
        first, second = answers(model), answers(fresh)
    assert first[0].shape[-2:] == (image_size // 4, image_size // 4)
    assert all(part.isfinite().all() for part in first)
    assert close(first, second, 0)


def test_bfloat16_autocast_is_finite(adapted_with_head):
    model = adapted_with_head()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        loss = loss_of(model)
    loss.backward()
    gradients = [p.grad for _, p in trainable_parameters(model)]
    assert loss.isfinite()
    assert all(g is not None and g.isfinite().all() for g in gradients)


def test_gradient_checkpointing_gives_the_same_gradients(adapted_with_head):
    model = adapted_with_head().train()
    gradients = []
    for checkpointing in (False, True):
        model.zero_grad()
        if checkpointing:
            model.sam.gradient_checkpointing_enable()
            assert model.sam.vision_encoder.layers[0].gradient_checkpointing
        loss_of(model).backward()
        gradients.append({name: p.grad.clone() for name, p in trainable_parameters(model)})
    assert gradients[0].keys() == gradients[1].keys()
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradient, gradients[1][name], atol=1e-6, rtol=1e-5, msg=name)


def test_a_copy_is_independent(adapted_with_head):
    model = adapted_with_head()
    twin = copy.deepcopy(model)
    with torch.no_grad():
        before = answers(twin)
        assert close(before, answers(model), 0)
    train(model)
    with torch.no_grad():
        assert close(before, answers(twin), 0)
        assert not close(before, answers(model), 1e-3)
    assert adaptation_of(twin).model is twin


def test_head_may_be_added_before_or_after_the_method(config):
    first, second = build_tiny(), build_tiny()
    add_head(first, LABELS)
    inject(first, config)
    inject(second, config)
    add_head(second, LABELS)
    assert adaptation_of(first).trainable() == adaptation_of(second).trainable()
    assert sum("output_hypernetworks_mlps" in n for n in adaptation_of(first).trainable()) == 4 * 6
    with torch.no_grad():
        assert close(answers(first), answers(second), 0)


def test_initial_values_depend_on_the_seed_alone(config):
    models = [build_tiny(), build_tiny(), build_tiny()]
    state = torch.random.get_rng_state()
    for model, seed in zip(models, (0, 0, 1)):
        inject(model, config, seed=seed)
        assert torch.equal(state, torch.random.get_rng_state())
    same, other = [
        all(torch.equal(a, b) for a, b in zip(models[0].parameters(), model.parameters())) for model in models[1:]
    ]
    assert same
    assert other == (config.method in ("decoder", "full"))


def test_twice_is_refused(config):
    model = build_tiny()
    inject(model, config)
    with pytest.raises(ConfigError, match=f"already carries '{config.method}'"):
        inject(model, config)
