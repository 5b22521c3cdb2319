"""LoveDA: urban and rural aerial images with seven land classes."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from samadapt.data.recipes.base import RecipeInfo
from samadapt.data.recipes.folder import Folder, groups
from samadapt.data.recipes.folder_options import FolderOptions

_NO_DATA = 255


class LoveDa(Folder):
    """`Train/Rural/images_png/0.png` with `Train/Rural/masks_png/0.png`; Urban and Val alike; Test has no masks.

    The file's 0 (no data) is ignored, its 1 (background) becomes 0, the six classes 1 to 6.
    """

    info: ClassVar[RecipeInfo] = RecipeInfo(
        name="loveda",
        title="LoveDA, land cover of urban and rural aerial images",
        licence="CC BY-NC-SA 4.0 (academic use)",
        citation="Wang et al. 2021, LoveDA: A Remote Sensing Land-Cover Dataset for Domain Adaptive Semantic "
        "Segmentation, NeurIPS Datasets and Benchmarks, arXiv:2110.08733",
        url="https://github.com/Junjue-Wang/LoveDA",
        how_to_get="Download Train.zip and Val.zip from Zenodo (record 5706578) and unpack them into one folder.",
        modality="RGB",
    )
    settings: ClassVar[FolderOptions] = FolderOptions(
        names={1: "building", 2: "road", 3: "water", 4: "barren", 5: "forest", 6: "agriculture"},
        values={0: _NO_DATA, 1: 0, 2: 1, 3: 2, 4: 3, 5: 4, 6: 5, 7: 6},
        ignore=_NO_DATA,
        threshold=None,
        modality="RGB",
        image_folders=("images_png",),
        label_folders=("masks_png",),
    )

    def matches(self, source: Path) -> bool:
        """True if there are images_png/ beside masks_png/."""
        return next(groups(Path(source), self.settings), None) is not None
