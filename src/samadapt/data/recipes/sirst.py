"""SIRST-V2 (with NUAA-SIRST, the Misc_* images): small infrared targets."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from samadapt.data.recipes.base import RecipeInfo
from samadapt.data.recipes.folder import Folder, groups
from samadapt.data.recipes.folder_options import FolderOptions


class Sirst(Folder):
    """`images/<id>.png` (or mixed/) and `masks/<id>_pixels0.png` (or annotations/masks/).

    Images without a target are kept: a detector must stay silent on them. Frames of one sequence
    (S20210407_S2_15, S20210407_S2_40) are one scene. The official lists mix frames of a sequence over the
    splits; ask for them with ``split_lists={"train": "splits/train_v1.txt", ...}``.
    """

    info: ClassVar[RecipeInfo] = RecipeInfo(
        name="sirst",
        title="SIRST-V2, single-frame infrared small targets",
        licence="none stated by the authors; they ask for citation",
        citation="Dai et al. 2021, Asymmetric Contextual Modulation for Infrared Small Target Detection, WACV, "
        "arXiv:2009.14530; Dai et al. 2023, One-Stage Cascade Refinement Networks, IEEE TGRS, arXiv:2212.08472",
        url="https://github.com/YimianDai/open-sirst-v2",
        how_to_get="Clone the repository; images lie in mixed/, masks in annotations/masks/, lists in splits/.",
        modality="infrared",
    )
    settings: ClassVar[FolderOptions] = FolderOptions(
        names={1: "target"},
        threshold=0,
        modality="infrared",
        patient=r"^(S?\d{8}[_-]S\d+|20\d{4}-[A-Za-z]+|iraytek|S\d+)[_-]\d+$",
        image_folders=("images", "mixed"),
        label_folders=("masks", "annotations/masks"),
        label_suffixes=("_pixels0",),
    )

    def matches(self, source: Path) -> bool:
        """True if a mask folder holds files named <id>_pixels0.png."""
        return any(next(g.labels.glob("*_pixels0.png"), None) for g in groups(Path(source), self.settings))
