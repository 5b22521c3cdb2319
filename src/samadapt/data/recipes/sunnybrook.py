"""Sunnybrook Cardiac Data: short-axis cine MR with the two contours of the left ventricle."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, ClassVar

from samadapt.core.image import LabelSet
from samadapt.data.recipes.base import CaseSource, Exclusion, Found, RecipeInfo, require_cases, require_folder
from samadapt.data.recipes.nnunet import no_options
from samadapt.data.recipes.pairing import image_files
from samadapt.data.recipes.sammed2d import ObjectsLoader
from samadapt.data.recipes.slices import dicom_files

NAMES = {1: "endocardium", 2: "epicardium"}
_MASKS = {1: "masks_endo", 2: "masks_epi"}
_NAME = re.compile(r"(SCD\d+)_(\d+)")


class Sunnybrook:
    """`dicom/SCD0000101_0048.dcm` with `masks_endo/SCD0000101_0048.png` and, where drawn, `masks_epi/`.

    A case is one slice at one time, because contours exist at the end of diastole and of systole only. The area
    within the epicardium holds that within the endocardium: two objects that overlap. All slices of a person stay in
    one split.
    """

    info: ClassVar[RecipeInfo] = RecipeInfo(
        name="sunnybrook",
        title="Sunnybrook Cardiac Data, left ventricle in short-axis cine MR",
        licence="CC0 1.0",
        citation="Radau et al. 2009, Evaluation framework for algorithms segmenting short axis cardiac MRI, The MIDAS "
        "Journal, doi:10.54294/g80ruo",
        url="https://www.cardiacatlas.org/sunnybrook-cardiac-data/",
        how_to_get="Download images and contours, fill the contours to one mask a slice, and name slices and masks "
        "<SCD number>_<frame>, in dicom/, masks_endo/ and masks_epi/.",
        modality="MR",
    )

    def matches(self, source: Path) -> bool:
        """True if dicom/ and masks_endo/ hold files named by SCD number and frame."""
        folders = [Path(source) / name for name in ("dicom", _MASKS[1])]
        return all(folder.is_dir() and any(_NAME.fullmatch(p.stem) for p in folder.iterdir()) for folder in folders)

    def find(self, source: Path, **options: Any) -> Found:
        """List the slices that have an endocardium."""
        no_options(self.info.name, options)
        source = require_folder(source)
        exclusions: list[Exclusion] = []
        masks = {value: _by_stem(source / name, exclusions) for value, name in _MASKS.items()}
        images = {path.stem: path for path in (dicom_files(source / "dicom") if (source / "dicom").is_dir() else [])}
        exclusions.extend((path.name, reason) for path, reason in _alone(images, masks))
        label_set = LabelSet.from_names(NAMES, modality="MR")
        cases = [_case(path, masks) for name, path in sorted(images.items()) if name in masks[1]]
        return require_cases(Found(cases, label_set, exclusions), source, "dicom/ and masks_endo/ with the same names")


def _by_stem(folder: Path, exclusions: list[Exclusion]) -> dict[str, Path]:
    return {path.stem: path for path in image_files(folder, exclusions)} if folder.is_dir() else {}


def _alone(images: dict[str, Path], masks: dict[int, dict[str, Path]]) -> list[tuple[Path, str]]:
    alone = [(path, "slice without endocardium") for name, path in images.items() if name not in masks[1]]
    for value, found in masks.items():
        alone.extend((path, f"{NAMES[value]} without slice") for name, path in found.items() if name not in images)
    return alone


def _case(image: Path, masks: dict[int, dict[str, Path]]) -> CaseSource:
    found = tuple((by_stem[image.stem], value) for value, by_stem in masks.items() if image.stem in by_stem)
    match = _NAME.fullmatch(image.stem)
    patient = match.group(1) if match else image.stem
    files = (image, *(path for path, _ in found))
    return CaseSource(image.stem, patient, None, "MR", ObjectsLoader(image, found), files)
