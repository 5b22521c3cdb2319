"""An EdgeTAM from a checkpoint of either layout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from samadapt.core.errors import CheckpointError
from samadapt.models import preprocess
from samadapt.models.edgetam.architecture import EdgeTamArchitecture, infer
from samadapt.models.edgetam.build import assemble
from samadapt.models.edgetam.names import to_transformers
from samadapt.models.edgetam.promptable import EdgeTamPromptable
from samadapt.models.sam2.loading import from_config, still_assumed

if TYPE_CHECKING:
    from samadapt.models.loading import Checkpoint


def build(
    checkpoint: Checkpoint, image_size: int | None = None, allow: Sequence[str] = (), *, preprocessing: str = "sam2"
) -> EdgeTamPromptable:
    """Build the model of a checkpoint; see `samadapt.models.load`."""
    architecture = architecture_of(checkpoint)
    return assemble(
        architecture,
        to_transformers(checkpoint.state),
        preprocess.get(preprocessing, architecture.image_size),
        name=checkpoint.name,
        family=checkpoint.family or "edgetam",
        image_size=image_size,
        allow=allow,
        where=checkpoint.where,
    )


def architecture_of(checkpoint: Checkpoint) -> EdgeTamArchitecture:
    """Network of a checkpoint: its tensors, then what config.json or a file beside the weights says.

    Raises
    ------
    CheckpointError
        If a tensor that is needed to tell is absent.
    """
    shapes = {key: tuple(value.shape) for key, value in to_transformers(checkpoint.state).items()}
    try:
        inferred = infer(shapes)
    except CheckpointError as error:
        raise CheckpointError(error.what, where=checkpoint.where, remedy=error.remedy) from error
    told = {**from_config(checkpoint.config), **checkpoint.architecture}
    return inferred.updated({**told, "assumed": still_assumed(inferred.assumed, told)})
