"""transformers' SAM 2 and SAM 3 for video, with the object pointers of the original."""

from __future__ import annotations

from typing import Any

import transformers
from torch import Tensor


class OriginalPointers:
    """Takes the pointer of a mask prompt from the token of the single mask, and a memory as wide as the embedding.

    transformers 5.24 takes that pointer from the token of the best candidate, facebookresearch/sam2 (2b90b9f,
    `_use_mask_as_output`), facebookresearch/sam3 (0b7b97c, the same) and facebookresearch/EdgeTAM from the single one;
    all other calls say which they want. It also reckons with a memory that is narrower than its pointers.
    """

    def _single_frame_forward(self, *given: Any, multimask_output: bool = False, **named: Any) -> Any:
        return super()._single_frame_forward(*given, multimask_output=multimask_output, **named)  # type: ignore[misc]

    def _process_object_pointers(
        self, offsets: list[int], pointers: list[Tensor], limit: int, batch: int, channels: int, *others: Any
    ) -> tuple[Tensor, Tensor]:
        flat = [pointer.reshape(batch, channels) for pointer in pointers]
        whole: Any = super()
        found: tuple[Tensor, Tensor] = whole._process_object_pointers(offsets, flat, limit, batch, channels, *others)
        return found


class Sam2VideoModel(OriginalPointers, transformers.Sam2VideoModel):  # type: ignore[misc]
    """SAM 2 for video; see `OriginalPointers`."""


class Sam3TrackerVideoModel(OriginalPointers, transformers.Sam3TrackerVideoModel):  # type: ignore[misc]
    """SAM 3's tracker for video; see `OriginalPointers`."""
