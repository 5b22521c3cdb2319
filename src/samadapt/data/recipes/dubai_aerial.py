"""Aerial images of Dubai with six land classes painted in colours."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from samadapt.data.recipes.base import RecipeInfo
from samadapt.data.recipes.folder import Folder, groups
from samadapt.data.recipes.folder_options import FolderOptions

UNLABELLED = 255


class DubaiAerial(Folder):
    """`Tile <k>/images/image_part_<n>.jpg` with `Tile <k>/masks/*.png`, or all in images/ and masks/.

    A tile is one scene: its parts stay in one split. Colours are those of the masks, which differ from the
    published classes.json; grey (unlabelled) and stray black pixels are ignored.
    """

    info: ClassVar[RecipeInfo] = RecipeInfo(
        name="dubai-aerial",
        title="Semantic segmentation of aerial imagery, Dubai (MBRSC)",
        licence="CC0 1.0",
        citation="Humans in the Loop 2020, Semantic segmentation of aerial imagery (no paper)",
        url="https://humansintheloop.org/resources/datasets/semantic-segmentation-dataset-2/",
        how_to_get="Download from the page and unpack; the folder holds 'Tile 1' to 'Tile 8'.",
        modality="RGB",
    )
    settings: ClassVar[FolderOptions] = FolderOptions(
        names={1: "building", 2: "land", 3: "road", 4: "vegetation", 5: "water"},
        colours={
            "#3C1098": 1,
            "#8429F6": 2,
            "#6EC1E4": 3,
            "#FEDD3A": 4,
            "#E2A929": 5,
            "#9B9B9B": UNLABELLED,
            "#000000": UNLABELLED,
        },
        ignore=UNLABELLED,
        modality="RGB",
        patient=r"^(Tile ?\d+)_",
    )

    def matches(self, source: Path) -> bool:
        """True if images are named image_part_<n> and a tile is in the file or folder name."""
        pattern = re.compile(r"Tile ?\d+_image_part_\d+\.\w+")
        return any(
            pattern.fullmatch(group.prefix + path.name)
            for group in groups(Path(source), self.settings)
            for path in group.images.iterdir()
        )
