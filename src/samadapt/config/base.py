"""Base of every configuration and the loader behind ``-c file.yaml -s adapter.rank=16``."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar, Union

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from samadapt.core.errors import ConfigError


class Config(BaseModel):
    """Frozen, with unknown keys refused and every field described.

    A field whose type is a union told apart by a key of the field's own name may be given by that name
    alone: ``method: lora`` means ``method: {method: lora}``; settings without it belong to the default kind.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @model_validator(mode="before")
    @classmethod
    def _expand_shorthand(cls, tree: Any) -> Any:
        if not isinstance(tree, dict):
            return tree
        tagged = tagged_unions(cls) & set(tree)
        return tree | {name: _with_tag(tree[name], name, cls.model_fields[name].default) for name in tagged}


def _with_tag(value: Any, name: str, default: Any) -> Any:
    """A tagged value from its name alone, or from settings without the name (then the field's default kind)."""
    if isinstance(value, str):
        return {name: value}
    if isinstance(value, dict) and name not in value and hasattr(default, name):
        return {name: getattr(default, name)} | value
    return value


C = TypeVar("C", bound=Config)


def load_config(
    cls: type[C], file: str | Path | None = None, overrides: Sequence[str] = (), values: dict[str, Any] | None = None
) -> C:
    """Build a configuration from a YAML file, then `values`, then ``key.sub=value`` overrides.

    A group in `values` changes the keys that it names and leaves the file's others (see `merged`).

    A file may begin with ``base: other.yaml``, a file beside it whose keys hold where the file itself has none.

    Raises
    ------
    ConfigError
        If a key is unknown (the nearest valid one is named) or a value does not fit.
    """
    tree = _read_yaml(file) if file else {}
    for key, value in (values or {}).items():
        changed = merged(tree, {key: value})
        _put(tree, key, changed[key])
    for item in overrides:
        key, separator, text = item.partition("=")
        if not separator:
            raise ConfigError(f"an override has the form key=value, not {item!r}")
        _put(tree, key.strip(), yaml.safe_load(text))
    try:
        return cls.model_validate(tree)
    except ValidationError as error:
        raise ConfigError(_explain(cls, error), where=file) from error


def dump(config: Config) -> str:
    """YAML text that `load_config` reads back to an equal configuration."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False)


def _read_yaml(file: str | Path, children: tuple[Path, ...] = ()) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(Path(file).read_text(encoding="utf-8")) or {}
    except FileNotFoundError as error:
        raise ConfigError("the configuration file does not exist", where=file) from error
    except yaml.YAMLError as error:
        raise ConfigError(f"not valid YAML: {error}", where=file) from error
    if not isinstance(tree, dict):
        raise ConfigError("a configuration is a mapping of keys to values", where=file)
    if "base" not in tree:
        return tree
    base = Path(file).parent / str(tree.pop("base"))
    if base.resolve() in (above := (*children, Path(file).resolve())):
        raise ConfigError(f"the file is its own base, through {base.name}", where=file)
    return merged(_read_yaml(base, above), tree)


def merged(base: dict[str, Any], tree: dict[str, Any]) -> dict[str, Any]:
    """`tree` over `base`, group by group; a group of another kind (``method: {method: ...}``) replaces the base's."""
    found = base | tree
    for key in base.keys() & tree.keys():
        one, other = base[key], tree[key]
        if isinstance(one, dict) and isinstance(other, dict) and other.get(key, one.get(key)) == one.get(key):
            found[key] = merged(one, other)
    return found


def _put(tree: dict[str, Any], dotted: str, value: Any) -> None:
    *parents, last = dotted.split(".")
    for parent in parents:
        if isinstance(tree.get(parent), str):
            tree[parent] = {parent: tree[parent]}
        tree = tree.setdefault(parent, {})
        if not isinstance(tree, dict):
            raise ConfigError(f"{dotted}: {parent} is a value, not a group of keys")
    tree[last] = value


def _explain(cls: type[Config], error: ValidationError) -> str:
    return "; ".join(_explain_one(cls, detail) for detail in error.errors())


def _explain_one(cls: type[Config], detail: Any) -> str:
    path = _without_tags(cls, [str(part) for part in detail["loc"]])
    if detail["type"] != "extra_forbidden":
        said = str(detail["msg"]).removeprefix("Value error, ")
        shown = "" if isinstance(detail["input"], dict) else f" (got {detail['input']!r})"
        return ": ".join(part for part in (".".join(path), said + shown) if part)
    names = sorted(known_keys(cls))
    near = difflib.get_close_matches(".".join(path), names, 1, 0.4) or difflib.get_close_matches(
        path[-1], names, 1, 0.4
    )
    return f"unknown key {'.'.join(path)!r}" + (f"; did you mean {near[0]!r}?" if near else "")


def _without_tags(cls: type[Config], path: list[str]) -> list[str]:
    """Keys as the user writes them: pydantic puts the kind of a tagged union into the place of an error."""
    if len(path) > 1 and path[0] in tagged_unions(cls):
        return [path[0]] if path[2:] == [path[0]] else [path[0], *path[2:]]
    return path


def tagged_unions(cls: type[BaseModel]) -> set[str]:
    """Names of the fields that are unions of configurations told apart by a key of the same name."""
    found = set()
    for name, field in cls.model_fields.items():
        members = _nested(field.annotation)
        if len(members) > 1 and all(name in member.model_fields for member in members):
            found.add(name)
    return found


def known_keys(cls: type[BaseModel], prefix: str = "") -> set[str]:
    """Dotted names of every field, nested configurations included."""
    keys: set[str] = set()
    for name, field in cls.model_fields.items():
        keys.add(prefix + name)
        for nested in _nested(field.annotation):
            keys |= known_keys(nested, f"{prefix}{name}.")
    return keys


def _nested(annotation: Any) -> list[type[BaseModel]]:
    origin = typing.get_origin(annotation)
    if origin in (Union, types.UnionType, typing.Annotated, list, tuple, dict):
        return [found for argument in typing.get_args(annotation) for found in _nested(argument)]
    return [annotation] if isinstance(annotation, type) and issubclass(annotation, BaseModel) else []
