"""Layers of perceptrons: numbered in the original code, while transformers names the first and the last.

head.layers.0, head.layers.1, ..., head.layers.N    is    head.proj_in, head.layers.0, ..., head.proj_out
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")

_NUMBERED = re.compile(r"(?P<head>.+)\.layers\.(?P<layer>\d+)(?P<rest>\..+)")
_NAMED = re.compile(r"(?P<head>.+)\.(?P<layer>proj_in|proj_out|layers\.\d+)(?P<rest>\..+)")


def name_ends(state: Mapping[str, T], heads: re.Pattern[str]) -> dict[str, T]:
    """Names of transformers for perceptrons of any depth whose layers are numbered.

    Parameters
    ----------
    state : mapping of str to anything
        Tensors, or their shapes.
    heads : pattern
        Of the whole name of a perceptron; everything else keeps its name.

    Returns
    -------
    dict
        In the order of `state`.
    """
    last: dict[str, int] = {}
    for match in _parts(state, _NUMBERED, heads):
        last[match["head"]] = max(last.get(match["head"], 0), int(match["layer"]))
    renamed = {
        m.string: f"{m['head']}.{_name(int(m['layer']), last[m['head']])}{m['rest']}"
        for m in _parts(state, _NUMBERED, heads)
    }
    return {renamed.get(key, key): value for key, value in state.items()}


def number_ends(state: Mapping[str, T], heads: re.Pattern[str]) -> dict[str, T]:
    """Numbers for perceptrons whose first and last layers have names: the inverse of `name_ends`."""
    last: dict[str, int] = {}
    for match in _parts(state, _NAMED, heads):
        last[match["head"]] = max(last.get(match["head"], 1), _inner(match["layer"]) + 1)
    renamed = {
        m.string: f"{m['head']}.layers.{_number(m['layer'], last[m['head']])}{m['rest']}"
        for m in _parts(state, _NAMED, heads)
    }
    return {renamed.get(key, key): value for key, value in state.items()}


def _parts(keys: Iterable[str], layout: re.Pattern[str], heads: re.Pattern[str]) -> Iterable[re.Match[str]]:
    for key in keys:
        match = layout.fullmatch(key)
        if match and heads.fullmatch(match["head"]):
            yield match


def _name(layer: int, last: int) -> str:
    if layer == 0:
        return "proj_in"
    return "proj_out" if layer == last else f"layers.{layer - 1}"


def _inner(layer: str) -> int:
    """Place of a layer counted from the first; 0 for the ends."""
    return int(layer.removeprefix("layers.")) + 1 if layer.startswith("layers.") else 0


def _number(layer: str, last: int) -> int:
    return last if layer == "proj_out" else _inner(layer)
