"""One EdgeTAM with everything that belongs to its checkpoint."""

from __future__ import annotations

from typing import Any

from samadapt.core.errors import CheckpointError
from samadapt.models.edgetam.architecture import EdgeTamArchitecture
from samadapt.models.sam2.promptable import Sam2Promptable


class EdgeTamPromptable(Sam2Promptable):
    """EdgeTAM behind the interface of `SamPromptable`: answers of SAM 2's decoder over a RepViT encoder.

    Parameters are those of `SamPromptable`; `sam` is transformers' EdgeTamVideoModel, or EdgeTamModel for a file
    without memory, over `RepVitBackbone`. What `encode` gives is that of `Sam2Promptable`.
    """

    generation = "EdgeTAM"
    whole_file = "Load the original edgetam.pt or the hub's yonigozlan/EdgeTAM-hf, which hold the memory too."

    @property
    def session(self) -> Any:
        """Class of transformers that holds the frames and prompts of a film."""
        from transformers.models.edgetam_video.modeling_edgetam_video import EdgeTamVideoInferenceSession

        return EdgeTamVideoInferenceSession

    @property
    def memory(self) -> bool:
        """True if masks can be carried from frame to frame: there is a memory, and its windows fit the image size."""
        return self._network.memory_fits

    def require_memory(self) -> None:
        """Raise `CheckpointError` for a file without memory, or an image size that its windows do not fit."""
        if self._network.memory and not self.memory:
            windows, multiple = self._network.memory_windows, self._network.patch_size * self._network.memory_windows
            raise CheckpointError(
                f"image size {self.image_size} cannot be cut into the {windows} x {windows} windows of this "
                "EdgeTAM's memory",
                where=self.name,
                remedy=f"Load it with an image_size that is a multiple of {multiple}.",
            )
        super().require_memory()

    @property
    def _network(self) -> EdgeTamArchitecture:
        assert isinstance(self.architecture, EdgeTamArchitecture)
        return self.architecture
