"""A DICOM series beside one mask picture for each of its slices."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from samadapt import io
from samadapt.core.errors import DataError, FileFormatError, SamadaptError, ShapeMismatch
from samadapt.core.image import LabelSet
from samadapt.data.recipes.base import LoadedCase
from samadapt.data.recipes.loading import LabelRule, require_explained
from samadapt.data.recipes.pairing import visible
from samadapt.io.find import natural_key

_DIGITS = re.compile(r"\d+")


@dataclass(frozen=True)
class SeriesLoader:
    """Reads a series and the masks of its files; masks follow their file, wherever its slice lies.

    Attributes
    ----------
    folder : Path
    masks : tuple of (Path, Path)
        DICOM file and its mask.
    label_set : LabelSet
    rule : LabelRule
    modality : str
    """

    folder: Path
    masks: tuple[tuple[Path, Path], ...]
    label_set: LabelSet
    rule: LabelRule
    modality: str = ""

    def __call__(self) -> LoadedCase:
        series = io.find_series(self.folder)
        if not isinstance(series, io.Series) or (series.frames and series.shape[0] > 1):
            raise FileFormatError("a series of one file a slice was expected", where=self.folder)
        mask_of = dict(self.masks)
        maps = [self._read(path, mask_of, series.shape[1:]) for path in series.files]
        label = series.label_map(np.stack(maps), source=str(self.masks[0][1].parent))
        require_explained(label, self.label_set, where=self.masks[0][1].parent)
        return LoadedCase(series.load(self.modality), label)

    def _read(self, path: Path, mask_of: dict[Path, Path], shape: tuple[int, ...]) -> np.ndarray:
        if path not in mask_of:
            raise DataError(f"the slice {path.name} has no mask", where=self.folder)
        values = self.rule.read(mask_of[path]).values
        if values.shape != shape:
            raise ShapeMismatch(f"the mask {values.shape} does not fit the slice {shape}", where=mask_of[path])
        return values


def dicom_files(folder: Path) -> list[Path]:
    """DICOM files of a folder in natural order of their names."""
    return sorted((path for path in visible(folder) if _format(path) == "dicom"), key=natural_key)


def match_masks(files: Sequence[Path], masks: Sequence[Path]) -> tuple[tuple[Path, Path], ...]:
    """Mask of every file.

    By equal names; else by the number in which the names differ (i0024,0000b.dcm and liver_GT_024.png), if both
    have the same numbers; else in order of the names, if there are as many of both.

    Parameters
    ----------
    files, masks : sequence of Path

    Returns
    -------
    tuple of (Path, Path)
        Empty if nothing of this holds.
    """
    for keys, other in (
        ([path.stem for path in files], [path.stem for path in masks]),
        (_numbers(files), _numbers(masks)),
    ):
        partner = dict(zip(other, masks))
        if len(partner) == len(masks) and set(keys) == set(partner) and len(set(keys)) == len(files):
            return tuple((path, partner[key]) for path, key in zip(files, keys))
    if len(files) != len(masks):
        return ()
    return tuple(zip(sorted(files, key=natural_key), sorted(masks, key=natural_key)))


def _numbers(paths: Sequence[Path]) -> list[int]:
    """The one number in each name that differs between names; [] if there is no such number."""
    rows = [[int(digits) for digits in _DIGITS.findall(path.stem)] for path in paths]
    if len({len(row) for row in rows}) != 1:
        return []
    changing = [column for column in zip(*rows) if len(set(column)) == len(rows)]
    return list(changing[0]) if len(changing) == 1 else []


def _format(path: Path) -> str:
    try:
        return io.sniff(path)
    except SamadaptError:
        return ""
