"""One SAM 3 with everything that belongs to its checkpoint."""

from __future__ import annotations

from typing import Any

from samadapt.models.sam2.promptable import Sam2Promptable


class Sam3Promptable(Sam2Promptable):
    """SAM 3 behind the interface of `SamPromptable`: points, boxes and masks, answered by the decoder of SAM 2.

    Parameters are those of `SamPromptable`; `sam` is transformers' Sam3TrackerVideoModel, or Sam3TrackerModel for a
    file without memory. What `encode` gives is that of `Sam2Promptable` with S / 14 in the place of S / 16.

    The embedding for images without a past is added to the third map of the neck, which the decoder reads, as [1]_ and
    Sam3TrackerVideoModel do. transformers' Sam3TrackerModel adds it to the last map: the third of three, but of the
    four of the full checkpoint the one that nothing reads.

    References
    ----------
    .. [1] facebookresearch/sam3 1beb583, sam3/model/sam1_task_predictor.py.
    """

    generation = "SAM 3"
    whole_file = "Load the full facebook/sam3, which holds the memory too."

    @property
    def session(self) -> Any:
        """Class of transformers that holds the frames and prompts of a film."""
        from transformers.models.sam3_tracker_video.modeling_sam3_tracker_video import Sam3TrackerVideoInferenceSession

        return Sam3TrackerVideoInferenceSession
