"""Images in one folder, labels in another, paired by name: the layout of most 2-D datasets."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from samadapt import io
from samadapt.core.errors import DataError, SamadaptError
from samadapt.core.image import LabelSet
from samadapt.data.recipes.base import CaseSource, Exclusion, Found, RecipeInfo, require_cases, require_folder
from samadapt.data.recipes.folder_options import SPLIT_FOLDERS, FolderOptions, merge_options
from samadapt.data.recipes.loading import LabelRule, PairLoader, modality_of_name
from samadapt.data.recipes.pairing import image_files, pair_files, series_folders, stem, visible
from samadapt.data.tiling import Tile, Tiling

INSTANCE_FOLDER = "instances"


@dataclass(frozen=True)
class Group:
    """One pair of sister folders: where it lies below the source, images, labels, whether these are instances."""

    parts: tuple[str, ...]
    images: Path
    labels: Path
    instances: bool

    @property
    def split(self) -> str | None:
        """Split named by a folder on the way, if any."""
        return next((SPLIT_FOLDERS[p.lower()] for p in self.parts if p.lower() in SPLIT_FOLDERS), None)

    @property
    def prefix(self) -> str:
        """What folders that are no split add to a case name."""
        return "".join(f"{p}_" for p in self.parts if p.lower() not in SPLIT_FOLDERS).replace(" ", "")


class Folder:
    """`images/` beside `masks/` (or labels/, annotations/, instances/), also in train/, validation/, test/."""

    info: ClassVar[RecipeInfo] = RecipeInfo(
        name="folder",
        title="Images and masks in two folders",
        licence="that of the data",
        citation="that of the data",
        url="",
        how_to_get="Put images in images/ and labels with the same names in masks/ (endings such as _mask are fine); "
        "subfolders train/, validation/, test/ fix the split; labels.json may name the classes.",
    )
    settings: ClassVar[FolderOptions] = FolderOptions()

    def matches(self, source: Path) -> bool:
        """True if there is an image folder with a label folder beside it."""
        return next(groups(Path(source), self.settings), None) is not None

    def find(self, source: Path, **options: Any) -> Found:
        """List the pairs; see `FolderOptions` for the options."""
        source = require_folder(source)
        setting = merge_options(self.settings, source, options)
        exclusions: list[Exclusion] = []
        rule = LabelRule(setting.threshold, setting.rgb(), tuple((setting.values or {}).items()))
        rows = [row for group in groups(source, setting) for row in _pairs(group, setting, exclusions)]
        labels = [label for group, _, _, label in rows if not group.instances]
        names = setting.names or infer_names(labels, rule, setting.ignore)
        label_set = LabelSet.from_names(names or {1: "object"}, setting.ignore, setting.modality)
        whole = [_case(row, label_set, rule, setting) for row in rows]
        cases = [tile for case in whole for tile in tiles_of(case, setting, exclusions)]
        exclusions.extend(_unpaired(source, setting))
        cases = _apply_lists(_unique_names(cases), setting, source, exclusions)
        found = Found(sorted(cases, key=lambda case: case.name), label_set, exclusions)
        return require_cases(found, source, "images/ and masks/ (or labels/) holding files with the same names")


Row = tuple[Group, str, Path, Path]


def groups(source: Path, setting: FolderOptions) -> Iterator[Group]:
    """Every pair of image folder and label folder at most two levels below `source`."""
    for base in [source, *subfolders(source, 2)]:
        images = next((base / name for name in setting.image_folders if (base / name).is_dir()), None)
        labels = next((base / name for name in setting.label_folders if (base / name).is_dir()), None)
        objects = base / INSTANCE_FOLDER
        instances = setting.instances if setting.instances is not None else objects.is_dir()
        if instances and objects.is_dir():
            labels = objects
        if images and labels:
            yield Group(base.relative_to(source).parts, images, labels, bool(instances))
    yield from _split_inside(source, setting)


def _unpaired(source: Path, setting: FolderOptions) -> list[Exclusion]:
    """Images of folders that have no label folder beside them, as the test part of many sets."""
    used = {group.images for group in groups(source, setting)}
    folders = [base / name for base in [source, *subfolders(source, 2)] for name in setting.image_folders]
    alone = [f for f in folders if f.is_dir() and f not in used and not any(f in u.parents for u in used)]
    return [
        (path.name, f"image without label ({folder.relative_to(source)}/ has no masks beside it)")
        for folder in alone
        for path in visible(folder)
    ]


def _split_inside(source: Path, setting: FolderOptions) -> Iterator[Group]:
    """images/train beside masks/train."""
    for images_name in setting.image_folders:
        for labels_name in setting.label_folders:
            for split in SPLIT_FOLDERS:
                images, labels = source / images_name / split, source / labels_name / split
                if images.is_dir() and labels.is_dir():
                    yield Group((split,), images, labels, bool(setting.instances))


def subfolders(folder: Path, depth: int) -> list[Path]:
    """Folders at most `depth` levels below a folder, hidden ones left out, in order."""
    if depth == 0 or not folder.is_dir():
        return []
    children = sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))
    return [found for child in children for found in (child, *subfolders(child, depth - 1))]


def _pairs(group: Group, setting: FolderOptions, exclusions: list[Exclusion]) -> list[Row]:
    images = image_files(group.images, exclusions) + series_folders(group.images)
    labels = image_files(group.labels, exclusions)
    pairing = pair_files(images, labels, setting.label_suffixes, setting.image_suffixes)
    exclusions.extend(pairing.exclusions)
    return [(group, group.prefix + name, image, label) for name, image, label in pairing.pairs]


def _case(row: Row, label_set: LabelSet, rule: LabelRule, setting: FolderOptions) -> CaseSource:
    group, name, image, label = row
    instances = label_set.values[0] if group.instances else None
    loader = PairLoader(
        (image,),
        label,
        label_set,
        setting.modality,
        rule,
        instances,
        channels=bool(setting.channels),
        channel_names=setting.channels,
    )
    modality = setting.modality or modality_of_name(image.name)
    files = (*(visible(image) if image.is_dir() else [image]), label)
    return CaseSource(name, patient_of(name, setting.patient), group.split, modality, loader, files)


def tiles_of(case: CaseSource, setting: FolderOptions, exclusions: list[Exclusion]) -> list[CaseSource]:
    """The case itself, or one case a tile: they keep the picture's name as patient, so no picture is in two splits."""
    if setting.tile_px is None or not isinstance(case.loader, PairLoader):
        return [case]
    try:
        height, width = io.picture_size(case.files[0])
    except SamadaptError as error:
        exclusions.append((case.name, str(error)))
        return []
    return [
        replace(case, name=f"{case.name}_{tile.name}", loader=replace(case.loader, region=tile.region))
        for tile in Tiling(height, width, setting.tile_px, setting.overlap_px)
    ]


