"""Synapse multi-organ CT as TransUNet's preprocessing leaves it: npz slices to train on, h5 volumes to test on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from samadapt import io
from samadapt.core.errors import FileFormatError, LabelError, SamadaptError
from samadapt.core.image import Image, LabelSet, Volume
from samadapt.data.recipes.base import (
    CaseSource,
    Exclusion,
    Found,
    LoadedCase,
    RecipeInfo,
    require_cases,
    require_folder,
)
from samadapt.data.recipes.options import read_options
from samadapt.data.recipes.pairing import image_files, stem
from samadapt.data.recipes.shrink import ShrinkOptions, shrink
from samadapt.data.recipes.synapse_orders import BTCV, SAMED, TRANSUNET, Order, seen_order, to_samed
from samadapt.data.window import preset

TRAIN_FOLDER, TEST_FOLDER = "train_npz", "test_vol_h5"
LISTS = ("lists/lists_Synapse", "lists", "")
_LOW_HU, _RANGE_HU = -125.0, 400.0
_WHOLE_HU = 0.02
_LOOKED_AT = 3
_SLICES_LOOKED_AT = 24


class SynapseNpzOptions(ShrinkOptions):
    """What the numbers in the files mean."""

    label_order: Literal["samed", "transunet", "btcv"] = Field(
        "samed",
        description="order of the labels in the files: samed (1 spleen), transunet (1 aorta), btcv (13 organs); "
        "the store has SAMed's numbers",
    )


@dataclass(frozen=True)
class SynapseNpzLoader:
    """Reads a slice or a volume and gives back Hounsfield units and SAMed's labels."""

    path: Path
    order: Order
    side_px: int | None

    def __call__(self) -> LoadedCase:
        image, label = io.open_pair(self.path, modality="CT")
        require_order(label.values, self.order, self.path)
        table = np.zeros(max(BTCV) + 1, dtype=np.uint8)
        names = to_samed(self.order)
        table[list(names)] = list(names.values())
        label = replace(label, values=table[label.values])
        if isinstance(image, Image):
            hounsfield: Image | Volume = replace(image, pixels=to_hu(image.pixels, self.path))
        else:
            hounsfield = replace(image, voxels=to_hu(image.voxels, self.path))
        case = LoadedCase(hounsfield, label, preset("ct-samed"))
        return shrink(case, self.side_px) if self.side_px else case


def to_hu(values: NDArray[Any], where: Path) -> NDArray[Any]:
    """Hounsfield units from TransUNet's 0..1, which is (HU + 125) / 400 after clipping to -125..275.

    Raises
    ------
    FileFormatError
        If the values are not in 0..1.
    """
    low, high = float(values.min()), float(values.max())
    if low < -1e-3 or high > 1 + 1e-3:
        raise FileFormatError(
            f"intensities run from {low:g} to {high:g}; TransUNet's preprocessing leaves 0 to 1",
            where=where,
            remedy="Clip Hounsfield units to [-125, 275] and scale them to 0..1, or prepare the raw NIfTI files.",
        )
    hu = values.astype(np.float32) * np.float32(_RANGE_HU) + np.float32(_LOW_HU)
    whole = np.rint(hu)
    return whole.astype(np.int16) if np.abs(hu - whole).max() < _WHOLE_HU else hu


def require_order(values: NDArray[Any], order: Order, where: Path) -> None:
    """Raise `LabelError` if a slice or volume has labels of another order than `order`."""
    limit = max(BTCV if order == "btcv" else SAMED)
    seen = "btcv" if values.max() > limit else seen_order(values) if values.ndim == 3 else None
    if seen is None or seen == order or order == "btcv":
        return
    _require_same(seen, order, where)


def _require_same(seen: Order, order: Order, where: Path) -> None:
    if seen == order:
        return
    numbers = {"btcv": BTCV, "samed": SAMED, "transunet": TRANSUNET}
    told = {name: ", ".join(f"{v} {n}" for v, n in list(numbers[name].items())[:3]) for name in (seen, order)}
    raise LabelError(
        f"the labels are in the order {seen!r} ({told[seen]}, ...), not {order!r} ({told[order]}, ...)",
        where=where,
        remedy=f"Say so: options.label_order={seen}; the store then has SAMed's numbers.",
    )


