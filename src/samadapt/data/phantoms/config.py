"""Configuration of `samadapt synth`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field

from samadapt.config import Config
from samadapt.data.phantoms.case import DEFAULT_SHAPE, DEFAULT_SPACING_MM


class SynthConfig(Config):
    """What to generate."""

    out: Path = Field(description="folder to write to")
    kind: Literal["flare22", "multiphase", "scenes"] = Field(
        "flare22",
        description="flare22: labelled CT phantoms in FLARE22's layout; multiphase: livers with tumours in four "
        "contrast phases, in nnU-Net's layout; scenes: random 2-D images with objects",
    )
    cases: int = Field(10, ge=1, description="how many volumes or images; the first ones do not depend on the number")
    seed: int = Field(0, description="seed; the same seed gives the same files")
    shape: tuple[int, int, int] = Field(DEFAULT_SHAPE, description="slices, rows and columns of a phantom")
    spacing_mm: tuple[float, float, float] = Field(
        DEFAULT_SPACING_MM, description="mean voxel size of a phantom in mm: between slices, rows, columns"
    )
    size: int = Field(256, ge=64, description="side of a random image in pixels")
