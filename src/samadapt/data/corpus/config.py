"""Configuration of `samadapt corpus`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from samadapt.config import Config
from samadapt.data.slicing import SliceAxis
from samadapt.data.split import check_proportions
from samadapt.data.window import fixed_window

SMALLEST_SHARE = 100 / 256**2


class CorpusSource(Config):
    """One dataset of a corpus."""

    source: Path = Field(description="Folder with the dataset")
    recipe: str = Field("auto", description="Dataset recipe; auto recognises the folder's layout")
    name: str = Field(
        "", pattern=r"^[\w.\-]*$", description="Name in the corpus, unique; the recipe's name if not given"
    )
    modality: str = Field("", description="Modality of all its images; what recipe and files say if not given")
    region: str = Field("", description="Part of the body or kind of scene, for the statistics: abdomen, thorax, ...")
    anatomy: dict[str, str] = Field(
        {}, description="Name of a label to the organ it is of, e.g. {liver_tumour: liver}; others are their own organ"
    )
    options: dict[str, Any] = Field({}, description="Options of the recipe")
    window: str = Field("auto", description="Intensities that become black and white, as in prepare")
    slice_axes: tuple[SliceAxis, ...] = Field(
        ("axial",), min_length=1, description="Directions in which volumes are cut, one set of slices each"
    )
    limit: int | None = Field(None, ge=1, description="Only the first cases")

    @field_validator("window")
    @classmethod
    def _window(cls, value: str) -> str:
        fixed_window(value)
        return value


class CorpusRules(Config):
    """What is left out; every exclusion is counted under the name of its rule."""

    min_area_share: float = Field(
        SMALLEST_SHARE,
        ge=0,
        lt=1,
        description="Masks smaller than this share of the image; the default is 100 pixels of 256 x 256",
    )
    max_area_share: float = Field(1.0, gt=0, le=1, description="Masks larger than this share of the image")
    min_area_px: int = Field(1, ge=1, description="Masks of fewer pixels")
    object_edge_slices: int = Field(
        0, ge=0, description="Masks in so many first and last slices of their class in the volume"
    )
    max_components: int | None = Field(
        None, ge=1, description="All but the largest so many parts of a class in a slice; none: all stay"
    )
    components: bool = Field(True, description="Every 8-connected part of a class is a mask of its own")
    min_side_px: int = Field(1, ge=1, description="Slices whose shorter side has fewer pixels")
    min_side_ratio: float = Field(
        0.5, ge=0, le=1, description="Slices whose shorter side is less than this share of the longer"
    )
    edge_slices: int = Field(0, ge=0, description="So many slices at both ends of every volume")
    slice_step: int = Field(1, ge=1, description="All slices but every so manyth")
    constant_images: bool = Field(True, description="Slices of a single intensity")


class CorpusConfig(Config):
    """Many datasets as one corpus of image and mask pairs."""

    folders: tuple[Path, ...] = Field((), description="Dataset folders about which nothing more is to be said")
    sources: tuple[CorpusSource, ...] = Field((), description="Datasets with recipe, modality, anatomy, ...")
    out: Path = Field(description="Folder of the corpus; run again, it resumes and takes in new sources")
    rules: CorpusRules = Field(CorpusRules(), description="What is left out")
    splits: dict[str, float] = Field(
        {"train": 0.8, "test": 0.2},
        description="Shares of the patients of each dataset; a split that the dataset fixes is kept",
    )
    seed: int = Field(0, description="Seed of the split by patient")
    workers: int | None = Field(
        None, ge=0, description="Processes; default one per core, at most 8; 0 or 1: none besides"
    )
    store: bool = Field(True, description="Also make a prepared store of the pairs, in OUT/store, to train on")

    @field_validator("splits")
    @classmethod
    def _splits(cls, value: dict[str, float]) -> dict[str, float]:
        check_proportions(value)
        return value

    @model_validator(mode="after")
    def _has_sources(self) -> CorpusConfig:
        if not (self.folders or self.sources):
            raise ValueError("give at least one dataset: folders, or sources in a file (-c)")
        return self

    def all_sources(self) -> tuple[CorpusSource, ...]:
        """`folders` as sources, then `sources`."""
        return (*(CorpusSource(source=folder) for folder in self.folders), *self.sources)
