"""Synapse multi-organ CT (BTCV, "Beyond the Cranial Vault") from its raw NIfTI files."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from samadapt.core.errors import LabelError
from samadapt.core.grid import Grid
from samadapt.core.image import LabelMap, LabelSet, Volume
from samadapt.data.recipes.base import (
    CaseSource,
    Exclusion,
    Found,
    LoadedCase,
    RecipeInfo,
    require_cases,
    require_folder,
)
from samadapt.data.recipes.loading import LabelRule, PairLoader
from samadapt.data.recipes.options import read_options
from samadapt.data.recipes.pairing import image_files
from samadapt.data.recipes.shrink import ShrinkOptions, shrink
from samadapt.data.recipes.synapse_orders import BTCV, SAMED, published_split, seen_order, to_samed
from samadapt.data.window import preset
from samadapt.io.orient import from_canonical

_PLACES = ("", "Training", "RawData/Training", "Abdomen/RawData/Training")


class SynapseOptions(ShrinkOptions):
    """What is made of BTCV's files."""

    labels: Literal["samed", "btcv"] = Field(
        "samed", description="samed: the 8 organs and numbers of SAMed; btcv: all 13 as they are"
    )
    split: Literal["published", "none"] = Field(
        "published", description="published: 18 cases train and 12 test, others are left out; none: drawn by patient"
    )
    orientation: Literal["canonical", "stored"] = Field(
        "canonical", description="stored: slices as they lie in the file, as SAMed's preprocessing leaves them"
    )


@dataclass(frozen=True)
class SynapseLoader:
    """Reads a CT and its 13-organ label, and renames the organs."""

    pair: PairLoader
    label_set: LabelSet
    values: tuple[tuple[int, int], ...]
    stored: bool
    side_px: int | None

    def __call__(self) -> LoadedCase:
        case = self.pair()
        if not isinstance(case.image, Volume) or not isinstance(case.label, LabelMap):
            raise LabelError("a CT volume with a label volume was expected", where=self.pair.label)
        require_btcv(case.label, self.pair.label)
        table = np.arange(max(BTCV) + 1, dtype=np.uint8)
        table[[old for old, _ in self.values]] = [new for _, new in self.values]
        label = replace(case.label, values=table[case.label.values])
        case = as_stored(case.image, label) if self.stored else LoadedCase(case.image, label)
        case = replace(case, window=preset("ct-samed"))
        return shrink(case, self.side_px) if self.side_px else case


def require_btcv(label: LabelMap, where: Path) -> None:
    """Raise `LabelError` if a label volume has the eight numbers of TransUNet or SAMed instead of BTCV's 13."""
    if label.values.any() and seen_order(label.values) != "btcv":
        raise LabelError(
            f"the labels end at {label.values.max()}: BTCV's own files have 13 organs, so these are the 8 of "
            "TransUNet's or SAMed's preprocessing, numbered differently (in BTCV 5 is esophagus, there liver)",
            where=where,
            remedy="Use the label files of Abdomen/RawData.zip, or the recipe synapse-npz with its label_order.",
        )


def as_stored(image: Volume, label: LabelMap) -> LoadedCase:
    """The volume with its axes as in the file, array[z, y, x] = file[x, y, z] without flips; the affine stays true."""
    voxels, affine = from_canonical(image.voxels, image.grid.affine, image.orientation)
    values, _ = from_canonical(label.values, label.grid.affine, label.orientation)
    grid = Grid(voxels.shape[:3], affine)
    volume = Volume(np.ascontiguousarray(voxels), grid, modality=image.modality, source=image.source)
    return LoadedCase(volume, LabelMap(np.ascontiguousarray(values), grid, source=label.source))


class Synapse:
    """`img/img0001.nii.gz` with `label/label0001.nii.gz`, also below RawData/Training/; test images have no labels."""

    info: ClassVar[RecipeInfo] = RecipeInfo(
        name="synapse",
        title="Synapse multi-organ CT (BTCV abdomen), 30 labelled cases",
        licence="terms of the challenge: registration at Synapse, no redistribution",
        citation="Landman et al. 2015, MICCAI Multi-Atlas Labeling Beyond the Cranial Vault, doi:10.7303/syn3193805",
        url="https://www.synapse.org/Synapse:syn3193805",
        how_to_get="Register at Synapse, join the challenge, download Abdomen/RawData.zip and unpack it; the folder "
        "holds Training/img and Training/label.",
        modality="CT",
    )

    def matches(self, source: Path) -> bool:
        """True if an img/ folder holds files named img<four digits>."""
        return _base(Path(source)) is not None

    def find(self, source: Path, **options: Any) -> Found:
        """List the labelled cases; see `SynapseOptions`."""
        setting = read_options(SynapseOptions, options)
        source = require_folder(source)
        base = _base(source) or source
        exclusions: list[Exclusion] = []
        images, labels = (_numbered(base / kind, kind, exclusions) for kind in ("img", "label"))
        exclusions.extend(_test_images(source, base))
        label_set = LabelSet.from_names(SAMED if setting.labels == "samed" else BTCV, modality="CT")
        cases = []
        for number in sorted(images.keys() | labels.keys()):
            reason = _problem(number, images, labels, setting)
            if reason:
                exclusions.append((f"{number:04d}", reason))
            else:
                cases.append(_case(number, images[number], labels[number], label_set, setting))
        found = Found(cases, label_set, exclusions)
        return require_cases(found, source, "img/img0001.nii.gz with label/label0001.nii.gz")


def _base(source: Path) -> Path | None:
    bases = (source / place for place in _PLACES)
    return next((base for base in bases if next((base / "img").glob("img[0-9][0-9][0-9][0-9].*"), None)), None)


def _numbered(folder: Path, kind: str, exclusions: list[Exclusion]) -> dict[int, Path]:
    found: dict[int, Path] = {}
    for path in image_files(folder, exclusions) if folder.is_dir() else []:
        match = re.match(rf"{kind}(\d{{4}})\.", path.name)
        if match is None:
            exclusions.append((path.name, f"not named {kind}<four digits>"))
        elif found.setdefault(int(match.group(1)), path) is not path:
            exclusions.append((path.name, "duplicate: a second file of this case"))
    return found


def _test_images(source: Path, base: Path) -> list[Exclusion]:
    places = {base.parent / "Testing" / "img", source / "Testing" / "img"}
    return [(path.name, "test image without label") for place in sorted(places) for path in sorted(place.glob("img*"))]


def _problem(number: int, images: dict[int, Path], labels: dict[int, Path], setting: SynapseOptions) -> str:
    if number not in labels:
        return "image without label"
    if number not in images:
        return "label without image"
    if setting.split == "published" and published_split(number) is None:
        return "in neither list of the published split (18 train, 12 test); split: none takes it in"
    return ""


def _case(number: int, image: Path, label: Path, label_set: LabelSet, setting: SynapseOptions) -> CaseSource:
    split = published_split(number) if setting.split == "published" else None
    raw = PairLoader((image,), label, LabelSet.from_names(BTCV, modality="CT"), "CT", LabelRule(threshold=None))
    values = tuple(to_samed("btcv").items()) if setting.labels == "samed" else ()
    side_px = None if split == "test" else setting.train_px
    loader = SynapseLoader(raw, label_set, values, setting.orientation == "stored", side_px)
    name = f"case{number:04d}"
    return CaseSource(name, name, split, "CT", loader, (image, label))
