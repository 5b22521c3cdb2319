"""Configuration of `samadapt prepare`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from samadapt.config import Config
from samadapt.core.errors import ConfigError
from samadapt.data.slicing import SliceAxis
from samadapt.data.split import check_proportions
from samadapt.data.window import fixed_window


class PrepareConfig(Config):
    """How a folder of images and labels becomes a prepared store."""

    source: Path = Field(description="folder with the dataset")
    recipe: str = Field("auto", description="name of the dataset recipe; auto recognises the folder's layout")
    out: Path = Field(description="folder of the store; an existing store takes the dataset in")
    options: dict[str, Any] = Field({}, description="options of the recipe, for example {threshold: 127}")
    window: str = Field(
        "auto",
        description="intensities that become black and white: auto (8-bit as is, soft tissue for CT, else "
        "percentiles), percentile, ct-soft-tissue, ct-lung, ct-brain, ct-samed, or [low,high]",
    )
    splits: dict[str, float] = Field(
        {"train": 0.7, "val": 0.1, "test": 0.2},
        description="shares of the patients in train, val and test; a split that the dataset fixes is kept",
    )
    seed: int = Field(0, description="seed of the split by patient")
    workers: int | None = Field(
        None,
        ge=0,
        description="processes that read and compress; default one per core, at most 8; 0 or 1: none besides",
    )
    limit: int | None = Field(None, ge=1, description="prepare only the first cases")
    slice_axis: SliceAxis = Field(
        "axial",
        description="direction of the slices: axial, coronal, sagittal, or auto (the axis with by far the largest "
        "spacing)",
    )
    resume: bool = Field(True, description="go on with an unfinished store; false refuses a folder that holds one")

    @field_validator("window", mode="before")
    @classmethod
    def _window(cls, value: Any) -> str:
        text = f"[{value[0]},{value[1]}]" if isinstance(value, list | tuple) and len(value) == 2 else str(value)
        try:
            fixed_window(text)
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return text

    @field_validator("splits")
    @classmethod
    def _splits(cls, value: dict[str, float]) -> dict[str, float]:
        try:
            check_proportions(value)
        except ConfigError as error:
            raise ValueError(str(error)) from error
        return value


class ExportNnUnetConfig(Config):
    """Write a store in the raw format of nnU-Net v2, with its split and a way back for the predictions."""

    store: Path = Field(description="Prepared store.")
    out: Path = Field(description="Folder Dataset###_Name in nnUNet_raw.")
    box: bool = Field(
        False,
        description="Give nnU-Net the boxes of a label as one more channel, as in MedSAM's comparison; every label of "
        "a case becomes a case of its own.",
    )
    jitter_px: float = Field(
        23,
        ge=0,
        description="With box: largest outward shift of each side of a training box, in pixels of a 1024 pixel image; "
        "test boxes are tight.",
    )
    resume: bool = Field(False, description="Write again into a folder that holds an export of the same store.")
