"""GID-MTL5: Gaofen-2 satellite tiles with five land classes."""

from __future__ import annotations

import re
from pathlib import Path
from typing import ClassVar

from samadapt.data.recipes.base import RecipeInfo
from samadapt.data.recipes.folder import Folder, groups
from samadapt.data.recipes.folder_options import FolderOptions

UNDEFINED = 255


class GidMtl5(Folder):
    """`images/<scene>_<n>.tif` (or image/) and grey labels of the same name in labels/ (or label_gray/).

    The file's 0 is a class (built-up), so all classes move up by one; 5 (undefined) becomes 255 and is ignored.
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
        values={0: 1, 1: 2, 2: 3, 3: 4, 4: 5, 5: UNDEFINED},
        ignore=UNDEFINED,
        threshold=None,
        modality="RGB",
    )

    def matches(self, source: Path) -> bool:
        """True if images are TIFF files named by scene class and number."""
        pattern = re.compile(r"(built-?_?up|farmland|forest|meadow|water)_\d+\.tif", re.IGNORECASE)
        return any(pattern.fullmatch(p.name) for g in groups(Path(source), self.settings) for p in g.images.iterdir())
