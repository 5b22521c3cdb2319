"""Which channels of an image a model is shown, each with its own window."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from samadapt.config.channels import COLOURS
from samadapt.core.errors import ConfigError
from samadapt.core.image import Image, Volume
from samadapt.data.window import Window, display_channels, to_display, window_of

if TYPE_CHECKING:
    from samadapt.data.store import Store

AnyImage = TypeVar("AnyImage", Image, Volume)


@dataclass(frozen=True)
class Channels:
    """What of an image a model is shown.

    Attributes
    ----------
    names : tuple of str
        Names, or numbers from 0, in the order of the model's inputs. Empty: colours, or grey three times.
    known : tuple of str
        Names of all channels of the images that the model learnt from, in their order: those of an image that has as
        many and no names.
    """

    names: tuple[str, ...] = ()
    known: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.names)

    def show(self, image: Image) -> NDArray[np.float32]:
        """What the model sees of an image, before its preprocessing.

        Parameters
        ----------
        image : Image
            Every channel is mapped by its own window where the image knows it, else by that of the image.

        Returns
        -------
        ndarray of shape (H, W, C), float32
            Contiguous, in 0..255. C is 3 without names.

        Raises
        ------
        ConfigError
            If a channel does not exist, or there are more than three and none is named.
        """
        if not self.names:
            count, dtype = _count(image.pixels, 2), image.pixels.dtype.name
            require_colours(
                count, image.channels, may_be_alpha=_may_be_alpha(dtype, image.modality), where=image.source
            )
            return to_display(image.pixels, image.window)
        places = self.places(image)
        spread = image.pixels[..., None] if image.pixels.ndim == 2 else image.pixels
        windows = image.windows or (image.window,) * spread.shape[-1]
        return display_channels(spread[..., places], [windows[place] for place in places])

    def places(self, image: Image) -> list[int]:
        """Numbers of the named channels in an image; see `places_of`."""
        count = _count(image.pixels, 2)
        return places_of(self.names, image.channels, count, image.modality, self.known, where=image.source)

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"names": list(self.names), "known": list(self.known)}

    @classmethod
    def from_dict(cls, tree: dict[str, Any]) -> Channels:
        """Inverse of `as_dict`; further keys are left alone."""
        return cls(tuple(map(str, tree["names"])), tuple(map(str, tree["known"])))


AS_THEY_ARE = Channels()
"""Colours, or grey three times."""


def places_of(
    wanted: Sequence[str],
    names: Sequence[str],
    count: int,
    modality: str = "",
    known: Sequence[str] = (),
    *,
    where: object = None,
) -> list[int]:
    """Numbers of named channels in an image.

    Parameters
    ----------
    wanted : sequence of str
        Names, or numbers from 0.
    names : sequence of str
        Of the image's own channels; empty where it has none. Then they are `known`, if these are as many; red, green,
        blue and alpha for a colour image; or, where the image has exactly as many channels as are wanted and more than
        three, the wanted ones.
    count : int
        Channels of the image.
    modality : str
    known : sequence of str

    Raises
    ------
    ConfigError
        If there is no such channel.
    """
    table = tuple(names) or _likely(wanted, count, modality, known)
    return [_place(one, table, count, where) for one in wanted]


def require_colours(count: int, names: Sequence[str], *, may_be_alpha: bool, where: object = None) -> None:
    """Raise `ConfigError` for an image that is not grey or colour: nobody said which channels are meant.

    Two channels are shown with their mean as the third. A fourth without a name is taken for alpha where the image is
    RGB or of 8 bits.
    """
    if count <= 3 or (count == 4 and may_be_alpha and not names):
        return
    have = f" ({', '.join(names)})" if names else ""
    raise ConfigError(
        f"the image has {count} channels{have}, and the model takes three",
        where=where,
        remedy="Name those that stand for red, green and blue (--channels 2,1,0), or more, for a wider first layer.",
    )


def channels_in(store: Store, names: Sequence[str]) -> Channels:
    """Named channels of a store, with the names of all its channels where its cases agree on them."""
    known = {record.channel_names for record in store.cases} if names else set()
    return Channels(tuple(names), known.pop() if len(known) == 1 else ())


def require_shown(store: Store, cases: Iterable[int], channels: Channels) -> None:
    """Check that all these cases can be shown.

    Raises
    ------
    ConfigError
        If a case lacks a named channel, or has more than three and none is named.
    """
    for case in cases:
        record = store.cases[case]
        if channels:
            names, known = record.channel_names, channels.known
            places_of(channels.names, names, record.channels, record.modality, known, where=record.name)
        else:
            alpha = _may_be_alpha(record.dtype, record.modality)
            require_colours(record.channels, record.channel_names, may_be_alpha=alpha, where=record.name)


def windows_of(values: NDArray[Any], modality: str, policy: str, common: Window) -> tuple[Window, ...]:
    """(low, high) of every channel of (..., C) by itself; empty where all are equal to `common`."""
    found = tuple(window_of(values[..., c], modality, policy) for c in range(values.shape[-1]))
    return () if all(window == common for window in found) else found


def as_colour(image: AnyImage, channels: Sequence[int | str], window: str = "auto") -> AnyImage:
    """Image or volume of any number of channels as the colours that a model takes.

    Parameters
    ----------
    image : Image with pixels (H, W) or (H, W, C), or Volume with voxels (Z, Y, X) or (Z, Y, X, C)
        Contrast phases, MR sequences or spectral bands along the last axis.
    channels : sequence of three int or str
        From 0, or by name, those that become red, green and blue. One may be named more than once.
    window : str
        See `samadapt.data.window.window_of`: the policy for each channel by itself, over all slices. The image's
        own window is one for all channels and is not used.

    Returns
    -------
    Image or Volume
        (H, W, 3) or (Z, Y, X, 3), float32 in 0..255, with the window (0, 255).

    Raises
    ------
    ConfigError
        If there are not three channels, one of them does not exist, or `window` is not a window.
    """
    if len(channels) != 3:
        raise ConfigError(
            f"red, green and blue are three channels, not {len(channels)}",
            where=image.source or "channels",
            remedy="Name a channel more than once if there are fewer.",
        )
    values: NDArray[Any] = image.pixels if isinstance(image, Image) else image.voxels
    spread: NDArray[Any] = values[..., None] if values.ndim == len(image.grid.shape) else values
    named, where = [str(one) for one in channels], image.source or "channels"
    places = places_of(named, image.channels, spread.shape[-1], image.modality, where=where)
    colour = np.empty((*spread.shape[:-1], 3), np.float32)
    for channel, index in enumerate(places):
        colour[..., channel] = _shown(spread[..., index], image.modality, window)
    plain: dict[str, Any] = {"window": (0.0, 255.0), "channels": COLOURS, "windows": ()}
    if isinstance(image, Image):
        return replace(image, pixels=colour, **plain)
    return replace(image, voxels=colour, **plain)


def _shown(channel: NDArray[Any], modality: str, window: str) -> NDArray[np.float32]:
    flat = channel.reshape(channel.shape[0], -1)
    return to_display(flat, window_of(channel, modality, window))[..., 0].reshape(channel.shape)


def _may_be_alpha(dtype: str, modality: str) -> bool:
    return dtype == "uint8" or modality == "RGB"


def _count(pixels: NDArray[Any], axes: int) -> int:
    return int(pixels.shape[-1]) if pixels.ndim > axes else 1


def _likely(wanted: Sequence[str], count: int, modality: str, known: Sequence[str]) -> tuple[str, ...]:
    """Names for the channels of an image that has none."""
    if len(known) == count:
        return tuple(known)
    colours = (*COLOURS, "alpha")[:count] if count == 3 or (count == 4 and modality == "RGB") else ()
    if count > 3 and len(wanted) == count and not set(wanted) <= set(colours):
        return tuple(wanted)
    return colours


def _place(name: str, table: tuple[str, ...], count: int, where: object) -> int:
    if name.lstrip("-").isdigit():
        if 0 <= int(name) < count:
            return int(name)
        raise ConfigError(f"there is no channel {name}", where=where, remedy=f"The image has {count}, counted from 0.")
    low = [known.lower() for known in table]
    if name.lower() in low:
        return low.index(name.lower())
    near = get_close_matches(name.lower(), low, 1)
    meant = f"; did you mean {table[low.index(near[0])]!r}?" if near else ""
    have = f"The image has {', '.join(table)}." if table else f"The {count} channels of the image have no names."
    raise ConfigError(
        f"there is no channel called {name!r}{meant}", where=where, remedy=f"{have} Numbers from 0 are understood too."
    )
