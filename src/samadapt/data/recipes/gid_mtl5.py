"""GID-MTL5: Gaofen-2 satellite tiles with five land classes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar, Literal

from samadapt.data.recipes.base import Found, RecipeInfo
from samadapt.data.recipes.folder import Folder, groups
from samadapt.data.recipes.folder_options import FolderOptions
from samadapt.data.recipes.gid import is_background

UNDEFINED = 255
VALUES = {0: 1, 1: 2, 2: 3, 3: 4, 4: 5, 5: UNDEFINED}
"""Grey value of the label file to label value."""


class GidMtl5(Folder):
    """`images/<scene>_<n>.tif` (or image/) and grey labels of the same name in labels/ (or label_gray/).

    The file's 0 is a class (built-up), so all classes move up by one; 5 (undefined) becomes 255 and is ignored, or
    with ``unlabelled="background"`` becomes background, as in `Gid`.
    """

    info: ClassVar[RecipeInfo] = RecipeInfo(
        name="gid-mtl5",
        title="GID-MTL5, tiles of the Gaofen Image Dataset with 5 land-cover classes",
        licence="none stated; GID asks for academic use",
        citation="Tong et al. 2020, Land-cover classification with high-resolution remote sensing images using "
        "transferable deep models, Remote Sens. Environ. 237, arXiv:1807.05713",
        url="https://github.com/XiangtaoZheng/GID-MTL",
        how_to_get="Clone the repository and use the folder GID-MTL5 with image/ and label_gray/.",
        modality="RGB",
    )
    settings: ClassVar[FolderOptions] = FolderOptions(
        names={1: "built-up", 2: "farmland", 3: "forest", 4: "meadow", 5: "water"},
        values=VALUES,
        ignore=UNDEFINED,
        threshold=None,
        modality="RGB",
    )

    def matches(self, source: Path) -> bool:
        """True if images are TIFF files named by scene class and number."""
        pattern = re.compile(r"(built-?_?up|farmland|forest|meadow|water)_\d+\.tif", re.IGNORECASE)
        return any(pattern.fullmatch(p.name) for g in groups(Path(source), self.settings) for p in g.images.iterdir())

    def find(self, source: Path, unlabelled: Literal["ignore", "background"] | None = None, **options: Any) -> Found:
        """List the tiles; see `FolderOptions`, and `unlabelled` above."""
        if is_background(unlabelled):
            options = {"values": VALUES | {5: 0}} | options
        return super().find(source, **options)
