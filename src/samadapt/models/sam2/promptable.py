"""One SAM 2 with everything that belongs to its checkpoint."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from samadapt.core.errors import CheckpointError
from samadapt.models.maps import FeatureMaps
from samadapt.models.promptable import SamPromptable
from samadapt.models.sam2.decode import Sam2Output, decode_tokens, select


class Sam2Promptable(SamPromptable):
    """SAM 2 behind the interface of `SamPromptable`; what `encode` gives holds finer maps beside the embedding.

    Parameters are those of `SamPromptable`; `sam` is transformers' Sam2VideoModel, or Sam2Model for a file without
    memory.
    """

    generation = "SAM 2"
    whole_file = "Load the original .pt file or the hub's folder, which hold the memory too."

    @property
    def session(self) -> Any:
        """Class of transformers that holds the frames and prompts of a film."""
        from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

        return Sam2VideoInferenceSession

    @property
    def memory(self) -> bool:
        """True if masks can be carried from frame to frame, see `samadapt.infer.memory`."""
        return hasattr(self.sam, "memory_attention")

    def require_memory(self) -> None:
        """Raise `CheckpointError` for a file without memory."""
        if not self.memory:
            raise CheckpointError(
                f"this {self.generation} has no memory and answers single images only",
                where=self.name,
                remedy=self.whole_file,
            )

    def encode(self, pixel_values: Tensor) -> Any:
        """Image embedding with finer maps, differentiable.

        Parameters
        ----------
        pixel_values : Tensor of shape (B, C, S, S)
            As `preprocess` makes it.

        Returns
        -------
        FeatureMaps
            `image` (B, C, S / 16, S / 16); `finer` (B, C / 8, S / 4, S / 4) and (B, C / 4, S / 8, S / 8).
        """
        finest, finer, coarse = self.sam.vision_encoder(pixel_values).fpn_hidden_states[:3]
        decoder = self.sam.mask_decoder
        image = coarse + self.sam.no_memory_embedding.reshape(1, -1, 1, 1)
        return FeatureMaps(image, (decoder.conv_s0(finest), decoder.conv_s1(finer)))

    def decode(
        self,
        embedding: Any,
        points: Tensor | None = None,
        point_labels: Tensor | None = None,
        boxes: Tensor | None = None,
        masks: Tensor | None = None,
        multimask: bool = True,
    ) -> Sam2Output:
        """As `SamPromptable.decode` for `FeatureMaps`.

        Without `multimask` a model in evaluation mode answers with its best candidate where its single mask is
        unstable, as the original does.
        """
        tokens = self.decode_tokens(embedding, points, point_labels, boxes, masks)
        return select(tokens, multimask, by_stability=not self.training)

    def decode_tokens(
        self,
        embedding: Any,
        points: Tensor | None = None,
        point_labels: Tensor | None = None,
        boxes: Tensor | None = None,
        masks: Tensor | None = None,
        *,
        learn_prompts: bool = True,
    ) -> Sam2Output:
        """As `decode`, for all mask tokens: M is `mask_tokens`; without a gradient for the prompt encoder if asked."""
        return decode_tokens(self.sam, embedding, points, point_labels, boxes, masks, learn_prompts=learn_prompts)
