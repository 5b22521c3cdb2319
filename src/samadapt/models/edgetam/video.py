"""transformers' EdgeTAM for video, with what the memory of the original holds."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from torch import Tensor

from samadapt.models.sam2.video import OriginalPointers


class EdgeTamVideoModel(OriginalPointers, transformers.EdgeTamVideoModel):  # type: ignore[misc]
    """EdgeTAM for video; see `OriginalPointers`.

    What is remembered of a frame is rounded to bfloat16, as facebookresearch/EdgeTAM (sam2_video_predictor.py) and
    transformers' SAM 2 do; transformers 5.24 leaves EdgeTAM's as it is.
    """

    def _encode_new_memory(self, *given: Any, **named: Any) -> tuple[Tensor, Tensor]:
        features, positions = super()._encode_new_memory(*given, **named)
        return features.to(torch.bfloat16).to(features.dtype), positions
