"""Kvasir-SEG: polyps in colonoscopy images."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from samadapt.data.recipes.base import RecipeInfo
from samadapt.data.recipes.folder import Folder
from samadapt.data.recipes.folder_options import FolderOptions


class KvasirSeg(Folder):
    """`images/*.jpg` and `masks/*.jpg`, at the top or in train/, validation/, test/."""

    info: ClassVar[RecipeInfo] = RecipeInfo(
        name="kvasir-seg",
        title="Kvasir-SEG, 1000 colonoscopy images with polyp masks",
        licence="research and educational use only (terms of Simula)",
        citation="Jha et al. 2020, Kvasir-SEG: A Segmented Polyp Dataset, MMM 2020, doi:10.1007/978-3-030-37734-2_37",
        url="https://datasets.simula.no/kvasir-seg/",
        how_to_get="Download kvasir-seg.zip from the page and unpack it; the folder holds images/ and masks/. "
        "Masks are JPEG files and are cut at grey value 127.",
        modality="RGB",
    )
    settings: ClassVar[FolderOptions] = FolderOptions(names={1: "polyp"}, threshold=127, modality="RGB")

    def matches(self, source: Path) -> bool:
        """True for the folder layout with Kvasir's name or its box file (spelt as published)."""
        source = Path(source)
        named = "kvasir" in source.name.lower() or (source / "kavsir_bboxes.json").exists()
        return named and super().matches(source)
