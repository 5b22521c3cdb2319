"""GID: Gaofen-2 scenes of 6800 x 7200 pixels with five land classes painted in colours."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from samadapt.core.errors import ConfigError
from samadapt.data.recipes.base import Found, RecipeInfo
from samadapt.data.recipes.folder import Folder, groups
from samadapt.data.recipes.folder_options import FolderOptions

PALETTE = {"#FF0000": 1, "#00FF00": 2, "#00FFFF": 3, "#FFFF00": 4, "#0000FF": 5}
"""Colour of the label image to label value; black is unlabelled."""

_UNLABELLED = 255


def is_background(unlabelled: str | None) -> bool:
    """True if pixels without a class count as background, False if they are ignored.

    Raises
    ------
    ConfigError
        If it is neither None nor one of the two words.
    """
    if unlabelled not in (None, "ignore", "background"):
        raise ConfigError(f"unlabelled is ignore or background, not {unlabelled!r}", where="options.unlabelled")
    return unlabelled == "background"


class Gid(Folder):
    """`image_RGB/<scene>.tif` with `label_5classes/<scene>_label.tif`, cut into tiles of `tile_px` (512).

    A scene is one patient: its tiles stay in one split. Black pixels are ignored, or with
    ``unlabelled="background"`` count as background, as the source tables of the comparison of SAM adapters do.
    """

    info: ClassVar[RecipeInfo] = RecipeInfo(
        name="gid",
        title="GID (Gaofen Image Dataset), large-scale classification, 5 land-cover classes",
        licence="none stated; the authors ask for academic use",
        citation="Tong et al. 2020, Land-cover classification with high-resolution remote sensing images using "
        "transferable deep models, Remote Sens. Environ. 237, arXiv:1807.05713",
        url="https://x-ytong.github.io/project/GID.html",
        how_to_get="Download 'Large-scale Classification_5classes' from the page; the folder holds image_RGB/ and "
        "label_5classes/ (150 scenes).",
        modality="RGB",
    )
    settings: ClassVar[FolderOptions] = FolderOptions(
        names={1: "built-up", 2: "farmland", 3: "forest", 4: "meadow", 5: "water"},
        colours=PALETTE | {"#000000": _UNLABELLED},
        ignore=_UNLABELLED,
        modality="RGB",
        tile_px=512,
        image_folders=("image_RGB", "image", "images"),
        label_folders=("label_5classes", "label_color", "labels", "label"),
        label_suffixes=("_label",),
    )

    def matches(self, source: Path) -> bool:
        """True if labels are in label_5classes/, or images are named by the satellite, GF2_PMS<1 or 2>__*."""
        found = list(groups(Path(source), self.settings))
        return any(
            group.labels.name == "label_5classes" or next(group.images.glob("GF2_PMS[12]__*"), None) for group in found
        )

    def find(self, source: Path, unlabelled: Literal["ignore", "background"] | None = None, **options: Any) -> Found:
        """List the tiles; see `FolderOptions`, and `unlabelled` above."""
        if is_background(unlabelled):
            options = {"colours": PALETTE | {"#000000": 0}} | options
        return super().find(source, **options)
