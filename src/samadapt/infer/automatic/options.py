"""Options of automatic masks, without torch."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from samadapt.config import Config
from samadapt.config.channels import ChannelNames


class MaskOptions(Config):
    """How points are laid and masks are chosen; the defaults are those of SAM's own generator."""

    points_per_side: int = Field(32, ge=1, le=256, description="Points along one side of the image.")
    points_per_batch: int = Field(64, ge=1, description="Points decoded at once, at most.")
    pred_iou_thresh: float | None = Field(
        None, ge=0, le=1, description="Least predicted IoU of a mask; none: 0.88 (SAM 2, 3, EdgeTAM: 0.8); 0 keeps all."
    )
    stability_score_thresh: float = Field(
        0.95, ge=0, le=1, description="Least share of a mask that stays as its threshold rises; 0 keeps all."
    )
    stability_score_offset: float = Field(1.0, ge=0, description="By how much that threshold is lowered and raised.")
    box_nms_thresh: float = Field(0.7, ge=0, le=1, description="Overlap of boxes above which the worse mask goes.")
    crop_n_layers: int = Field(0, ge=0, le=4, description="Looks at 4, 16, ... overlapping parts of the image too.")
    crop_nms_thresh: float = Field(0.7, ge=0, le=1, description="The same overlap between masks of different parts.")
    crop_overlap_ratio: float = Field(512 / 1500, ge=0, lt=1, description="Overlap of the parts of the first layer.")
    crop_n_points_downscale_factor: int = Field(1, ge=1, description="Divides the points along a side in each layer.")
    min_mask_region_area: int = Field(0, ge=0, description="Fills holes and drops islands below so many pixels.")
    use_m2m: bool = Field(False, description="Draws every mask once more from its point and itself, as SAM 2 offers.")
    closer: bool = Field(
        False, description="Answers every point from a closer look, as a click is (tiny): finds small things, slower."
    )
    multimask: bool | None = Field(None, description="Three masks of each point; none: if the model was trained so.")


class AutoConfig(MaskOptions):
    """Segment everything in an image, with a grid of points."""

    source: Path = Field(description="Image, slice of a volume, or folder of images.")
    model: str = Field("tiny", description="Model name, checkpoint file, adapter folder or training run.")
    adapter: Path | None = Field(None, description="Adapter folder to load on top of the model.")
    image_size: int | None = Field(None, description="Side of the model's square input in pixels.")
    channels: ChannelNames = ()
    slice: int | None = Field(None, ge=0, description="Slice of a volume.")
    window: str = Field("auto", description="auto, a preset such as ct-soft-tissue, or low,high intensities.")
    modality: str = Field("", description="CT, MR, ... where the file does not say.")
    out: Path = Field(description="Folder for NAME.json, NAME.labels.png and NAME.overlay.png of every image.")
    compressed: bool = Field(True, description="Run lengths as COCO's text; otherwise as numbers.")
    pictures: bool = Field(True, description="Write the label map and the picture beside the JSON.")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps.")
    overwrite: bool = Field(False, description="Do again what is done (a folder skips it otherwise).")
