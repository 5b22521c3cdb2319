"""How channels of an image are named on the command line and in configurations."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated

from pydantic import BeforeValidator, Field

from samadapt.core.errors import ConfigError

COLOURS = ("red", "green", "blue")


def channel_names(value: object) -> tuple[str, ...]:
    """Names of channels in the order in which a model sees them.

    Parameters
    ----------
    value : int, str, sequence of str or int, or None
        A count N stands for the channels 0 to N - 1; a text is parted at commas; None and () mean colours as they are.

    Returns
    -------
    tuple of str
        Names or numbers from 0; empty, or at least three.

    Raises
    ------
    ConfigError
        If there are fewer than three.
    """
    if value is None:
        return ()
    if isinstance(value, int):
        require_three(value)
        return tuple(map(str, range(value)))
    parts: Sequence[object] = [value] if isinstance(value, str) else list(value)  # type: ignore[call-overload]
    names = tuple(word for part in parts for word in re.split(r"\s*,\s*", str(part).strip()) if word)
    if names:
        require_three(len(names))
    return names


def require_three(count: int, where: object = None) -> None:
    """Raise `ConfigError` for fewer channels than a model has inputs for."""
    if count < len(COLOURS):
        raise ConfigError(
            f"red, green and blue need three channels, not {count}",
            where=where or "channels",
            remedy="Name a channel more than once if there are fewer.",
        )


def _checked(value: object) -> tuple[str, ...]:
    try:
        return channel_names(value)
    except ConfigError as error:
        raise ValueError(f"{error.what}. {error.remedy}") from error


ChannelNames = Annotated[
    tuple[str, ...],
    BeforeValidator(_checked),
    Field(
        description="Channels of the image that the model is shown, by name or by number from 0, such as "
        "nir,red,green; more than three widen its first layer; none: colours as they are"
    ),
]
"""A setting that names channels."""
