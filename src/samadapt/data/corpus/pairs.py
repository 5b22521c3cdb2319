"""One case of a dataset as PNG pairs: run in worker processes, recorded by the one that builds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import DiskFull, SamadaptError
from samadapt.core.image import LabelMap, LabelSet, Volume
from samadapt.data.corpus.config import CorpusRules, CorpusSource
from samadapt.data.corpus.rules import Place, SliceObject, extents, mask_rule, objects_of, slice_rule
from samadapt.data.encode import as_volume
from samadapt.data.pool import Outcome
from samadapt.data.recipes.base import CaseSource, LoadedCase
from samadapt.data.recipes.sammed2d_writer import safe_name, write_png
from samadapt.data.slicing import SliceAxis
from samadapt.data.window import Window, to_display, window_of

WHOLE_SLICE = -1


@dataclass(frozen=True)
class PairsJob:
    """Cases of one source, to be written as pairs.

    Attributes
    ----------
    name : str
        Of the source.
    cases : sequence of (CaseSource, str)
        With the split of each.
    label_set : LabelSet
    source : CorpusSource
    rules : CorpusRules
    out : Path
        Folder of the corpus.
    """

    name: str
    cases: Sequence[tuple[CaseSource, str]]
    label_set: LabelSet
    source: CorpusSource
    rules: CorpusRules
    out: Path

    def __len__(self) -> int:
        return len(self.cases)

    def run(self, index: int) -> Outcome:
        """Write one case; its journal line, or why it cannot be used."""
        case, split = self.cases[index]
        try:
            return _Writer(self, case).write(split)
        except DiskFull:
            raise
        except SamadaptError as error:
            return str(error)


@dataclass
class _Writer:
    """Writes the slices of one case and keeps what became of them."""

    job: PairsJob
    case: CaseSource
    images: list[dict[str, Any]] = field(default_factory=list)
    excluded: list[list[Any]] = field(default_factory=list)
    empty: int = 0

    def write(self, split: str) -> dict[str, Any]:
        """All slices in all directions; the journal line."""
        loaded = self.case.load()
        modality = self.job.source.modality or self.case.modality or loaded.image.modality
        for axis in self._axes(loaded):
            volume, label = as_volume(loaded, axis, self.case.name)
            asked = self.job.source.window
            window = (loaded.window if asked == "auto" else None) or window_of(volume.voxels, modality, asked)
            extent = self._extent(label)
            for z in range(len(volume)):
                plane = label.values[z] if isinstance(label, LabelMap) else label
                self._slice(volume, plane, Place(z, len(volume), extent), window, axis)
        return {
            "source": self.job.name,
            "name": self.case.name,
            "patient": self.case.patient,
            "split": split,
            "modality": modality,
            "images": self.images,
            "excluded": self.excluded,
            "empty": self.empty,
        }

    def _axes(self, loaded: LoadedCase) -> tuple[SliceAxis, ...]:
        return self.job.source.slice_axes if isinstance(loaded.image, Volume) else ("axial",)

    def _extent(self, label: Any) -> dict[int, tuple[int, int]]:
        wanted = self.job.rules.object_edge_slices and isinstance(label, LabelMap) and len(label.values) > 1
        return extents(label) if wanted else {}

    def _slice(self, volume: Volume, plane: Any, place: Place, window: Window, axis: str) -> None:
        pixels = volume.voxels[place.z]
        objects = list(objects_of(plane, self.job.label_set.ignore, self.job.rules))
        whole = slice_rule(pixels, place, self.job.rules)
        if not objects:
            self.empty += 1
        elif whole:
            self.excluded.append([axis, place.z, 0, WHOLE_SLICE, 0.0, whole, len(objects)])
        else:
            kept = list(self._kept(objects, place, axis))
            if kept:
                self._write(pixels, kept, place, window, axis)

    def _kept(self, objects: list[SliceObject], place: Place, axis: str) -> Iterator[SliceObject]:
        for one in objects:
            rule = mask_rule(one, place, self.job.rules)
            if rule:
                share = one.area_px / one.mask.size
                self.excluded.append([axis, place.z, one.label, one.rank, round(share, 8), rule, 1])
            else:
                yield one

    def _write(self, pixels: NDArray[Any], kept: list[SliceObject], place: Place, window: Window, axis: str) -> None:
        name = f"{self.job.name}--{safe_name(self.case.name)}"
        if place.depth > 1:
            name += f"--{axis[0]}_{place.z:04d}"
        masks: list[list[Any]] = []
        counters: dict[int, int] = {}
        for one in kept:
            number = counters[one.label] = counters.get(one.label, -1) + 1
            file = f"{name}_{safe_name(self.job.label_set[one.label].name)}_{number:03d}.png"
            write_png(one.mask.astype(np.uint8) * 255, self.job.out / "masks" / self.job.name / file)
            masks.append([file, one.label, one.area_px])
        write_png(_grey_or_colour(pixels, window), self.job.out / "images" / self.job.name / f"{name}.png")
        place_of = {"axis": axis, "z": place.z, "hw": list(pixels.shape[:2])}
        self.images.append({"image": f"{name}.png", **place_of, "masks": masks})


def _grey_or_colour(pixels: NDArray[Any], window: Window) -> NDArray[np.uint8]:
    """(H, W) uint8 of a grey slice, (H, W, 3) of any other."""
    shown = np.rint(to_display(pixels, window)).clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(shown[..., 0]) if pixels.ndim == 2 else shown