class SynapseNpz:
    """`train_npz/case0005_slice000.npz` and `test_vol_h5/case0001.npy.h5`, each with the arrays image and label.

    Lists (`lists/lists_Synapse/train.txt`, `test_vol.txt`) say which are used where they are there. Intensities become
    Hounsfield units again, labels SAMed's numbers.
    """

    info: ClassVar[RecipeInfo] = RecipeInfo(
        name="synapse-npz",
        title="Synapse multi-organ CT, preprocessed by TransUNet or SAMed (npz slices, h5 volumes)",
        licence="terms of the challenge: registration at Synapse, no redistribution",
        citation="Landman et al. 2015, doi:10.7303/syn3193805; Chen et al. 2021, TransUNet, arXiv:2102.04306; "
        "Zhang and Liu 2023, SAMed, arXiv:2304.13785",
        url="https://github.com/Beckschen/TransUNet",
        how_to_get="Ask TransUNet's authors for the preprocessed data, or make it from the raw files with SAMed's "
        "preprocess_data.py; the folder holds train_npz/ and test_vol_h5/. TransUNet's files number the organs "
        "differently: add -s options.label_order=transunet.",
        modality="CT",
    )

    def matches(self, source: Path) -> bool:
        """True if there is a folder train_npz* or test_vol_h5* with files named case<four digits>."""
        source = Path(source)
        return any(
            next(source.glob(f"{name}*/case[0-9][0-9][0-9][0-9]*"), None) for name in (TRAIN_FOLDER, TEST_FOLDER)
        )

    def find(self, source: Path, **options: Any) -> Found:
        """List slices and volumes; all slices of a case are one patient."""
        setting = read_options(SynapseNpzOptions, options)
        source = require_folder(source)
        exclusions: list[Exclusion] = []
        train = _files(source, TRAIN_FOLDER, "train.txt", exclusions)
        test = _files(source, TEST_FOLDER, "test_vol.txt", exclusions)
        _check_order(train, test, setting.label_order)
        cases = [_case(path, "train", setting) for path in train] + [_case(path, "test", setting) for path in test]
        label_set = LabelSet.from_names(SAMED, modality="CT")
        found = Found(sorted(cases, key=lambda case: case.name), label_set, exclusions)
        return require_cases(found, source, "train_npz/case0005_slice000.npz or test_vol_h5/case0001.npy.h5")


def _files(source: Path, start: str, list_name: str, exclusions: list[Exclusion]) -> list[Path]:
    folder = next((path for path in sorted(source.glob(f"{start}*")) if path.is_dir()), None)
    files = image_files(folder, exclusions) if folder else []
    named = [path for path in files if re.match(r"case\d{4}", path.name)]
    exclusions.extend((p.name, "not named case<four digits>") for p in files if p not in set(named))
    listed = _listed(source, list_name)
    if listed is None or folder is None:
        return named
    by_name = {stem(path): path for path in named}
    exclusions.extend((name, f"in {list_name}, but the file is missing") for name in listed if name not in by_name)
    exclusions.extend((path.name, f"not in {list_name}") for name, path in by_name.items() if name not in set(listed))
    return [by_name[name] for name in dict.fromkeys(listed) if name in by_name]


def _listed(source: Path, name: str) -> list[str] | None:
    path = next((source / place / name for place in LISTS if (source / place / name).is_file()), None)
    if path is None:
        return None
    return [stem(Path(line.strip())) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def _check_order(train: list[Path], test: list[Path], order: Order) -> None:
    """Look at the first test volumes and every training case, before anything is prepared with organs exchanged."""
    seen: dict[Order, Path] = {}
    for path, values in _volumes(train, test):
        found = None if order == "btcv" or values.ndim != 3 else seen_order(values)
        if found is not None:
            seen.setdefault(found, path)
        if len(seen) > 1:
            told = ", ".join(f"{where.name} in {one!r}" for one, where in seen.items())
            raise LabelError(
                f"the labels are in several orders: {told}",
                where=path.parent.parent,
                remedy="Put the files of each order into a folder of their own and prepare each with its "
                "options.label_order.",
            )
    for found, path in seen.items():
        _require_same(found, order, path)


def _volumes(train: list[Path], test: list[Path]) -> Iterator[tuple[Path, NDArray[Any]]]:
    """The first readable test volumes, and the training cases, each put together from slices all along it."""
    for path in test[:_LOOKED_AT]:
        with suppress(SamadaptError):
            yield path, io.open_label(path).values
    for case, slices in groupby(sorted(train), key=lambda path: path.name[:8]):
        paths = list(slices)
        paths = paths[:: -(-len(paths) // _SLICES_LOOKED_AT)]
        with suppress(SamadaptError, ValueError):  # unreadable or unequal slices are left out when they are prepared
            yield paths[0].parent / case, np.stack([io.open_label(path).values for path in paths])


def _case(path: Path, split: str, setting: SynapseNpzOptions) -> CaseSource:
    side_px = setting.train_px if split == "train" else None
    loader = SynapseNpzLoader(path, setting.label_order, side_px)
    return CaseSource(stem(path), path.name[:8], split, "CT", loader, (path,))
