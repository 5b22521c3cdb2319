"""Configuration of `predict`."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from samadapt.config import Config
from samadapt.config.channels import ChannelNames


class PredictConfig(Config):
    """Segment an image, a volume or a folder, with prompts or with a prompt-free model."""

    source: Path = Field(description="Image, volume, or folder of them.")
    model: str = Field("tiny", description="Model name, checkpoint file, adapter folder or training run.")
    adapter: Path | None = Field(None, description="Adapter folder to load on top of the model.")
    image_size: int | None = Field(None, description="Side of the model's square input in pixels.")
    channels: ChannelNames = ()
    box: tuple[str, ...] = Field((), description="x0,y0,x1,y1 in pixels of the image; repeat for several objects.")
    point: tuple[str, ...] = Field((), description="x,y,+ on the object or x,y,- beside it; repeat for more clicks.")
    slice: int | None = Field(None, ge=0, description="Slice of a volume that the prompts are on.")
    propagate: bool = Field(True, description="Carry a mask to the neighbouring slices, boxed by the mask before it.")
    memory: bool = Field(
        True, description="Where the model has a memory (SAM 2, SAM 3, EdgeTAM), carry the mask by it, not by boxes."
    )
    hq_token_only: bool = Field(False, description="SAM-HQ: its mask of high quality alone, instead of added to SAM's.")
    window: str = Field("auto", description="auto, a preset such as ct-soft-tissue, or low,high intensities.")
    modality: str = Field("", description="CT, MR, ... where the file does not say.")
    out: Path = Field(description="File to write, or folder if the source is one.")
    tile_px: int | None = Field(
        None, ge=32, description="Cut a large picture into tiles of this side, for a prompt-free model; none: not cut."
    )
    overlap_px: int = Field(0, ge=0, description="Pixels that neighbouring tiles share; each pixel is taken once.")
    batch_size: int = Field(8, ge=1, description="Slices encoded at once.")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps.")
    overwrite: bool = Field(False, description="Predict again where the output exists (a folder skips what is done).")
