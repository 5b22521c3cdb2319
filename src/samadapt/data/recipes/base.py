"""What every dataset recipe hands over: cases that can be loaded, their labels, and what was left out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import DataError
from samadapt.core.image import Image, LabelMap, LabelSet, Volume


@dataclass(frozen=True)
class RecipeInfo:
    """Where a dataset comes from and under which terms.

    Attributes
    ----------
    name : str
        Key in the registry.
    title, licence, citation, url : str
        For reports; `citation` has a DOI or arXiv number where one exists.
    how_to_get : str
        What a person does to obtain the files, and the folder layout the recipe then reads.
    modality : str
        "CT", "MR", "RGB", "infrared", ... or "" where it differs by case.
    """

    name: str
    title: str
    licence: str
    citation: str
    url: str
    how_to_get: str
    modality: str = ""


@dataclass(frozen=True, eq=False)
class ObjectMask:
    """One object of a 2-D image; objects may overlap.

    Attributes
    ----------
    mask : ndarray of shape (H, W), bool
    label : int
        Value in the label set.
    """

    mask: NDArray[np.bool_]
    label: int


Objects = list[ObjectMask]


@dataclass(frozen=True, eq=False)
class LoadedCase:
    """An image with its annotation, on one grid.

    Attributes
    ----------
    image : Image or Volume
    label : LabelMap or list of ObjectMask
        A list where objects are instances or overlap (2-D only).
    window : tuple of float or None
        (low, high) intensities that become 0 and 255 where the dataset's protocol fixes them; it holds unless
        another window is asked for.
    """

    image: Image | Volume
    label: LabelMap | Objects
    window: tuple[float, float] | None = None


@dataclass(frozen=True)
class CaseSource:
    """One case that can be read later, in another process too (it pickles).

    Attributes
    ----------
    name : str
        Unique within the dataset.
    patient : str
        Cases with the same patient (or scene) must stay in one split.
    split : str or None
        "train", "val" or "test" where the dataset fixes it.
    modality : str
        "" where only the file tells.
    loader : callable
        Without arguments; returns the `LoadedCase`.
    files : tuple of Path
        Everything the loader reads, image first.
    """

    name: str
    patient: str
    split: str | None
    modality: str
    loader: Callable[[], LoadedCase] = field(repr=False, compare=False)
    files: tuple[Path, ...] = ()

    def load(self) -> LoadedCase:
        """Read image and label.

        Raises
        ------
        SamadaptError
            `FileFormatError`, `GridMismatch`, `LabelError`, ...: naming the file and the remedy.
        """
        return self.loader()


Exclusion = tuple[str, str]
"""(file or case, why it is left out)."""


@dataclass(frozen=True)
class Found:
    """Result of `Recipe.find`.

    Attributes
    ----------
    cases : list of CaseSource
        Ordered by name.
    label_set : LabelSet
    exclusions : list of (str, str)
        Every file or case that was seen and not used, with the reason.
    """

    cases: list[CaseSource]
    label_set: LabelSet
    exclusions: list[Exclusion] = field(default_factory=list)


class Recipe(Protocol):
    """How one dataset's files become cases."""

    info: ClassVar[RecipeInfo]

    def matches(self, source: Path) -> bool:
        """True if the folder has this dataset's layout; looks at names only, except for small JSON headers."""

    def find(self, source: Path, **options: Any) -> Found:
        """List the cases below `source`.

        Raises
        ------
        DataError
            If there is no usable case.
        ConfigError
            If an option is unknown or has a bad value.
        """


def require_folder(source: Path) -> Path:
    """Return `source` as a Path, or raise `DataError` if it is no folder."""
    source = Path(source)
    if not source.is_dir():
        raise DataError("the dataset folder does not exist", where=source, remedy="Check the path (source=...).")
    return source


def require_cases(found: Found, source: Path, expected: str) -> Found:
    """Return `found`, or raise `DataError` that repeats the exclusions if it has no case."""
    if found.cases:
        return found
    seen = "; ".join(f"{name}: {reason}" for name, reason in found.exclusions[:5])
    raise DataError(
        "no image with a label was found" + (f" ({seen})" if seen else ""), where=source, remedy=f"Expected {expected}."
    )
