"""AMOS22: abdominal CT and MR with 15 organs."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from samadapt.config import Config
from samadapt.core.image import LabelSet
from samadapt.data.recipes.base import CaseSource, Exclusion, Found, RecipeInfo, require_cases, require_folder
from samadapt.data.recipes.loading import LabelRule, PairLoader
from samadapt.data.recipes.options import read_options
from samadapt.data.recipes.pairing import image_files, pair_files

ORGANS = {
    **{1: "spleen", 2: "right kidney", 3: "left kidney", 4: "gallbladder", 5: "esophagus", 6: "liver", 7: "stomach"},
    **{8: "aorta", 9: "inferior vena cava", 10: "pancreas", 11: "right adrenal gland", 12: "left adrenal gland"},
    **{13: "duodenum", 14: "bladder", 15: "prostate or uterus"},
}
"""Label values in the official order (there spelt "arota", "postcava", "prostate/uterus")."""

_FIRST_MR = 501
_PLACES: dict[str, Literal["train", "val", "test"]] = {"Tr": "train", "Va": "val", "Ts": "test"}
_NAME = re.compile(r"amos_(\d{4})\.nii(\.gz)?", re.IGNORECASE)


class AmosOptions(Config):
    """Which part of AMOS is used."""

    modality: Literal["CT", "MR", "both"] = Field("both", description="Cases 1 to 500 are CT, those above 500 MR")


class Amos:
    """`imagesTr/amos_0001.nii.gz` with `labelsTr/`, `imagesVa/` with `labelsVa/`; imagesTs/ has no public labels."""

    info: ClassVar[RecipeInfo] = RecipeInfo(
        name="amos",
        title="AMOS22, abdominal CT and MR with 15 organs",
        licence="CC BY 4.0 (Zenodo record)",
        citation="Ji et al. 2022, AMOS: A large-scale abdominal multi-organ benchmark, NeurIPS Datasets and "
        "Benchmarks, arXiv:2206.08023",
        url="https://amos22.grand-challenge.org/",
        how_to_get="Download amos22.zip (Zenodo record 7155725 or 7262581) and unpack it; the folder holds imagesTr/, "
        "labelsTr/, imagesVa/, labelsVa/. Only CT or MR: -s options.modality=CT.",
    )

    def matches(self, source: Path) -> bool:
        """True if an image folder holds files named amos_<four digits>."""
        return any(next((Path(source) / f"images{part}").glob("amos_[0-9]*.nii*"), None) for part in _PLACES)

    def find(self, source: Path, **options: Any) -> Found:
        """List the labelled cases; the folders fix the split, a case is a patient."""
        setting = read_options(AmosOptions, options)
        source = require_folder(source)
        exclusions: list[Exclusion] = []
        label_set = LabelSet.from_names(ORGANS)
        rows = [
            (split, name, image, label)
            for part, split in _PLACES.items()
            for name, image, label in _pairs(source / f"images{part}", source / f"labels{part}", exclusions)
        ]
        cases = []
        for split, name, image, label in rows:
            modality = modality_of_case(name)
            if setting.modality not in (modality, "both"):
                exclusions.append((name, f"{modality} case, only {setting.modality} is asked for"))
                continue
            loader = PairLoader((image,), label, label_set, modality, LabelRule(threshold=None))
            cases.append(CaseSource(name, name, split, modality, loader, (image, label)))
        found = Found(sorted(cases, key=lambda case: case.name), label_set, exclusions)
        return require_cases(found, source, "imagesTr/amos_0001.nii.gz with labelsTr/amos_0001.nii.gz")


def modality_of_case(name: str) -> str:
    """ "CT" or "MR" by the case number."""
    return "MR" if int(name.removeprefix("amos_")[:4]) >= _FIRST_MR else "CT"


def _pairs(images: Path, labels: Path, exclusions: list[Exclusion]) -> list[tuple[str, Path, Path]]:
    pairing = pair_files(_named(images, exclusions), _named(labels, exclusions), (), ())
    exclusions.extend(pairing.exclusions)
    return pairing.pairs


def _named(folder: Path, exclusions: list[Exclusion]) -> list[Path]:
    files = image_files(folder, exclusions) if folder.is_dir() else []
    exclusions.extend((path.name, "not named amos_<four digits>") for path in files if not _NAME.fullmatch(path.name))
    return [path for path in files if _NAME.fullmatch(path.name)]
