"""A store in the raw format of nnU-Net v2, so that nnU-Net trains on the same cases and the same split.

References
----------
.. [1] Isensee et al. 2021, nnU-Net, Nature Methods 18:203; MIC-DKFZ/nnUNet, documentation/dataset_format.md.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from samadapt.core.atomic import write_json, write_text
from samadapt.core.errors import ConfigError, DataError
from samadapt.core.image import Image, LabelMap, Volume
from samadapt.core.manifest import close_run, open_run
from samadapt.core.progress import progress
from samadapt.data.config import ExportNnUnetConfig
from samadapt.data.nnunet_box import CHANNEL, OBJECT, box_mask, case_name, labels_in
from samadapt.data.records import CaseRecord
from samadapt.data.store import Store

NAME = re.compile(r"Dataset\d{3}_\w+")
SCORE_FILE = "score.yaml"


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes
    ----------
    folder : Path
    training, validation, test : int
        Cases; training and validation lie in imagesTr, told apart by splits_final.json.
    labels : dict of str to int
        nnU-Net's numbers, which are consecutive.
    """

    folder: Path
    training: int
    validation: int
    test: int
    labels: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return vars(self) | {"folder": str(self.folder)}


def export_nnunet(config: ExportNnUnetConfig | None = None, **fields: Any) -> Exported:
    """Write the cases of a store as nnU-Net's raw dataset.

    Training and validation cases become imagesTr and labelsTr, test cases imagesTs and labelsTs (nnU-Net never opens
    the latter). splits_final.json holds the split as fold 0, and score.yaml what `samadapt score` has to know to read
    nnU-Net's predictions back. Intensities and grids are those of the source files. With `box` every label of a case
    is a case with the boxes of that label as its last channel (`nnunet_box`).

    Parameters
    ----------
    config : ExportNnUnetConfig, optional
        Or its fields as keywords.

    Returns
    -------
    Exported

    Raises
    ------
    ConfigError
        If the folder is not named as nnU-Net needs it.
    DataError
        If the store has nothing to train on, mixes 2-D images with volumes or kinds of channels, or if two cases
        would get one name.
    RunFolderError
        If the folder holds something else, or the same and `resume` is false.
    """
    config = config or ExportNnUnetConfig(**fields)
    _require_name(config.out)
    store = Store.open(config.store)
    names = _names(store, config)
    kind = _kind(store, config)
    asked = {"store": store.fingerprint} | ({"jitter_px": config.jitter_px} if config.box else {})
    manifest = open_run(config.out, "export-nnunet", asked, resume=config.resume)
    numbers = {value: number for number, value in enumerate(store.label_set.values, start=1)}
    entries = list(_entries(store, names, numbers, config))
    with progress("exporting", len(entries)) as advance:
        for entry in entries:
            _write_case(store, entry, config, kind)
            advance()
    splits = {
        split: [entry.name for entry in entries if store.cases[entry.case].split == split]
        for split in ("train", "val", "test")
    }
    labels = _labels(store, numbers, config)
    dataset = _dataset(store, kind, labels, len(splits["train"]) + len(splits["val"]))
    if config.box:
        dataset["channel_names"] |= {str(len(kind.channels)): CHANNEL}
    write_json(config.out / "dataset.json", dataset)
    if splits["val"]:
        write_json(config.out / "splits_final.json", [{"train": splits["train"], "val": splits["val"]}])
    _write_score(config, numbers)
    close_run(config.out, manifest, cases=len(entries))
    return Exported(config.out, len(splits["train"]), len(splits["val"]), len(splits["test"]), labels)


@dataclass(frozen=True)
class _Kind:
    """How the images of a dataset are stored."""

    ending: str
    channels: tuple[str, ...]
    apart: bool = False

    @property
    def files(self) -> int:
        """Files of one image: PNG holds its colours in one, but beside a box, as nnU-Net wants files alike."""
        return 1 if self.ending == ".png" and not self.apart else len(self.channels)


@dataclass(frozen=True)
class _Entry:
    """One case that nnU-Net gets: a case of the store, or one label of it, with nnU-Net's numbers by label."""

    case: int
    name: str
    numbers: Mapping[int, int]
    label: int | None = None


def _entries(
    store: Store, names: Mapping[int, str], numbers: Mapping[int, int], config: ExportNnUnetConfig
) -> Iterator[_Entry]:
    for case, name in names.items():
        if not config.box:
            yield _Entry(case, name, numbers)
            continue
        for label in labels_in(store, case):
            yield _Entry(case, case_name(name, label), {label: 1}, label)


def _require_name(out: Path) -> None:
    if not NAME.fullmatch(out.name):
        raise ConfigError(
            f"nnU-Net does not find a dataset in a folder called {out.name!r}",
            where="out",
            remedy="Name it Dataset, three digits, and a name: --out nnUNet_raw/Dataset101_Abdomen.",
        )


def _names(store: Store, config: ExportNnUnetConfig) -> dict[int, str]:
    """Case number to the name of its files: the last part of the case's name."""
    if not store.split("train"):
        raise DataError("the store has no training case", where=config.store, remedy="Prepare it with other splits.")
    names = {case: Path(record.name).name for case, record in enumerate(store.cases)}
    counted = Counter(names.values())
    if len(counted) < len(names):
        raise DataError(
            f"two cases would be called {counted.most_common(1)[0][0]!r}",
            where=config.store,
            remedy="Export each dataset from its own store.",
        )
    return names