def patient_of(name: str, pattern: str) -> str:
    """Groups of the pattern in a case name, joined; the name itself where the pattern does not match."""
    match = re.search(pattern, name) if pattern else None
    if match is None:
        return name
    return "_".join(g for g in match.groups() if g) or match.group()


def _unique_names(cases: list[CaseSource]) -> list[CaseSource]:
    count: dict[str, int] = {}
    for case in cases:
        count[case.name] = count.get(case.name, 0) + 1
    return [
        replace(case, name=f"{case.split}_{case.name}", patient=f"{case.split}_{case.patient}")
        if count[case.name] > 1
        else case
        for case in cases
    ]


def _apply_lists(
    cases: list[CaseSource], setting: FolderOptions, source: Path, exclusions: list[Exclusion]
) -> list[CaseSource]:
    if not setting.split_lists:
        return cases
    split_of: dict[str, str] = {}
    for split, file in setting.split_lists.items():
        if not (source / file).is_file():
            raise DataError(f"the split list of {split!r} does not exist", where=source / file)
        lines = (source / file).read_text(encoding="utf-8").split("\n")
        split_of |= {stem(Path(line.strip())): split for line in lines if line.strip()}
    known = {picture_of(case) for case in cases}
    exclusions.extend((case.name, "in no split list") for case in cases if picture_of(case) not in split_of)
    exclusions.extend(
        (n, f"listed for {s}, but there is no such image with a mask") for n, s in split_of.items() if n not in known
    )
    return [replace(case, split=split_of[picture_of(case)]) for case in cases if picture_of(case) in split_of]


def picture_of(case: CaseSource) -> str:
    """Name of the picture that a case is, or is a tile of."""
    region = getattr(case.loader, "region", None)
    return case.name.removesuffix("_" + Tile(*region).name) if region else case.name


def infer_names(labels: list[Path], rule: LabelRule, ignore: int | None) -> dict[int, str]:
    """{value: name} from all label files: one class "object" for masks, else "label <value>".

    A file that cannot be read says nothing; loading its case gives the error.
    """
    import numpy as np

    values: set[int] = set()
    for path in labels:
        with suppress(SamadaptError):
            values |= {int(v) for v in np.unique(rule.read(path).values)}
    values -= {0, ignore} - {None}
    if values <= {1, 255}:
        return {1: "object"}
    return {value: f"label {value}" for value in sorted(values)}
