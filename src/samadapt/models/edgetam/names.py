"""Names of the original EdgeTAM file to those of transformers' EdgeTamModel, and back.

All but the encoder is named as in SAM 2. The memory and the counters of the encoder's norms are left out.
"""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from samadapt.models.sam2 import names as sam2

_BODY, _META_BODY = "vision_encoder.backbone.timm_model.", "vision_encoder.backbone.body."
_MEMORY = (*sam2.MEMORY, "spatial_perceiver.")
_COUNTER = ".num_batches_tracked"


def to_transformers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Transformers' names of the image part of a checkpoint of either layout."""
    renamed = {_moved(key, _META_BODY, _BODY): value for key, value in sam2.to_transformers(state).items()}
    return {key: value for key, value in renamed.items() if not (key.startswith(_MEMORY) or key.endswith(_COUNTER))}


def to_meta(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of a model by the names of the original code: the inverse of `to_transformers`."""
    return sam2.to_meta({_moved(key, _BODY, _META_BODY): value for key, value in state.items()})


def _moved(key: str, begins: str, becomes: str) -> str:
    return becomes + key.removeprefix(begins) if key.startswith(begins) else key
