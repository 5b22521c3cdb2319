"""FLARE22: abdominal CT with 13 organs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from samadapt.config import Config
from samadapt.core.errors import LabelError
from samadapt.core.image import LabelMap, LabelSet
from samadapt.data.recipes.base import (
    CaseSource,
    Exclusion,
    Found,
    LoadedCase,
    RecipeInfo,
    require_cases,
    require_folder,
)
from samadapt.data.recipes.folder import subfolders
from samadapt.data.recipes.loading import LabelRule, PairLoader
from samadapt.data.recipes.options import read_options
from samadapt.data.recipes.pairing import image_files, pair_files

ORGANS = {
    **{1: "liver", 2: "right kidney", 3: "spleen", 4: "pancreas", 5: "aorta", 6: "inferior vena cava"},
    **{7: "right adrenal gland", 8: "left adrenal gland", 9: "gallbladder", 10: "esophagus", 11: "stomach"},
    **{12: "duodenum", 13: "left kidney"},
}
"""Label values in the official order."""

_ALL = LabelSet.from_names(ORGANS, modality="CT")
_MEDSAM_TRAIN = 40
_DUODENUM = 12
_KINDS = {"unlab": "unlabelled", "tuning": "tuning", "val": "tuning", "test": "test", "imagests": "tuning"}
_UNLABELLED = {
    "unlabelled": "unlabelled image",
    "tuning": "tuning image without label",
    "test": "test image without label",
    "labelled": "image without label",
}
_DEPTH = 3
_FEWEST_PX, _FEWEST_VOXELS = 100, 1000


class Flare22Options(Config):
    """How the labelled cases are used."""

    split: Literal["official", "medsam"] = Field(
        "official",
        description="official: labelled cases train and tuning cases with labels val, or drawn by patient where there "
        "are none of these; medsam: the first 40 cases train, the others test",
    )
    clean: bool = Field(
        False,
        description="Labels as MedSAM's script leaves them: no duodenum, no component below 1000 voxels or, in a "
        "slice, 100 pixels",
    )


@dataclass(frozen=True)
class CleanLoader:
    """Reads a pair and removes what MedSAM's preprocessing of FLARE22 removes."""

    pair: PairLoader

    def __call__(self) -> LoadedCase:
        case = self.pair()
        if not isinstance(case.label, LabelMap):
            raise LabelError("a label volume was expected", where=self.pair.label)
        return replace(case, label=replace(case.label, values=cleaned(case.label.values)))


def cleaned(values: NDArray[Any]) -> NDArray[Any]:
    """Labels without duodenum, small bodies (26-connected) and then small spots of a slice (8-connected).

    Components are those of each organ [1]_.

    Parameters
    ----------
    values : ndarray of shape (Z, Y, X), unsigned integer

    References
    ----------
    .. [1] github.com/bowang-lab/MedSAM, pre_CT_MR.py.
    """
    found = np.zeros_like(values)
    for organ in sorted(set(np.unique(values)) - {0, _DUODENUM}):
        mask = _large(values == organ, np.ones((3, 3, 3)), _FEWEST_VOXELS)
        in_plane = np.zeros((3, 3, 3))
        in_plane[1] = 1
        found[_large(mask, in_plane, _FEWEST_PX)] = organ
    return found


def _large(mask: NDArray[np.bool_], structure: NDArray[Any], fewest: int) -> NDArray[np.bool_]:
    from scipy import ndimage

    components, _ = ndimage.label(mask, structure)
    keep = np.bincount(components.ravel()) >= fewest
    keep[0] = False
    kept: NDArray[np.bool_] = keep[components]
    return kept