def _kind(store: Store, config: ExportNnUnetConfig) -> _Kind:
    kinds = {(record.is_volume, record.channels) for record in store.cases}
    if len(kinds) > 1:
        raise DataError(
            f"nnU-Net wants cases of one kind, but the store has (volume, channels) {sorted(kinds)}",
            where=config.store,
            remedy="Export each kind from a store of its own.",
        )
    (is_volume, channels), bytes_only = kinds.pop(), {record.dtype for record in store.cases} == {"uint8"}
    modality = _modality(record.modality for record in store.cases)
    if channels == 1:
        names: tuple[str, ...] = (modality,)
    elif channels == 3 and not is_volume:
        names = ("R", "G", "B")
    else:
        named = {record.channel_names for record in store.cases}
        plain_names = tuple(f"{modality} {number}" for number in range(channels))
        names = (named.pop() if len(named) == 1 else ()) or plain_names
    plain = not is_volume and bytes_only and channels in (1, 3)
    return _Kind(".png" if plain else ".nii.gz", names, apart=config.box)


def _modality(found: Iterable[str]) -> str:
    """nnU-Net normalises "CT" by the whole dataset and everything else image by image."""
    known = set(found)
    return known.pop() or "image" if len(known) == 1 else "image"


def _write_case(store: Store, entry: _Entry, config: ExportNnUnetConfig, kind: _Kind) -> None:
    from samadapt.io import save_image, save_label

    record = store.cases[entry.case]
    part = "Ts" if record.split == "test" else "Tr"
    image, labels = _image(store, entry.case, record), _renumbered(store, entry, record)
    folders = config.out / f"images{part}", config.out / f"labels{part}"
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    channels = [image] if kind.files == 1 else [_channel(image, channel) for channel in range(kind.files)]
    if entry.label is not None:
        jitter_px = 0.0 if record.split == "test" else config.jitter_px
        channels.append(_in_place_of(image, box_mask(store, entry.case, entry.label, jitter_px)))
    for number, channel in enumerate(channels):
        save_image(channel, folders[0] / f"{entry.name}_{number:04d}{kind.ending}")
    save_label(labels, folders[1] / f"{entry.name}{kind.ending}")


def _image(store: Store, case: int, record: CaseRecord) -> Image | Volume:
    return store.volume(case) if record.is_volume else store.image(case, 0)


def _channel(image: Image | Volume, channel: int) -> Image | Volume:
    array = image.voxels if isinstance(image, Volume) else image.pixels[None]
    return _in_place_of(image, np.ascontiguousarray(array[..., channel]))


def _in_place_of(image: Image | Volume, planes: NDArray[Any]) -> Image | Volume:
    """An image with (Z, H, W) other values on the same grid; one plane for a 2-D image."""
    if isinstance(image, Volume):
        return replace(image, voxels=planes, channels=(), windows=())
    return replace(image, pixels=planes[0], channels=(), windows=())


def _renumbered(store: Store, entry: _Entry, record: CaseRecord) -> LabelMap:
    labels, numbers = store.label_map(entry.case), entry.numbers
    table = np.zeros(1 << 16, dtype=np.uint16)
    table[list(numbers)] = list(numbers.values())
    if store.label_set.ignore is not None:
        table[store.label_set.ignore] = len(numbers) + 1
    values = table[labels.values]
    if record.is_volume:
        return LabelMap(values, labels.grid, labels.orientation, labels.source)
    return LabelMap(values[0], record.grid.slice(0), source=labels.source)


def _labels(store: Store, numbers: Mapping[int, int], config: ExportNnUnetConfig) -> dict[str, int]:
    names = [OBJECT] if config.box else [store.label_set[value].name for value in numbers]
    ignore = [] if store.label_set.ignore is None else ["ignore"]
    return {name: number for number, name in enumerate(["background", *names, *ignore])}


def _dataset(store: Store, kind: _Kind, labels: dict[str, int], training: int) -> dict[str, Any]:
    content: dict[str, Any] = {
        "channel_names": {str(number): name for number, name in enumerate(kind.channels)},
        "labels": labels,
        "numTraining": training,
        "file_ending": kind.ending,
        "name": ", ".join(str(dataset["name"]) for dataset in store.datasets),
        "licence": ", ".join(sorted({str(dataset["licence"]) for dataset in store.datasets})),
        "store_fingerprint": store.fingerprint,
    }
    if kind.ending == ".png":
        content["overwrite_image_reader_writer"] = "NaturalImage2DIO"
    return content


def _write_score(config: ExportNnUnetConfig, numbers: Mapping[int, int]) -> None:
    """What differs between nnU-Net's label maps and the store's, for `samadapt score`."""
    moved = {number: value for value, number in numbers.items() if number != value}
    content: dict[str, Any] = {"reference": str(config.store.resolve()), "split": "test"}
    if config.box:
        content |= {"name": "nnU-Net with box", "prompts": "box", "box_channel": True}
    else:
        content |= {"name": "nnU-Net", "values": moved}
    write_text(config.out / SCORE_FILE, yaml.safe_dump(content, sort_keys=False))
