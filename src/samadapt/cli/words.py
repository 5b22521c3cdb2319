"""Words of the command line before typer reads them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence

import typer


def expand_lists(command: Callable[..., None], argv: Sequence[str]) -> list[str]:
    """Let options that take several values be written ``--prompts box point:1``."""
    several = _list_options(command)
    words: list[str] = []
    current = ""
    for word in argv:
        if word.startswith("-"):
            current = word if word in several else ""
        elif current and words[-1] != current:
            words.append(current)
        words.append(word)
    return words


def _list_options(command: Callable[..., None]) -> set[str]:
    parameters = inspect.signature(command).parameters.values()
    if any(p.kind is p.POSITIONAL_ONLY or _is_argument(p) for p in parameters):
        return set()
    return {
        f"--{p.name.replace('_', '-')}" for p in parameters if "list" in str(p.annotation) and p.name != "overrides"
    }


def _is_argument(parameter: inspect.Parameter) -> bool:
    return any(isinstance(m, typer.models.ArgumentInfo) for m in getattr(parameter.annotation, "__metadata__", ()))
