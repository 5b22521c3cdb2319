"""The images in a folder."""

from __future__ import annotations

import re
from pathlib import Path

from samadapt.core.errors import FileFormatError
from samadapt.io.sniff import HEAD, format_of


def find_images(folder: str | Path, *, recursive: bool = False) -> list[Path]:
    """Files in a folder that samadapt can read, by content, in natural order (slice2 before slice10).

    Hidden files and folders are skipped, and so is DICOM, whose unit is the series and not the file.

    Parameters
    ----------
    folder : str or Path
    recursive : bool
        Look into subfolders too.

    Returns
    -------
    list of Path
        Empty if there are none.

    Raises
    ------
    FileFormatError
        If `folder` is missing or not a folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = "this is a file, not a folder" if folder.exists() else "there is no such folder"
        raise FileFormatError(what, where=folder, remedy="Name the folder that holds the images.")
    children = folder.rglob("*") if recursive else folder.iterdir()
    visible = (child for child in children if not _hidden(child.relative_to(folder)))
    return sorted((child for child in visible if child.is_file() and _is_image(child)), key=natural_key)


def is_series(path: str | Path) -> bool:
    """True for a folder whose first readable file is DICOM: one volume, not a folder of images."""
    path = Path(path)
    files = sorted(child for child in path.iterdir() if child.is_file()) if path.is_dir() else []
    formats = (format_of(_head(child)) for child in files if not child.name.startswith("."))
    return next((name for name in formats if name is not None), None) == "dicom"


def natural_key(path: Path) -> tuple[tuple[int, int, str], ...]:
    """Sort key that compares runs of digits as numbers."""
    parts = re.split(r"(\d+)", path.as_posix().lower())
    return tuple((0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _is_image(path: Path) -> bool:
    return format_of(_head(path)) not in (None, "dicom")


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)
