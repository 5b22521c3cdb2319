"""NUAA-SIRST (SIRST v1): 427 infrared images with small targets."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from samadapt.data.recipes.base import Found, RecipeInfo
from samadapt.data.recipes.folder import Folder, groups
from samadapt.data.recipes.folder_options import FolderOptions
from samadapt.data.recipes.infrared_lists import split_lists


class NuaaSirst(Folder):
    """`images/Misc_1.png` with `masks/Misc_1_pixels0.png` (or Misc_1.png, as DNANet and BasicIRSTD rename them).

    The published lists are used where they are there: idx_427/, 50_50/, 80_20/ or img_idx/; ``published=False``
    draws the split instead.
    """

    info: ClassVar[RecipeInfo] = RecipeInfo(
        name="nuaa-sirst",
        title="NUAA-SIRST, single-frame infrared small targets (427 images)",
        licence="none stated by the authors; they ask for citation",
        citation="Dai et al. 2021, Asymmetric Contextual Modulation for Infrared Small Target Detection, WACV, "
        "arXiv:2009.14530",
        url="https://github.com/YimianDai/sirst",
        how_to_get="Clone the repository, or take the copy of DNANet or BasicIRSTD; the folder holds images/, masks/ "
        "and the lists.",
        modality="infrared",
    )
    settings: ClassVar[FolderOptions] = FolderOptions(
        names={1: "target"}, threshold=0, modality="infrared", label_suffixes=("_pixels0",)
    )

    def matches(self, source: Path) -> bool:
        """True if all images are named Misc_<number> and there is a published list, or the folder says NUAA."""
        found = list(groups(Path(source), self.settings))
        names = [path.name for group in found for path in group.images.iterdir() if not path.name.startswith(".")]
        only = bool(names) and all(name.startswith("Misc_") for name in names)
        return only and ("nuaa" in Path(source).name.lower() or bool(split_lists(Path(source))))

    def find(self, source: Path, published: bool = True, **options: Any) -> Found:
        """List the images; see `FolderOptions`, and `published` above."""
        lists = split_lists(Path(source)) if published and not options.get("split_lists") else {}
        return super().find(source, **(options | ({"split_lists": lists} if lists else {})))
