"""Which label file belongs to which image file, and what is left over."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from samadapt import io
from samadapt.core.errors import SamadaptError
from samadapt.data.recipes.base import Exclusion

SUFFIXES = (
    *(".nii.gz", ".npy.h5", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd", ".npz", ".npy", ".h5"),
    *(".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".dcm", ".ima"),
)
LABEL_SUFFIXES = (
    *("_mask", "-mask", "_masks", "_seg", "-seg", "_label", "-label", "_labels", "_labelmap", "_gt", "_annotation"),
    *("_pixels0", "_seg-manual", "_segmentation", "_instances", "_L"),
)
IMAGE_SUFFIXES = ("_image", "-image", "_img", "_0000")
_COMPANIONS = {".raw", ".zraw"}


@dataclass
class Pairing:
    """Pairs (name, image, label) in order of name, and everything that found no partner."""

    pairs: list[tuple[str, Path, Path]] = field(default_factory=list)
    exclusions: list[Exclusion] = field(default_factory=list)


def stem(path: Path) -> str:
    """File name without its image suffix, compound ones such as .nii.gz included; the whole name of a folder."""
    suffix = image_suffix(path)
    if suffix:
        return path.name[: -len(suffix)]
    return path.name if path.is_dir() else path.stem


def image_suffix(path: Path) -> str:
    """The known image suffix of a file name, lower case, or ""."""
    name = path.name.lower()
    return next((s for s in SUFFIXES if name.endswith(s)), "")


def visible(folder: Path) -> list[Path]:
    """Files of a folder without hidden ones (".", "._" of macOS), sorted by name."""
    return sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))


def image_files(folder: Path, exclusions: list[Exclusion]) -> list[Path]:
    """Image files of a folder; empty, foreign and other files go to `exclusions`."""
    good = []
    for path in visible(folder):
        reason = unreadable(path)
        if reason:
            exclusions.append((path.name, reason))
        elif path.suffix.lower() not in _COMPANIONS:
            good.append(path)
    return good


def series_folders(folder: Path) -> list[Path]:
    """Subfolders that hold a DICOM series, sorted by name."""
    children = sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))
    return [child for child in children if io.is_series(child)]


def unreadable(path: Path) -> str:
    """Why a file cannot be an image, from its name, size and first bytes; "" if it can."""
    if path.suffix.lower() in _COMPANIONS:
        return ""
    if not image_suffix(path):
        return "not an image file"
    try:
        io.sniff(path)
    except SamadaptError as error:
        return f"unreadable: {error.what}"
    return ""


def pair_files(
    images: Sequence[Path],
    labels: Sequence[Path],
    label_suffixes: Iterable[str] = LABEL_SUFFIXES,
    image_suffixes: Iterable[str] = IMAGE_SUFFIXES,
) -> Pairing:
    """Pair by file stem.

    Parameters
    ----------
    images, labels : sequence of Path
    label_suffixes, image_suffixes : iterable of str
        Endings that may follow the common stem, e.g. "_mask". An exact match of the stems wins.

    Returns
    -------
    Pairing
        Images without label, labels without image, and second files of one stem are exclusions.
    """
    result = Pairing()
    by_stem = _unique(images, result.exclusions)
    short = {_strip(key, image_suffixes): key for key in reversed(list(by_stem))}
    partner: dict[str, Path] = {}
    ordered = sorted(labels, key=lambda path: (stem(path) not in by_stem, path.name))
    for label in ordered:
        key = _partner(stem(label), by_stem, short, tuple(label_suffixes))
        if key is None:
            result.exclusions.append((label.name, "label without image"))
        elif key in partner:
            result.exclusions.append((label.name, f"second label of one image, {partner[key].name} is used"))
        else:
            partner[key] = label
    for key, image in by_stem.items():
        if key in partner:
            result.pairs.append((key, image, partner[key]))
        else:
            result.exclusions.append((image.name, "image without label"))
    return result


def _unique(images: Sequence[Path], exclusions: list[Exclusion]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for path in sorted(images):
        first = found.setdefault(stem(path), path)
        if first is not path:
            exclusions.append((path.name, f"duplicate: same name as {first.name}, which is used"))
    return found


def _partner(label: str, by_stem: dict[str, Path], short: dict[str, str], suffixes: tuple[str, ...]) -> str | None:
    for candidate in (label, _strip(label, suffixes)):
        if candidate in by_stem:
            return candidate
        if candidate in short:
            return short[candidate]
    return None


def _strip(text: str, suffixes: Iterable[str]) -> str:
    endings = [s for s in suffixes if s and text.lower().endswith(s.lower()) and len(text) > len(s)]
    return text[: -max(map(len, endings))] if endings else text
