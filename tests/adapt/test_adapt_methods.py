"""The registry, configurations by name, and the check of the optimizer."""

from __future__ import annotations

import importlib.metadata
from types import SimpleNamespace

import pytest
import torch
from adapt_cases import build_tiny
from pydantic import TypeAdapter, ValidationError

from samadapt.adapt import assert_trainable, inject, trainable_parameters
from samadapt.adapt.adaptation import Adaptation, Method, adaptation_of
from samadapt.adapt.config import BUILTIN_METHODS, DecoderConfig, ExternalConfig, LoraConfig, MethodConfig
from samadapt.adapt.methods import get, names, parse_config
from samadapt.config import Config
from samadapt.core.errors import ConfigError


class BiasConfig(Config):
    method: str = "bias-only"
    layers: int = 1


BIAS = Method(
    BiasConfig,
    insert=lambda model, config: None,
    trainable=lambda model, config: [n for n, _ in model.named_parameters() if n.endswith("mlp.lin1.bias")],
)


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch) -> list[importlib.metadata.EntryPoint]:
    entries = [importlib.metadata.EntryPoint("bias-only", f"{__name__}:BIAS", "samadapt.methods")]
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda group: entries)
    return entries


def test_every_built_in_method_is_what_its_configuration_says():
    assert sorted(BUILTIN_METHODS) == names()
    for name in BUILTIN_METHODS:
        config = get(name).config()
        assert config.method == name
        assert parse_config({"method": name}) == config
        assert TypeAdapter(MethodConfig).validate_python(config.model_dump()) == config
    assert len(BUILTIN_METHODS) == 6


def test_unknown_names_and_keys_name_the_nearest():
    with pytest.raises(ConfigError, match="no method 'loar'; did you mean 'lora'"):
        get("loar")
    with pytest.raises(ConfigError, match="did you mean 'rank'"):
        parse_config({"method": "lora", "ranks": 8})
    with pytest.raises(ValidationError, match="no method 'loar'; known: lora, adapter"):
        TypeAdapter(MethodConfig).validate_python({"method": "loar"})
    with pytest.raises(ConfigError, match="no method 'nothing'"):
        inject(build_tiny(), SimpleNamespace(method="nothing"))


def test_a_method_of_another_package(registered):
    model = build_tiny()
    config = TypeAdapter(MethodConfig).validate_python({"method": "bias-only", "options": {"layers": 2}})
    adaptation = inject(model, config)
    assert isinstance(config, ExternalConfig)
    assert adaptation.config == BiasConfig(layers=2)
    assert len(adaptation.trainable()) == 4
    assert "bias-only" in names()


def test_duplicates_are_refused(registered):
    registered.append(importlib.metadata.EntryPoint("lora", "other:METHOD", "samadapt.methods"))
    with pytest.raises(ConfigError, match="two packages register the method 'lora'") as error:
        names()
    assert error.value.where == "samadapt.adapt.lora:METHOD and other:METHOD"


def test_what_is_registered_must_be_a_method(registered):
    registered[0] = importlib.metadata.EntryPoint("bias-only", f"{__name__}:BiasConfig", "samadapt.methods")
    with pytest.raises(ConfigError, match="is not a Method"):
        get("bias-only")


def test_the_optimizer_must_hold_exactly_the_trainable_set():
    model = build_tiny()
    inject(model, LoraConfig())
    own = [p for _, p in trainable_parameters(model)]
    assert_trainable(model, torch.optim.AdamW([{"params": own[:3]}, {"params": own[3:], "lr": 1.0}]))
    with pytest.raises(ConfigError, match=r"missing sam\.\S+ and 1 more|missing sam\.\S+, sam\.\S+;"):
        assert_trainable(model, torch.optim.SGD(own[2:], lr=1.0))
    with pytest.raises(ConfigError, match=r"frozen sam.vision_encoder.pos_embed; of another model: 0"):
        assert_trainable(model, torch.optim.SGD([*own, model.sam.vision_encoder.pos_embed], lr=1.0))
    with pytest.raises(ConfigError, match="of another model: 1"):
        assert_trainable(model, torch.optim.SGD([*own, torch.nn.Parameter(torch.zeros(1))], lr=1.0))


def test_position_frequencies_never_learn():
    from samadapt.adapt.config import FullConfig

    model = build_tiny()
    names_ = inject(model, FullConfig(train_prompt_encoder=True)).trainable()
    assert not any("positional_embedding" in name for name in names_)
    everything = {n for n, _ in model.named_parameters() if "positional_embedding" not in n}
    assert set(names_) == everything


def test_adaptation_is_found_at_its_model():
    model = build_tiny()
    assert adaptation_of(model) is None
    adaptation = inject(model, DecoderConfig())
    assert adaptation_of(model) is adaptation
    assert isinstance(adaptation, Adaptation)
    assert adaptation.name == "decoder"
    assert adaptation.state_dict().keys() == set(adaptation.trainable())
