"""Typed configurations: files, overrides, shorthand, errors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from pydantic import Field, ValidationError

from samadapt.config import Config, dump, load_config
from samadapt.config.base import known_keys, tagged_unions
from samadapt.core.errors import ConfigError


class Lora(Config):
    method: Literal["lora"] = "lora"
    rank: int = Field(4, ge=1)
    blocks: tuple[int, ...] | None = None


class Full(Config):
    method: Literal["full"] = "full"


class Inner(Config):
    every: int = 10


class Job(Config):
    data: Path
    seed: int = 0
    method: Annotated[Lora | Full, Field(discriminator="method")] = Lora()
    validation: Inner = Inner()
    prompts: tuple[str, ...] = ("box",)


def test_file_values_and_overrides_in_this_order(tmp_path):
    (tmp_path / "a.yaml").write_text("data: x\nseed: 1\nvalidation: {every: 3}\n")
    assert load_config(Job, tmp_path / "a.yaml").seed == 1
    assert load_config(Job, tmp_path / "a.yaml", values={"seed": 2}).seed == 2
    found = load_config(Job, tmp_path / "a.yaml", ["seed=3", "validation.every=7"], {"seed": 2})
    assert (found.seed, found.validation.every, found.data) == (3, 7, Path("x"))


def test_yaml_round_trip_is_equal(tmp_path):
    first = load_config(
        Job, None, ["data=x", "method=lora", "method.rank=16", "method.blocks=[1, 2]", "prompts=[box, 'point:1']"]
    )
    (tmp_path / "b.yaml").write_text(dump(first))
    assert load_config(Job, tmp_path / "b.yaml") == first
    assert first.method == Lora(rank=16, blocks=(1, 2))
    assert "!!python" not in dump(first)


@pytest.mark.parametrize("override", [["method=full"], ["method.method=full"], ["method={method: full}"]])
def test_a_tagged_union_may_be_given_by_its_name(override):
    assert load_config(Job, None, ["data=x", *override]).method == Full()


def test_shorthand_then_a_field_of_it(tmp_path):
    (tmp_path / "a.yaml").write_text("data: x\nmethod: lora\n")
    assert load_config(Job, tmp_path / "a.yaml", ["method.rank=8"]).method == Lora(rank=8)
    assert Job(data=Path("x"), method="full").method == Full()


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sede=1", "unknown key 'sede'; did you mean 'seed'"),
        ("validation.evry=1", "did you mean 'validation.every'"),
        ("qqqqqq=1", "unknown key 'qqqqqq'$"),
        ("seed=many", "seed.*got 'many'"),
        ("method=lore", "^method: "),
        ("method.rnak=8", "unknown key 'method.rnak'; did you mean 'method.rank'"),
        ("method.rank=0", "^method.rank: .*got 0"),
        ("seed.sub=1", "seed"),
        ("seed", "key=value"),
    ],
)
def test_errors_name_the_key_and_the_nearest_valid_one(override, message):
    with pytest.raises(ConfigError, match=message):
        load_config(Job, None, ["data=x", override])


@pytest.mark.parametrize(
    ("override", "message"),
    [("rnak=1", "did you mean 'method.rank'"), ("rank=0", r"rank.*greater than or equal to 1.*got 0")],
)
def test_errors_inside_a_tagged_union(override, message):
    with pytest.raises(ConfigError, match=message):
        load_config(Job, None, ["data=x", "method=lora", f"method.{override}"])


def test_what_is_missing_is_named():
    with pytest.raises(ConfigError, match="data: Field required"):
        load_config(Job)


@pytest.mark.parametrize(
    ("text", "message"), [("a: [", "not valid YAML"), ("- 1\n- 2\n", "mapping of keys"), ("sede: 1\ndata: x", "seed")]
)
def test_bad_files_are_named(tmp_path, text, message):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message) as caught:
        load_config(Job, tmp_path / "bad.yaml")
    assert "bad.yaml" in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"gone\.yaml.*does not exist"):
        load_config(Job, tmp_path / "gone.yaml")


def test_configurations_are_frozen():
    with pytest.raises(ValidationError):
        Job(data=Path("x")).seed = 2


def test_keys_of_nested_configurations():
    assert tagged_unions(Job) == {"method"}
    assert {"data", "method.rank", "validation.every"} <= known_keys(Job)


def test_a_file_may_stand_on_another(tmp_path):
    (tmp_path / "a.yaml").write_text("data: x\nseed: 1\nmethod: {method: lora, rank: 8}\nvalidation: {every: 3}\n")
    (tmp_path / "b.yaml").write_text("base: a.yaml\nseed: 2\nmethod: {blocks: [1]}\n")
    (tmp_path / "c.yaml").write_text("base: b.yaml\nmethod: {method: full}\n")
    found = load_config(Job, tmp_path / "b.yaml")
    assert (found.data, found.seed, found.method, found.validation.every) == (
        Path("x"),
        2,
        Lora(rank=8, blocks=(1,)),
        3,
    )
    assert load_config(Job, tmp_path / "c.yaml").method == Full()
    (tmp_path / "a.yaml").write_text("base: c.yaml\n")
    with pytest.raises(ConfigError, match="its own base"):
        load_config(Job, tmp_path / "c.yaml")
    (tmp_path / "d.yaml").write_text("base: nowhere.yaml\n")
    with pytest.raises(ConfigError, match=r"nowhere\.yaml.*does not exist"):
        load_config(Job, tmp_path / "d.yaml")
