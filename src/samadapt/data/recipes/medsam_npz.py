"""MedSAM's npz files: imgs, gts and spacing in one file a case."""

from __future__ import annotations

import re
import zipfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from samadapt import io
from samadapt.core.errors import ConfigError, SamadaptError
from samadapt.core.image import LabelSet, Volume
from samadapt.data.recipes.base import CaseSource, Exclusion, Found, LoadedCase, RecipeInfo, require_cases
from samadapt.data.recipes.base import require_folder as _require_folder
from samadapt.data.recipes.loading import modality_of_name, require_explained
from samadapt.data.recipes.pairing import unreadable


@dataclass(frozen=True)
class NpzLoader:
    """Reads one npz file."""

    path: Path
    label_set: LabelSet
    modality: str

    def __call__(self) -> LoadedCase:
        from dataclasses import replace

        image, label = io.open_pair(self.path)
        require_explained(label, self.label_set, where=self.path)
        if isinstance(image, Volume):
            return LoadedCase(replace(image, modality=self.modality), label)
        return LoadedCase(replace(image, modality=self.modality), label)


class MedSamNpz:
    """A folder (or npz_train/, npz_val/, npz_test/) of files with `imgs`, `gts` and usually `spacing`.

    Options: ``names={1: "liver", ...}`` and ``modality``. Without names the label files are scanned.
    """

    info: ClassVar[RecipeInfo] = RecipeInfo(
        name="medsam-npz",
        title="Cases in MedSAM's npz format",
        licence="that of the data",
        citation="Ma et al. 2024, Segment anything in medical images, Nature Communications 15, "
        "doi:10.1038/s41467-024-44824-z",
        url="https://github.com/bowang-lab/MedSAM",
        how_to_get="Files written by MedSAM's or MedSAM2's preprocessing scripts, or their published npz files.",
    )

    def matches(self, source: Path) -> bool:
        """True if the first npz file has the arrays imgs and gts."""
        first = next((p for _, p in _files(Path(source))), None)
        return first is not None and {"imgs", "gts"} <= _arrays(first)

    def find(self, source: Path, names: dict[int, str] | None = None, modality: str = "", **options: Any) -> Found:
        """List the files that have images and labels."""
        if options:
            raise ConfigError(f"unknown option {sorted(options)[0]!r}", remedy="medsam-npz has names and modality.")
        source = _require_folder(source)
        exclusions: list[Exclusion] = []
        files = [(split, path) for split, path in _files(source) if _usable(path, exclusions)]
        names = names or _infer([path for _, path in files])
        label_set = LabelSet.from_names({int(k): v for k, v in names.items()})
        cases = []
        for split, path in files:
            kind = modality or modality_of_name(path.name)
            loader = NpzLoader(path, label_set, kind)
            cases.append(CaseSource(path.stem, _patient(path.stem), split, kind, loader, (path,)))
        return require_cases(Found(cases, label_set, exclusions), source, "npz files with the arrays imgs and gts")


def _files(source: Path) -> list[tuple[str | None, Path]]:
    rows: list[tuple[str | None, Path]] = [(None, p) for p in sorted(source.glob("[!.]*.npz"))]
    for split in ("train", "val", "test"):
        for folder in (source / f"npz_{split}", source / split):
            rows.extend((split, p) for p in sorted(folder.glob("[!.]*.npz")))
    return rows


def _arrays(path: Path) -> set[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return {name.removesuffix(".npy") for name in archive.namelist()}
    except (zipfile.BadZipFile, OSError):
        return set()


def _usable(path: Path, exclusions: list[Exclusion]) -> bool:
    arrays = _arrays(path)
    reason = unreadable(path) or ("" if arrays else "unreadable: damaged zip archive")
    if not reason and "gts" not in arrays:
        reason = "image without label (no array gts)"
    if not reason and "imgs" not in arrays:
        reason = "label without image (no array imgs)"
    if reason:
        exclusions.append((path.name, reason))
    return not reason


def _infer(files: list[Path]) -> dict[int, str]:
    """{value: name} of what the files hold; one that cannot be read says nothing, and loading it gives the error."""
    values: set[int] = set()
    for path in files:
        with suppress(SamadaptError):
            values |= {int(v) for v in np.unique(io.open_label(path).values)}
    values -= {0}
    if values <= {1}:
        lesions = files and all("lesion" in path.name.lower() for path in files)
        return {1: "lesion" if lesions else "object"}
    return {value: f"label {value}" for value in sorted(values)}


def _patient(name: str) -> str:
    """Patient number of DeepLesion names (CT_Lesion_<patient>_<study>_<series>_<slices>), else the name."""
    match = re.match(r"(CT_Lesion_\d{6})_\d{2}_\d{2}_", name)
    return match.group(1) if match else name
