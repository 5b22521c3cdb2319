"""Settings of the `folder` recipe; the named folder datasets are nothing but such settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, field_validator

from samadapt.config import Config, load_config
from samadapt.core.errors import ConfigError
from samadapt.data.recipes.pairing import IMAGE_SUFFIXES, LABEL_SUFFIXES

IMAGE_FOLDERS = ("images", "image", "imgs", "img", "imagesTr")
LABEL_FOLDERS = (
    *("masks", "mask", "labels", "label", "annotations", "annotation", "label_gray", "gts", "gt", "labelsTr"),
    *("annotations/masks", "segmentations", "ground_truth"),
)
SPLIT_FOLDERS = {
    **{"train": "train", "training": "train", "tr": "train"},
    **{"val": "val", "validation": "val", "valid": "val"},
    **{"test": "test", "testing": "test", "ts": "test"},
}
LABEL_TABLES = ("labels.json", "labels.yaml", "labels.yml")


class FolderOptions(Config):
    """How images and labels lie in a folder and what the label values mean."""

    names: dict[int, str] | None = Field(
        None, description="Label value to class name, e.g. {1: polyp}; found from the label files if not given."
    )
    colours: dict[str, int] | None = Field(
        None, description="Colour of the label image to label value, e.g. {'#3C1098': 1}; 0 is background."
    )
    values: dict[int, int] | None = Field(
        None, description="File value to label value where the file's own numbers cannot be kept, e.g. {0: 1, 1: 2}."
    )
    threshold: int | Literal["auto"] | None = Field(
        "auto", description="Grey value above which a mask is object; auto: 127 for JPEG and for 0/255 masks."
    )
    ignore: int | None = Field(
        None, description="Label value of pixels that belong to no class and are left out of losses and metrics."
    )
    instances: bool | None = Field(
        None, description="True: label files hold object numbers, one object each; default: only in instances/."
    )
    modality: str = Field("", description="CT, MR, RGB, infrared, ...; from the file names if not given.")
    channels: tuple[str, ...] = Field(
        (), description="Names of the channels of the images in their order, e.g. red,green,blue,nir."
    )
    patient: str = Field(
        "", description="Regular expression on the case name; cases with equal groups stay in one split."
    )
    split_lists: dict[Literal["train", "val", "test"], str] = Field(
        default_factory=dict, description="Split to text file with one case name a line, e.g. {train: splits/a.txt}."
    )
    tile_px: int | None = Field(
        None, ge=32, description="Side of the tiles that large pictures are cut into; none: whole pictures"
    )
    overlap_px: int = Field(0, ge=0, description="Pixels that neighbouring tiles share at least")
    image_folders: tuple[str, ...] = Field(IMAGE_FOLDERS, description="Names an image folder may have.")
    label_folders: tuple[str, ...] = Field(LABEL_FOLDERS, description="Names a label folder may have.")
    image_suffixes: tuple[str, ...] = Field(IMAGE_SUFFIXES, description="Endings an image's stem may have.")
    label_suffixes: tuple[str, ...] = Field(LABEL_SUFFIXES, description="Endings a label's stem may have.")

    @field_validator("colours", mode="before")
    @classmethod
    def _hex_keys(cls, value: Any) -> Any:
        if isinstance(value, dict):
            return {_hex(key): number for key, number in value.items()}
        return value

    @field_validator("channels", mode="before")
    @classmethod
    def _split_names(cls, value: Any) -> Any:
        return tuple(name.strip() for name in value.split(",") if name.strip()) if isinstance(value, str) else value

    @field_validator("patient")
    @classmethod
    def _compiles(cls, value: str) -> str:
        import re

        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return value

    def rgb(self) -> tuple[tuple[tuple[int, int, int], int], ...]:
        """Colours as ((r, g, b), value)."""
        return tuple((_rgb(key), value) for key, value in (self.colours or {}).items())


def merge_options(settings: FolderOptions, source: Path, options: dict[str, Any]) -> FolderOptions:
    """Settings of the recipe, then the label table beside the data, then what the caller says.

    Raises
    ------
    ConfigError
        If an option is unknown (the nearest is named) or a value does not fit.
    """
    base = settings.model_dump(exclude_unset=True)
    table = _read_table(source) if "names" not in base and "colours" not in base else {}
    return load_config(FolderOptions, values=base | table | {k: v for k, v in options.items() if v is not None})


def _read_table(source: Path) -> dict[str, Any]:
    path = next((source / name for name in LABEL_TABLES if (source / name).is_file()), None)
    if path is None:
        return {}
    try:
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"not valid JSON or YAML: {error}", where=path) from error
    allowed = {"names", "colours", "values", "ignore", "threshold", "modality", "instances", "channels"}
    if not isinstance(table, dict) or not set(table) <= allowed:
        raise ConfigError(
            "a label table is a mapping with the keys " + ", ".join(sorted(allowed)),
            where=path,
            remedy='Example: {"names": {"1": "liver"}, "ignore": 255}.',
        )
    return table


def _hex(key: object) -> str:
    if isinstance(key, (tuple, list)) and len(key) == 3:
        return "#{:02X}{:02X}{:02X}".format(*(int(v) for v in key))
    text = str(key).strip().lstrip("#").upper()
    if len(text) != 6 or any(c not in "0123456789ABCDEF" for c in text):
        raise ValueError(f"a colour is written #RRGGBB, not {key!r}")
    return f"#{text}"


def _rgb(key: str) -> tuple[int, int, int]:
    return int(key[1:3], 16), int(key[3:5], 16), int(key[5:7], 16)
