"""Help texts: complete, and generated from the configurations."""

from __future__ import annotations

import importlib
import re

import pytest

from samadapt.adapt.exchange_config import ConvertConfig, MergeConfig, UnmergeConfig
from samadapt.cli.main import COMMANDS
from samadapt.data.config import PrepareConfig
from samadapt.data.corpus.config import CorpusConfig
from samadapt.data.phantoms import SynthConfig
from samadapt.infer.automatic.options import AutoConfig
from samadapt.infer.config import PredictConfig
from samadapt.study.config import EvaluateConfig, ScoreConfig
from samadapt.study.demo import DemoConfig
from samadapt.study.scaling import ScalingConfig
from samadapt.study.sweep_config import SweepConfig
from samadapt.train.config import TrainConfig
from samadapt.version import __version__

CONFIGS = {
    "demo": DemoConfig,
    "synth": SynthConfig,
    "prepare": PrepareConfig,
    "corpus": CorpusConfig,
    "evaluate": EvaluateConfig,
    "score": ScoreConfig,
    "sweep": SweepConfig,
    "scaling": ScalingConfig,
    "train": TrainConfig,
    "predict": PredictConfig,
    "convert": ConvertConfig,
    "merge": MergeConfig,
    "unmerge": UnmergeConfig,
    "auto": AutoConfig,
}
GROUPS = {
    "scaling": {"train"},
    "score": {"labels", "values"},
    "corpus": {"sources", "rules", "splits"},
    "prepare": {"options", "splits"},
    "synth": {"shape", "spacing_mm"},
    "train": {"new", "specialist", "stem", "synthetic", "optimizer", "schedule", "augment", "balance", "validation"},
}


def test_help_lists_every_command(samadapt):
    answer = samadapt("--help")
    assert answer.code == 0
    assert [name for name in COMMANDS if re.search(rf"^\W*{name}\s", answer.out, re.M)] == list(COMMANDS)
    assert len(COMMANDS) == 23
    assert "130 interrupted" in answer.out


def test_version(samadapt):
    answer = samadapt("--version")
    assert (answer.code, answer.out) == (0, f"samadapt {__version__}\n")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help(samadapt, name):
    answer = samadapt(name, "--help")
    assert answer.code == 0
    assert COMMANDS[name].split(";")[0] in " ".join(answer.out.split())
    assert "--json" in answer.out or name in CONFIGS


@pytest.mark.parametrize("name", CONFIGS)
def test_help_lists_every_plain_field_with_its_description(samadapt, name):
    text = " ".join(samadapt(name, "--help").out.replace("│", " ").split())
    listed = set()
    for key, field in CONFIGS[name].model_fields.items():
        if key in GROUPS.get(name, ()):
            continue
        flag = key if f"--{key.replace('_', '-')}" not in text else f"--{key.replace('_', '-')}"
        assert re.search(rf"{re.escape(flag)}\W", text), f"{key} is not in the help of {name}"
        assert field.description in text, f"the help of {name} does not describe {key}"
        listed.add(key)
    assert listed == set(CONFIGS[name].model_fields) - GROUPS.get(name, set())
    assert len(listed) >= 4
    assert all(re.search(rf"these too: [^│]*{group}", text) for group in GROUPS.get(name, ()))


@pytest.mark.parametrize("name", CONFIGS)
def test_every_help_line_says_the_default(samadapt, name):
    text = samadapt(name, "--help").out.split("Configuration")[0]
    options = re.findall(r"^│ +--(?!help)", text, re.M)
    assert len(options) == len(re.findall(r"(default: |required)[^\]\n]*\]", text)) - text.count("*    ")
    assert options


def test_help_says_choices_and_keeps_brackets(samadapt):
    train, prepare = samadapt("train", "--help").out, samadapt("prepare", "--help").out
    assert "[lora, adapter, sammed2d-adapter, decoder, full, head; default: lora]" in train
    assert "[semantic, box, interactive; default: semantic]" in train
    assert "[auto, fp32, bf16; default: auto]" in train
    assert "or [low,high]" in prepare


def test_every_command_is_one_module():
    assert all(callable(importlib.import_module(f"samadapt.cli.{name.replace('-', '_')}").command) for name in COMMANDS)
