"""An EdgeTAM from a checkpoint of either layout."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from samadapt.models import preprocess
from samadapt.models.edgetam.architecture import EdgeTamArchitecture, infer
from samadapt.models.edgetam.build import assemble
from samadapt.models.edgetam.names import to_transformers
from samadapt.models.edgetam.promptable import EdgeTamPromptable
from samadapt.models.sam2.loading import facts_of, from_config, told_architecture

if TYPE_CHECKING:
    from samadapt.models.loading import Checkpoint


def build(
    checkpoint: Checkpoint, image_size: int | None = None, allow: Sequence[str] = (), *, preprocessing: str = "sam2"
) -> EdgeTamPromptable:
    """Build the model of a checkpoint; see `samadapt.models.load`."""
    architecture = architecture_of(checkpoint)
    how = preprocess.get(preprocessing, architecture.image_size)
    given = facts_of(checkpoint, "edgetam", image_size, allow)
    return assemble(architecture, to_transformers(checkpoint.state), how, **given)


def architecture_of(checkpoint: Checkpoint) -> EdgeTamArchitecture:
    """Network of a checkpoint; see `samadapt.models.sam2.loading.told_architecture`."""
    return told_architecture(checkpoint, to_transformers, infer, from_config)
