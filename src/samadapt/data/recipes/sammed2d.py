"""SAM-Med2D's layout: PNG images, one binary PNG an object, JSON files that connect them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from samadapt import io
from samadapt.core.errors import DataError, FileFormatError, LabelError
from samadapt.core.image import LabelSet, Volume
from samadapt.data.recipes.base import (
    CaseSource,
    Exclusion,
    Found,
    LoadedCase,
    ObjectMask,
    RecipeInfo,
    require_cases,
    require_folder,
)
from samadapt.data.recipes.loading import require_shape
from samadapt.data.recipes.nnunet import no_options
from samadapt.data.recipes.pairing import visible

TRAIN, TEST = "image2label_train.json", "label2image_test.json"
Masks = dict[str, list[str]]


@dataclass(frozen=True)
class ObjectsLoader:
    """Reads an image and its object masks, each strictly 0/1 or 0/255."""

    image: Path
    masks: tuple[tuple[Path, int], ...]

    def __call__(self) -> LoadedCase:
        image = io.open(self.image)
        if isinstance(image, Volume):
            raise FileFormatError("a single picture was expected, not several pages", where=self.image)
        objects = []
        for path, label in self.masks:
            values = io.open_label(path).values
            require_binary(values, path)
            require_shape(image, values.shape, where=path)
            objects.append(ObjectMask(values > 0, label))
        return LoadedCase(image, objects)


def require_binary(values: np.ndarray[Any, Any], path: Path) -> None:
    """Raise `LabelError` unless the values are 0 and one of 1, 255."""
    found = sorted(int(v) for v in np.unique(values))
    if set(found) - {0} not in ({1}, {255}, set()):
        raise LabelError(
            f"a mask must be binary (0/1 or 0/255), found the values {found[:8]}",
            where=path,
            remedy="Save masks as PNG, one object a file, without smoothing.",
        )


class SamMed2d:
    """`image2label_train.json` {image: [masks]} and `label2image_test.json` {mask: image} beside images/ and masks/.

    Masks are named `<image>_<class>_<component 000>.png`; classes come from these names. Objects may overlap.
    """

    info: ClassVar[RecipeInfo] = RecipeInfo(
        name="sammed2d",
        title="Dataset in SAM-Med2D's layout (SA-Med2D-20M and its demo)",
        licence="that of the data (SA-Med2D-20M: CC BY-NC-SA 4.0)",
        citation="Cheng et al. 2023, SAM-Med2D, arXiv:2308.16184; Ye et al. 2023, SA-Med2D-20M, arXiv:2311.11969",
        url="https://github.com/OpenGVLab/SAM-Med2D",
        how_to_get="Clone the repository for data_demo/, or arrange your data the same way.",
    )

    def matches(self, source: Path) -> bool:
        """True if one of the two JSON files is there."""
        return any((Path(source) / name).is_file() for name in (TRAIN, TEST))

    def find(self, source: Path, **options: Any) -> Found:
        """List the images with masks; the JSON files fix the split."""
        no_options(self.info.name, options)
        source = require_folder(source)
        exclusions: list[Exclusion] = []
        listed = {"train": _read(source / TRAIN), "test": _by_image(_read(source / TEST))}
        rows = [row for split, masks in listed.items() for row in _rows(source, split, masks, exclusions)]
        rows = _first_of_each(rows, exclusions)
        classes = sorted({kind for row in rows for _, kind in row.masks})
        label_set = LabelSet.from_names(dict(enumerate(classes, start=1)))
        cases = [_case(row, {name: value for value, name in label_set.names.items()}) for row in rows]
        exclusions.extend(_unlisted(source, listed))
        return require_cases(Found(cases, label_set, exclusions), source, f"{TRAIN} or {TEST} listing images")


@dataclass(frozen=True)
class _Row:
    image: Path
    split: str
    masks: tuple[tuple[Path, str], ...]


def class_of(mask: str, image: str) -> str:
    """Class in a mask's stem `<image>_<class>_<component>`.

    Raises
    ------
    DataError
        If the name has another form.
    """
    match = re.fullmatch(re.escape(image) + r"_(.+)_(\d{3,})", mask)
    if match is None:
        raise DataError(
            f"the mask name does not have the form {image}_<class>_<000>", where=mask, remedy="Rename the mask."
        )
    return match.group(1)


def resolve(source: Path, listed: str) -> Path:
    """File for a path in the JSON, which may start with folders above `source` (data_demo/images/a.png)."""
    parts = Path(listed).parts
    candidates = [source.joinpath(*parts[i:]) for i in range(len(parts))]
    return next((path for path in candidates if path.is_file()), candidates[0])


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError) as error:
        raise FileFormatError(f"not valid JSON: {error}", where=path) from error
    if not isinstance(content, dict):
        raise FileFormatError("the JSON must be a mapping of paths", where=path)
    return content


def _by_image(label2image: dict[str, Any]) -> Masks:
    images: Masks = {}
    for mask, image in label2image.items():
        images.setdefault(str(image), []).append(mask)
    return images


def _rows(source: Path, split: str, listed: Masks, exclusions: list[Exclusion]) -> list[_Row]:
    rows = []
    for image_text, mask_texts in sorted(listed.items()):
        image = resolve(source, image_text)
        masks = [resolve(source, text) for text in mask_texts]
        exclusions.extend((m.name, f"mask of {image.name} is missing") for m in masks if not m.is_file())
        masks = [m for m in masks if m.is_file()]
        if not image.is_file():
            exclusions.append((image.name, "the image file is missing"))
        elif not masks:
            exclusions.append((image.name, "image without label"))
        else:
            kinds = tuple((m, class_of(m.stem, image.stem)) for m in sorted(masks))
            rows.append(_Row(image, split, kinds))
    return rows


def _first_of_each(rows: list[_Row], exclusions: list[Exclusion]) -> list[_Row]:
    seen: dict[str, _Row] = {}
    for row in rows:
        first = seen.setdefault(row.image.stem, row)
        if first is not row:
            exclusions.append((row.image.name, f"duplicate: listed for {row.split}, already in {first.split}"))
    return [seen[name] for name in sorted(seen)]


def _case(row: _Row, values: dict[str, int]) -> CaseSource:
    loader = ObjectsLoader(row.image, tuple((path, values[kind]) for path, kind in row.masks))
    name = row.image.stem
    files = (row.image, *(path for path, _ in row.masks))
    return CaseSource(name, patient_of(name), row.split, "", loader, files)


def patient_of(name: str) -> str:
    """Name of the volume a slice was cut from: `amos_0006_90` is slice 90 of `amos_0006`."""
    volume, _, index = name.rpartition("_")
    return volume if volume and index.isdigit() else name


def _unlisted(source: Path, listed: dict[str, Masks]) -> list[Exclusion]:
    known = {Path(image).name for masks in listed.values() for image in masks}
    known_masks = {Path(m).name for masks in listed.values() for entries in masks.values() for m in entries}
    found: list[Exclusion] = []
    for folder, names, reason in (
        ("images", known, "image without label (in neither JSON file)"),
        ("masks", known_masks, "mask without image (in neither JSON file)"),
    ):
        if (source / folder).is_dir():
            found.extend((p.name, reason) for p in visible(source / folder) if p.name not in names)
    return found
