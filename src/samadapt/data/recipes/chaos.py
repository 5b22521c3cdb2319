"""CHAOS: abdominal CT (liver) and MR (liver, kidneys, spleen) as DICOM series with one mask picture a slice."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from samadapt.core.image import LabelSet
from samadapt.data.recipes.base import CaseSource, Exclusion, Found, RecipeInfo, require_cases, require_folder
from samadapt.data.recipes.loading import LabelRule
from samadapt.data.recipes.nnunet import no_options
from samadapt.data.recipes.pairing import image_files
from samadapt.data.recipes.slices import SeriesLoader, dicom_files, match_masks

_FOLDERS = (("DICOM_anon", "Ground"), ("dicom", "masks"))
_PHASES = ("InPhase", "OutPhase")
_DEPTH = 4
CT_NAMES = {1: "liver"}
MR_NAMES = {1: "liver", 2: "right kidney", 3: "left kidney", 4: "spleen"}
CT_RULE = LabelRule(threshold=0)
MR_RULE = LabelRule(threshold=None, values=((63, 1), (126, 2), (189, 3), (252, 4)))


@dataclass(frozen=True)
class _Scan:
    """A folder of slices, that of its masks, and the folders on the way from the source."""

    parts: tuple[str, ...]
    slices: Path
    masks: Path

    @property
    def is_mr(self) -> bool:
        return any(part.upper() == "MR" or part.startswith(("T1", "T2")) for part in self.parts)

    @property
    def patient(self) -> str:
        """Folders down to the patient's number: CT_1, MR_1."""
        return "_".join(part for part in self.parts if not part.startswith(("T1", "T2")) and part not in _PHASES)


class Chaos:
    """`CT/<n>/DICOM_anon` and `MR/<n>/T2SPIR/DICOM_anon`, `MR/<n>/T1DUAL/DICOM_anon/InPhase`, each beside `Ground`.

    One scan may also lie bare in dicom/ and masks/. Masks follow the names of the files, not the order of the
    positions, which in many CT sets is the reverse.
    """

    info: ClassVar[RecipeInfo] = RecipeInfo(
        name="chaos",
        title="CHAOS, combined healthy abdominal organ segmentation, CT and MR",
        licence="CC BY-SA 4.0",
        citation="Kavur et al. 2021, CHAOS Challenge, Medical Image Analysis 69, doi:10.1016/j.media.2020.101950",
        url="https://doi.org/10.5281/zenodo.3431873",
        how_to_get="Download CHAOS_Train_Sets.zip and unpack it; name the folder Train_Sets, or its CT or MR.",
    )

    def matches(self, source: Path) -> bool:
        """True if a folder of DICOM files lies beside one of masks, named as CHAOS names them."""
        return next(_scans(Path(source)), None) is not None

    def find(self, source: Path, **options: Any) -> Found:
        """List the scans; the two phases of T1-DUAL are two cases of one patient."""
        no_options(self.info.name, options)
        source = require_folder(source)
        scans = list(_scans(source))
        label_sets = {
            True: LabelSet.from_names(MR_NAMES, modality="MR"),
            False: LabelSet.from_names(CT_NAMES, modality="CT"),
        }
        kinds = {scan.is_mr for scan in scans}
        label_set = label_sets[kinds.pop()] if len(kinds) == 1 else LabelSet.from_names(MR_NAMES)
        exclusions: list[Exclusion] = []
        cases = [case for scan in scans for case in _case(scan, source, label_set, exclusions)]
        found = Found(sorted(cases, key=lambda case: case.name), label_set, exclusions)
        return require_cases(found, source, "DICOM_anon/ beside Ground/, one mask a slice")


def _scans(source: Path) -> Iterator[_Scan]:
    for folder in (source, *_below(source, _DEPTH)):
        for images, masks in _FOLDERS:
            if (folder / images).is_dir() and (folder / masks).is_dir():
                phases = [folder / images / phase for phase in _PHASES if (folder / images / phase).is_dir()]
                for slices in phases or [folder / images]:
                    if dicom_files(slices):
                        own = (slices.name,) if phases else ()
                        yield _Scan((*folder.relative_to(source).parts, *own), slices, folder / masks)


def _below(folder: Path, depth: int) -> Iterator[Path]:
    if depth == 0 or not folder.is_dir():
        return
    for child in sorted(folder.iterdir()):
        if child.is_dir() and not child.name.startswith("."):
            yield child
            yield from _below(child, depth - 1)


def _case(scan: _Scan, source: Path, label_set: LabelSet, exclusions: list[Exclusion]) -> list[CaseSource]:
    name = "_".join(scan.parts) or source.name
    files, masks = dicom_files(scan.slices), image_files(scan.masks, exclusions)
    pairs = match_masks(files, masks)
    if not pairs:
        exclusions.append((name, f"{len(files)} slices and {len(masks)} masks, whose names do not tell what belongs"))
        return []
    modality = "MR" if scan.is_mr else "CT"
    loader = SeriesLoader(scan.slices, pairs, label_set, MR_RULE if scan.is_mr else CT_RULE, modality)
    paths = tuple(path for pair in pairs for path in pair)
    return [CaseSource(name, scan.patient or name, None, modality, loader, paths)]
