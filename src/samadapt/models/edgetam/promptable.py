"""One EdgeTAM with everything that belongs to its checkpoint."""

from __future__ import annotations

from samadapt.models.sam2.promptable import Sam2Promptable


class EdgeTamPromptable(Sam2Promptable):
    """EdgeTAM's image part behind the interface of `SamPromptable`: answers of SAM 2's decoder over a RepViT encoder.

    Parameters are those of `SamPromptable`; `sam` is transformers' Sam2Model over `RepVitBackbone`. What `encode` gives
    is that of `Sam2Promptable`.
    """

    generation = "EdgeTAM"
    whole_file = "Only its image part is read: use a SAM 2 to carry masks, or predict with --no-memory."
