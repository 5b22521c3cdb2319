"""TotalSegmentator: CT or MR with up to 117 structures, one mask each or one label map that names its values."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from pydantic import Field

from samadapt import io
from samadapt.config import Config, load_config
from samadapt.core.errors import ConfigError
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
from samadapt.data.recipes.loading import LabelRule, PairLoader, modality_of_name
from samadapt.data.recipes.pairing import image_files, stem, visible
from samadapt.data.recipes.totalsegmentator_classes import class_map

_IMAGES = {"ct.nii.gz": "CT", "mri.nii.gz": "MR"}
_SEGMENTED = "_seg"


class TotalSegmentatorOptions(Config):
    """Options of the `totalsegmentator` recipe."""

    classes: str | tuple[str, ...] = Field(
        (),
        description="Only these structures, e.g. [liver, spleen], or a class map by name, which also fixes the "
        "numbers: total, organs, vertebrae, cardiac, muscles, ribs, flare22; all structures found if not given.",
    )


@dataclass(frozen=True)
class StructuresLoader:
    """Reads a volume and one mask a structure; a voxel of two structures belongs to the first."""

    image: Path
    masks: tuple[tuple[Path, int], ...]
    modality: str

    def __call__(self) -> LoadedCase:
        image = io.open(self.image, modality=self.modality)
        values = np.zeros(image.grid.shape, np.uint8)
        orientation = image.orientation if isinstance(image, Volume) else LabelMap.orientation
        for path, value in self.masks:
            mask = io.open_label(path, threshold=0)
            image.grid.require_match(mask.grid, where=path)
            values[(mask.values > 0) & (values == 0)] = value
        return LoadedCase(image, LabelMap(values, image.grid, orientation, str(self.masks[0][0].parent)))


class TotalSegmentator:
    """`s0000/ct.nii.gz` (or mri.nii.gz) with `s0000/segmentations/`, or `<name>_ct.nii.gz` with `<name>_seg.nii.gz`.

    The first is the published dataset; its meta.csv fixes the split. The second is what the program writes with
    --ml: one label map that carries the names of its values.
    """

    info: ClassVar[RecipeInfo] = RecipeInfo(
        name="totalsegmentator",
        title="TotalSegmentator, whole-body CT and MR with up to 117 structures",
        licence="CC BY 4.0 (dataset)",
        citation="Wasserthal et al. 2023, TotalSegmentator, Radiology: Artificial Intelligence 5(5):e230024, "
        "doi:10.1148/ryai.230024",
        url="https://doi.org/10.5281/zenodo.10047292",
        how_to_get="Download Totalsegmentator_dataset_v201.zip and unpack it; the folder holds s0000, s0001, ... and "
        "meta.csv. Choose structures by name: -s options.classes=organs.",
    )

    def matches(self, source: Path) -> bool:
        """True for subject folders with segmentations/, or a label map *_seg that names structures."""
        return bool(_subjects(Path(source))) or any(io.label_names(path) for path in _label_maps(Path(source)))

    def find(self, source: Path, **options: Any) -> Found:
        """List the subjects; see `TotalSegmentatorOptions` for the options."""
        setting = load_config(TotalSegmentatorOptions, values=options)
        source = require_folder(source)
        subjects = _subjects(source)
        found = _find_subjects(source, subjects, setting.classes) if subjects else _find_maps(source, setting.classes)
        return require_cases(found, source, "s0000/ct.nii.gz and s0000/segmentations/")


def _subjects(source: Path) -> list[Path]:
    children = sorted(source.iterdir()) if source.is_dir() else []
    return [child for child in children if (child / "segmentations").is_dir() and _image_of(child) is not None]


def _image_of(subject: Path) -> Path | None:
    return next((subject / name for name in _IMAGES if (subject / name).is_file()), None)


def _label_maps(source: Path) -> list[Path]:
    paths = visible(source) if source.is_dir() else []
    return [path for path in paths if stem(path).endswith(_SEGMENTED) and path.name.endswith((".nii", ".nii.gz"))]


def _find_subjects(source: Path, subjects: Sequence[Path], classes: str | tuple[str, ...]) -> Found:
    exclusions: list[Exclusion] = []
    masks = {subject: image_files(subject / "segmentations", exclusions) for subject in subjects}
    names = sorted({stem(path) for paths in masks.values() for path in paths})
    if isinstance(classes, str):
        value_of = class_map(classes)
    else:
        value_of = {name: value for value, name in enumerate(_kept(names, classes, source), start=1)}
    splits = _splits(source / "meta.csv")
    cases = []
    for subject, paths in masks.items():
        chosen = tuple((path, value_of[stem(path)]) for path in paths if stem(path) in value_of)
        image = _image_of(subject)
        if image is None or not chosen:
            exclusions.append((subject.name, "no mask of the wanted structures"))
            continue
        modality = _IMAGES[image.name]
        files = (image, *(path for path, _ in chosen))
        loader = StructuresLoader(image, chosen, modality)
        cases.append(CaseSource(subject.name, subject.name, splits.get(subject.name), modality, loader, files))
    return Found(cases, LabelSet.from_names({value: name for name, value in value_of.items()}), exclusions)


def _kept(names: Sequence[str], classes: tuple[str, ...], where: Path) -> list[str]:
    unknown = sorted(set(classes) - set(names))
    if unknown:
        raise ConfigError(
            f"no structure is called {unknown[0]!r}", where=where, remedy=f"There are: {', '.join(names[:40])}, ..."
        )
    return [name for name in names if not classes or name in classes]


def _splits(table: Path) -> dict[str, str]:
    """Split of each subject in meta.csv; empty if there is no such file."""
    if not table.is_file():
        return {}
    with table.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file, delimiter=";"))
    return {row["image_id"]: row["split"] for row in rows if row.get("image_id") and row.get("split")}


def _find_maps(source: Path, classes: str | tuple[str, ...]) -> Found:
    exclusions: list[Exclusion] = []
    labels = [path for path in _label_maps(source) if io.label_names(path)]
    images = [path for path in image_files(source, exclusions) if path not in labels]
    pairs = {label: _image_on_grid(label, images) for label in labels}
    exclusions.extend((label.name, "label without image") for label, image in pairs.items() if image is None)
    exclusions.extend((image.name, "image without label") for image in images if image not in pairs.values())
    names = _present(labels)
    if isinstance(classes, str):
        value_of = class_map(classes)
    else:
        kept = _kept(list(names.values()), classes, source)
        value_of = {name: value for value, name in names.items() if name in kept}
    label_set = LabelSet.from_names({value: name for name, value in value_of.items()})
    changed = tuple((value, value_of.get(name, 0)) for value, name in names.items() if value_of.get(name) != value)
    case = partial(_map_case, label_set=label_set, rule=LabelRule(threshold=None, values=changed))
    return Found([case(label, image) for label, image in pairs.items() if image], label_set, exclusions)


def _map_case(label: Path, image: Path, label_set: LabelSet, rule: LabelRule) -> CaseSource:
    name = stem(label).removesuffix(_SEGMENTED)
    modality = modality_of_name(image.name)
    return CaseSource(
        name, name, None, modality, PairLoader((image,), label, label_set, modality, rule), (image, label)
    )


def _image_on_grid(label: Path, images: Sequence[Path]) -> Path | None:
    """The image named like the label that lies on its grid; the only one named so, whatever its grid."""
    prefix = stem(label).removesuffix(_SEGMENTED)
    named = [path for path in images if stem(path) == prefix or stem(path).startswith(f"{prefix}_")]
    if len(named) < 2:
        return named[0] if named else None
    grid = io.open_label(label).grid
    return next((path for path in named if grid.matches(io.open(path).grid)), None)


def _present(labels: Sequence[Path]) -> dict[int, str]:
    """Values that occur in the label maps, with their names."""
    names: dict[int, str] = {}
    values: set[int] = set()
    for path in labels:
        names |= io.label_names(path)
        values |= {int(value) for value in np.unique(io.open_label(path).values)}
    return {value: names.get(value, f"label {value}") for value in sorted(values - {0})}