class Flare22:
    """`images/FLARE22_Tr_0001_0000.nii.gz` with `labels/FLARE22_Tr_0001.nii.gz`, or imagesTr/ with labelsTr/.

    The official packages are read as they unpack, also side by side: labelled cases (50), tuning cases (with labels
    for as many as were released), unlabelled cases (2000), which are exclusions.
    """

    info: ClassVar[RecipeInfo] = RecipeInfo(
        name="flare22",
        title="FLARE22, abdominal CT with 13 organs (50 labelled cases)",
        licence="CC BY-NC-SA (as stated by the challenge); registration needed",
        citation="Ma et al. 2024, Unleashing the strengths of unlabelled data in deep learning-assisted pan-cancer "
        "abdominal organ quantification: the FLARE22 challenge, Lancet Digital Health, "
        "doi:10.1016/S2589-7500(24)00154-7",
        url="https://flare22.grand-challenge.org/",
        how_to_get="Register for the challenge and download FLARE22Train (and the tuning set where you have its "
        "labels); put images in images/ and labels in labels/, or keep the packages as they unpack.",
        modality="CT",
    )

    def matches(self, source: Path) -> bool:
        """True if an image folder holds files named FLARE22_Tr_*."""
        folders = (folder for folder, is_label in _volume_folders(Path(source)) if not is_label)
        return any(next(folder.glob("FLARE22_Tr_*"), None) for folder in folders)

    def find(self, source: Path, **options: Any) -> Found:
        """List the labelled cases; a case is a patient."""
        setting = read_options(Flare22Options, options)
        source = require_folder(source)
        exclusions: list[Exclusion] = []
        files = _files(source, exclusions)
        label_set = LabelSet.from_names(
            {value: name for value, name in ORGANS.items() if not (setting.clean and value == _DUODENUM)}, modality="CT"
        )
        rows: list[tuple[str, Path, Path]] = []
        for kind in sorted({kind for kind, _ in files}):
            pairing = pair_files(files.get((kind, False), []), files.get((kind, True), []), (), ("_0000",))
            rows.extend((kind, image, label) for _, image, label in pairing.pairs)
            exclusions.extend((n, _UNLABELLED[kind] if "image with" in why else why) for n, why in pairing.exclusions)
        found = Found(_cases(rows, label_set, setting), label_set, exclusions)
        return require_cases(found, source, "images/FLARE22_Tr_0001_0000.nii.gz and labels/FLARE22_Tr_0001.nii.gz")


def _volume_folders(source: Path) -> Iterator[tuple[Path, bool]]:
    """Every folder that may hold volumes, `source` not included, and whether these are labels."""
    for folder in subfolders(source, _DEPTH):
        name = folder.name.lower()
        yield folder, name.startswith("label") and "case" not in name


def _files(source: Path, exclusions: list[Exclusion]) -> dict[tuple[str, bool], list[Path]]:
    """{(kind, is label): files} of all folders."""
    found: dict[tuple[str, bool], list[Path]] = {}
    for folder, is_label in _volume_folders(source):
        words = folder.relative_to(source).as_posix().lower().replace("labels", "images")
        kind = next((kind for word, kind in _KINDS.items() if word in words), "labelled")
        found.setdefault((kind, is_label), []).extend(image_files(folder, exclusions))
    return found


def _cases(rows: list[tuple[str, Path, Path]], label_set: LabelSet, setting: Flare22Options) -> list[CaseSource]:
    official = {"labelled": "train", "tuning": "val", "test": "test"}
    fixed = len({kind for kind, _, _ in rows}) > 1
    cases = []
    for number, (kind, image, label) in enumerate(sorted(rows, key=lambda row: row[2].name)):
        split = official.get(kind) if fixed else None
        if setting.split == "medsam":
            split = "train" if number < _MEDSAM_TRAIN else "test"
        pair = PairLoader((image,), label, _ALL if setting.clean else label_set, "CT", LabelRule(threshold=None))
        loader = CleanLoader(pair) if setting.clean else pair
        name = label.name.removesuffix(".gz").removesuffix(".nii")
        cases.append(CaseSource(name, name, split, "CT", loader, (image, label)))
    return cases
