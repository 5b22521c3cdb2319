"""FLARE22: abdominal CT with 13 organs."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from samadapt.core.image import LabelSet
from samadapt.data.recipes.base import CaseSource, Exclusion, Found, RecipeInfo, require_cases, require_folder
from samadapt.data.recipes.loading import LabelRule, PairLoader
from samadapt.data.recipes.nnunet import no_options
from samadapt.data.recipes.pairing import image_files, pair_files, visible

ORGANS = {
    **{1: "liver", 2: "right kidney", 3: "spleen", 4: "pancreas", 5: "aorta", 6: "inferior vena cava"},
    **{7: "right adrenal gland", 8: "left adrenal gland", 9: "gallbladder", 10: "esophagus", 11: "stomach"},
    **{12: "duodenum", 13: "left kidney"},
}
"""Label values in the official order."""

_IMAGE_FOLDERS = ("images", "imagesTr")
_LABEL_FOLDERS = ("labels", "labelsTr")
_UNLABELLED = ("unlabeled", "imagesTs", "validation", "UnlabeledCase")


class Flare22:
    """`images/FLARE22_Tr_0001_0000.nii.gz` and `labels/FLARE22_Tr_0001.nii.gz`, or imagesTr/ and labelsTr/."""

    info: ClassVar[RecipeInfo] = RecipeInfo(
        name="flare22",
        title="FLARE22, abdominal CT with 13 organs (50 labelled cases)",
        licence="CC BY-NC-SA (as stated by the challenge); registration needed",
        citation="Ma et al. 2024, Unleashing the strengths of unlabelled data in deep learning-assisted pan-cancer "
        "abdominal organ quantification: the FLARE22 challenge, Lancet Digital Health, "
        "doi:10.1016/S2589-7500(24)00154-7",
        url="https://flare22.grand-challenge.org/",
        how_to_get="Register for the challenge and download FLARE22Train; put images in images/ and labels in labels/.",
        modality="CT",
    )

    def matches(self, source: Path) -> bool:
        """True if the image folder holds files named FLARE22_Tr_*."""
        source = Path(source)
        return any(next((source / name).glob("FLARE22_Tr_*"), None) for name in _IMAGE_FOLDERS)

    def find(self, source: Path, **options: Any) -> Found:
        """List the labelled cases; a case is a patient."""
        no_options(self.info.name, options)
        source = require_folder(source)
        exclusions: list[Exclusion] = []
        label_set = LabelSet.from_names(ORGANS, modality="CT")
        images = [p for name in _IMAGE_FOLDERS if (source / name).is_dir() for p in _files(source / name, exclusions)]
        labels = [p for name in _LABEL_FOLDERS if (source / name).is_dir() for p in _files(source / name, exclusions)]
        pairing = pair_files(images, labels, label_suffixes=(), image_suffixes=("_0000",))
        exclusions.extend(pairing.exclusions)
        exclusions.extend(_unlabelled(source))
        cases = []
        for _, image, label in pairing.pairs:
            loader = PairLoader((image,), label, label_set, "CT", LabelRule(threshold=None))
            name = label.name.removesuffix(".gz").removesuffix(".nii")
            cases.append(CaseSource(name, name, None, "CT", loader, (image, label)))
        found = Found(cases, label_set, exclusions)
        return require_cases(found, source, "images/FLARE22_Tr_0001_0000.nii.gz and labels/FLARE22_Tr_0001.nii.gz")


def _files(folder: Path, exclusions: list[Exclusion]) -> list[Path]:
    return image_files(folder, exclusions)


def _unlabelled(source: Path) -> list[Exclusion]:
    folders = [p for p in source.iterdir() if p.is_dir() and any(word in p.name for word in _UNLABELLED)]
    return [(path.name, f"unlabelled image in {folder.name}/") for folder in folders for path in visible(folder)]
