"""Files as a model wants to see them: the modality and the window it was adapted to, where the user says nothing."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samadapt.core.errors import PromptError
from samadapt.core.image import Image, Volume

if TYPE_CHECKING:
    from samadapt.models.promptable import SamPromptable


def open_for(model: SamPromptable, source: Path, modality: str, window: str) -> Image | Volume:
    """An image or volume with the window it is to be shown in; of every channel by itself if the model names channels.

    Parameters
    ----------
    model : SamPromptable
    source : Path
    modality : str
        "" for that of the file, or else that of the training.
    window : str
        "auto" for that of the training, or else by modality and data.
    """
    from samadapt import io
    from samadapt.data.channels import windows_of
    from samadapt.data.window import window_of

    trained = trained_on(model)
    named = bool(model.channels)
    image = io.open(source, modality=modality or str(trained.get("modality", "")), channels=named)
    known = trained.get("window")
    policy = f"[{known[0]},{known[1]}]" if window == "auto" and isinstance(known, list) else window
    array = image.pixels if isinstance(image, Image) else image.voxels
    whole = window_of(array, image.modality, policy)
    several = named and array.ndim > len(image.grid.shape)
    return dataclasses.replace(
        image, window=whole, windows=windows_of(array, image.modality, policy, whole) if several else ()
    )


def trained_on(model: SamPromptable) -> dict[str, Any]:
    """Modality and window of the images an adapter or a specialist was trained on; empty for a base model."""
    from samadapt.adapt.adaptation import adaptation_of
    from samadapt.models.specialists import Specialist

    if isinstance(model, Specialist):
        return dict(model.context)
    adaptation = adaptation_of(model)
    return {} if adaptation is None else dict(adaptation.context)


def slice_of(volume: Volume, index: int | None) -> Image:
    """Slice of a volume, or a clear error.

    Raises
    ------
    PromptError
        If no slice is named or there is none of this number.
    """
    if index is None:
        raise PromptError(
            f"a volume needs to know which of its {len(volume)} slices is meant",
            where=volume.source,
            remedy="Add --slice NUMBER (0 is the lowest slice towards the feet).",
        )
    if index >= len(volume):
        raise PromptError(f"slice {index} does not exist: the volume has {len(volume)}", where=volume.source)
    return volume.slice(index)
