"""Names of the files that hold a SAM 3 to the plain names of transformers' Sam3TrackerModel.

Three layouts exist: plain names; the full facebook/sam3, where the encoder belongs to the detector of concepts and the
rest to the tracker; and what `save_pretrained` of Sam3TrackerModel writes, which has both prefixes. The detector's own
parts (text encoder, DETR), which answer words, are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

T = TypeVar("T")

_TRACKER, _DETECTOR = "tracker_model.", "detector_model."
_MOVED = (
    ("detector_model.vision_encoder.backbone.", "vision_encoder.backbone."),
    ("tracker_neck.", "vision_encoder.neck."),
)


def to_transformers(state: Mapping[str, T]) -> dict[str, T]:
    """Plain names of the promptable part's entries.

    Parameters
    ----------
    state : mapping of str to anything
        Tensors, or their shapes, by the names of a file.

    Returns
    -------
    dict
        Names that SAM 3 does not know are kept as they are.
    """
    renamed = {_plain(key): value for key, value in state.items()}
    return {key: value for key, value in renamed.items() if not key.startswith(_DETECTOR)}


def _plain(key: str) -> str:
    while key.startswith(_TRACKER):  # transformers 5 writes it twice for the full model
        key = key.removeprefix(_TRACKER)
    for begins, becomes in _MOVED:
        if key.startswith(begins):
            return becomes + key.removeprefix(begins)
    return key
