"""What holds for the configuration of every command."""

from __future__ import annotations

import importlib

import pytest
from pydantic import BaseModel

from samadapt.config import Config, dump, load_config
from samadapt.config.base import _nested

CONFIGS = {
    "samadapt.data.config:PrepareConfig": ["source=a", "out=b"],
    "samadapt.data.phantoms:SynthConfig": ["out=b"],
    "samadapt.train.config:TrainConfig": ["data=a", "out=b", "steps=3"],
    "samadapt.study.config:EvaluateConfig": ["data=a", "out=b"],
    "samadapt.study.demo:DemoConfig": [],
    "samadapt.infer.config:PredictConfig": ["source=a", "out=b", "box=['1,2,3,4']"],
}


def find(name: str) -> type[Config]:
    module, attribute = name.split(":")
    found = getattr(importlib.import_module(module), attribute)
    assert issubclass(found, Config)
    return found


def everything(model: type[BaseModel]) -> list[type[BaseModel]]:
    nested = [n for field in model.model_fields.values() for n in _nested(field.annotation)]
    return [model, *(m for n in nested for m in everything(n))]


@pytest.mark.parametrize("name", CONFIGS)
def test_every_field_is_described(name):
    seen = 0
    for model in everything(find(name)):
        assert model.__doc__, model
        for key, field in model.model_fields.items():
            assert len(field.description or "") > 3, f"{model.__name__}.{key} has no description"
            seen += 1
    assert seen >= 4


@pytest.mark.parametrize("name", CONFIGS)
def test_yaml_round_trip_is_equal(name, tmp_path):
    config = load_config(find(name), None, CONFIGS[name])
    (tmp_path / "c.yaml").write_text(dump(config))
    assert load_config(find(name), tmp_path / "c.yaml") == config
