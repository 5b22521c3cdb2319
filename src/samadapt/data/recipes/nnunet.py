"""nnU-Net v2 raw datasets: dataset.json, imagesTr, labelsTr, optionally imagesTs and labelsTs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

from samadapt.core.errors import ConfigError, DataError, FileFormatError
from samadapt.core.image import LabelSet
from samadapt.data.recipes.base import CaseSource, Exclusion, Found, RecipeInfo, require_cases, require_folder
from samadapt.data.recipes.loading import LabelRule, PairLoader
from samadapt.data.recipes.pairing import unreadable, visible


def read_dataset_json(source: Path) -> dict[str, Any]:
    """Content of dataset.json, or an error that names it."""
    path = source / "dataset.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError("dataset.json is missing", where=source, remedy="It lists channels and labels.") from error
    except (ValueError, UnicodeDecodeError) as error:
        raise FileFormatError(f"not valid JSON: {error}", where=path) from error
    if not isinstance(content, dict):
        raise FileFormatError("dataset.json must be a mapping", where=path)
    return content


def no_options(recipe: str, options: dict[str, Any]) -> None:
    """Raise `ConfigError` if a recipe without options was given one."""
    given = sorted(key for key, value in options.items() if value is not None)
    if given:
        raise ConfigError(f"the recipe {recipe!r} has no option {given[0]!r}", remedy="Its files say all it needs.")


class NnUnet:
    """`imagesTr/<case>_<channel 0000>.<ending>` with `labelsTr/<case>.<ending>` and dataset.json.

    Several channels become the last axis. `imagesTs` is the test split where labelsTs/ exists.
    """

    info: ClassVar[RecipeInfo] = RecipeInfo(
        name="nnunet",
        title="Dataset in the raw format of nnU-Net v2",
        licence="that of the data",
        citation="Isensee et al. 2021, nnU-Net, Nature Methods 18, doi:10.1038/s41592-020-01008-z",
        url="https://github.com/MIC-DKFZ/nnUNet/blob/master/documentation/dataset_format.md",
        how_to_get="Any folder Dataset###_Name below nnUNet_raw.",
    )

    def matches(self, source: Path) -> bool:
        """True if dataset.json has nnU-Net's keys."""
        try:
            content = read_dataset_json(Path(source))
        except (DataError, FileFormatError):
            return False
        return "channel_names" in content and "labels" in content

    def find(self, source: Path, **options: Any) -> Found:
        """List the cases of imagesTr, then those of imagesTs."""
        no_options(self.info.name, options)
        source = require_folder(source)
        content = read_dataset_json(source)
        channels = _require(content, "channel_names", source)
        ending = str(_require(content, "file_ending", source))
        names = tuple(str(v) for v in channels.values())
        modality = modality_of(list(names))
        label_set = label_set_of(_require(content, "labels", source), modality, source / "dataset.json")
        exclusions: list[Exclusion] = []
        cases = []
        for images, labels, split in (("imagesTr", "labelsTr", None), ("imagesTs", "labelsTs", "test")):
            for name, files in _by_case(source / images, ending, exclusions).items():
                label = source / labels / (name + ending)
                reason = _problem(files, label, len(channels))
                if reason:
                    exclusions.append((name, reason))
                    continue
                rule, several = LabelRule(threshold=None), names if len(names) > 1 else ()
                loader = PairLoader(tuple(files.values()), label, label_set, modality, rule, channel_names=several)
                cases.append(CaseSource(name, name, split, modality, loader, (*files.values(), label)))
            exclusions.extend(_alone(source / images, source / labels, ending))
        found = Found(cases, label_set, exclusions)
        return require_cases(found, source, f"imagesTr/<case>_0000{ending} and labelsTr/<case>{ending}")


def label_set_of(labels: dict[str, Any], modality: str, where: Path) -> LabelSet:
    """Label set of the "labels" entry, name to value (nnU-Net v2) or value to name (Decathlon).

    Raises
    ------
    DataError
        If labels are regions, that is lists of values.
    """
    names: dict[int, str] = {}
    for key, value in labels.items():
        if isinstance(value, (list, tuple)):
            raise DataError(
                f"the label {key!r} is a region made of the values {list(value)}; overlapping regions are not read",
                where=where,
                remedy="Give each value its own name in dataset.json; add regions up after prediction.",
            )
        name, number = (value, key) if str(key).isdigit() else (key, value)
        names[_whole(number, where)] = str(name)
    ignore = next((v for v, n in names.items() if n.lower() == "ignore" and v != 0), None)
    return LabelSet.from_names(names, ignore, modality)


def modality_of(channels: list[str]) -> str:
    """ "CT", "MR", "RGB" or "" from channel names; "CT arterial" and "CT_venous" are phases of a CT."""
    first = {name.strip().lower() for name in channels}
    if all(name.replace("_", " ").split()[:1] == ["ct"] for name in first):
        return "CT"
    if any(word in name for name in first for word in ("mr", "t1", "t2", "flair", "adc", "bold")):
        return "MR"
    return "RGB" if first in ({"r", "g", "b"}, {"red", "green", "blue"}, {"rgb"}) else ""


def _whole(number: Any, where: Path) -> int:
    try:
        return int(number)
    except (TypeError, ValueError) as error:
        raise DataError(f"label value {number!r} is not a whole number", where=where) from error


def _require(content: dict[str, Any], key: str, source: Path) -> Any:
    if not content.get(key):
        raise DataError(
            f"dataset.json has no {key!r}",
            where=source / "dataset.json",
            remedy='nnU-Net v2 needs "channel_names", "labels" and "file_ending".',
        )
    return content[key]


def _by_case(folder: Path, ending: str, exclusions: list[Exclusion]) -> dict[str, dict[int, Path]]:
    """{case: {channel: file}}, both in order."""
    cases: dict[str, dict[int, Path]] = {}
    for path in visible(folder) if folder.is_dir() else []:
        name, _, channel = path.name.removesuffix(ending).rpartition("_")
        if not path.name.endswith(ending) or not name or not channel.isdigit() or len(channel) != 4:
            exclusions.append((path.name, f"not named <case>_<four digits>{ending}"))
        elif reason := unreadable(path):
            exclusions.append((path.name, reason))
        else:
            cases.setdefault(name, {})[int(channel)] = path
    return cases


def _problem(files: dict[int, Path], label: Path, channels: int) -> str:
    missing = sorted(set(range(channels)) - set(files))
    if missing:
        return f"channel {missing[0]:04d} of {channels} is missing"
    if not label.is_file():
        kind = "test image" if label.parent.name == "labelsTs" else "image"
        return f"{kind} without label ({label.parent.name}/{label.name} is missing)"
    return f"label {reason}" if (reason := unreadable(label)) else ""


def _alone(images: Path, labels: Path, ending: str) -> list[Exclusion]:
    if not labels.is_dir():
        return []
    known = {p.name.removesuffix(ending).rpartition("_")[0] for p in images.glob("*")} if images.is_dir() else set()
    return [
        (path.name, "label without image") for path in visible(labels) if path.name.removesuffix(ending) not in known
    ]
