"""Options of a recipe: typed, with the nearest valid name in the error."""

from __future__ import annotations

from typing import Any, TypeVar

from samadapt.config import Config, load_config

C = TypeVar("C", bound=Config)


def read_options(cls: type[C], options: dict[str, Any]) -> C:
    """Options given by name, None meaning the default.

    Raises
    ------
    ConfigError
        If an option is unknown (the nearest is named) or a value does not fit.
    """
    return load_config(cls, values={key: value for key, value in options.items() if value is not None})
