"""Write a prepared store in SAM-Med2D's layout, so that its own code can train and test on it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from samadapt.core.atomic import atomic_path, write_json
from samadapt.core.errors import DataError, RunFolderError
from samadapt.data.recipes.sammed2d import TEST, TRAIN

if TYPE_CHECKING:
    from samadapt.data.store import Store


@dataclass
class Written:
    """What `write_sammed2d` wrote.

    Attributes
    ----------
    images, masks : int
    skipped_small : int
        Components below `min_area_px`.
    image2label : dict
        Image path to mask paths of the training split, as in the JSON file.
    label2image : dict
        Mask path to image path of the test split.
    """

    images: int = 0
    masks: int = 0
    skipped_small: int = 0
    image2label: dict[str, list[str]] = field(default_factory=dict)
    label2image: dict[str, str] = field(default_factory=dict)


def write_sammed2d(
    store: Store,
    out: str | Path,
    train_splits: tuple[str, ...] = ("train",),
    test_splits: tuple[str, ...] = ("test",),
    min_area_px: int = 1,
) -> Written:
    """Write images, one binary mask an object, and the two JSON files.

    A class of semantic data is divided into its 8-connected components; an instance stays one object. Slices
    without objects are not written. Intensities are windowed to 0..255 with the case's window.

    Parameters
    ----------
    store : Store
    out : path
        New or empty folder. Paths in the JSON start with its name, as in SAM-Med2D's data_demo.
    train_splits, test_splits : tuple of str
        Splits that go to image2label_train.json and to label2image_test.json.
    min_area_px : int
        Smaller components are left out and counted.

    Returns
    -------
    Written

    Raises
    ------
    RunFolderError
        If `out` is not empty.
    DataError
        If no slice of these splits has an object.

    References
    ----------
    .. [1] Cheng et al. 2023, SAM-Med2D, arXiv:2308.16184; layout of github.com/OpenGVLab/SAM-Med2D,
       commit bfd2b93, data_demo.
    """
    folder = Path(out)
    if folder.exists() and any(folder.iterdir()):
        raise RunFolderError("the folder is not empty", where=folder, remedy="Choose a new folder.")
    written = Written()
    for split in (*train_splits, *test_splits):
        for case in store.split(split):
            _write_case(store, case, folder, split in train_splits, min_area_px, written)
    if not written.masks:
        raise DataError(f"no object in the splits {[*train_splits, *test_splits]}", where=store.path)
    write_json(folder / TRAIN, written.image2label)
    write_json(folder / TEST, written.label2image)
    return written


def _write_case(store: Store, case: int, folder: Path, train: bool, min_area_px: int, written: Written) -> None:
    record = store.cases[case]
    rows = _rows_by_slice(store, case)
    for z, numbers in rows.items():
        name = safe_name(f"{record.name}_{z}" if record.is_volume else record.name)
        masks = []
        counters: dict[str, int] = {}
        for kind, mask in _objects(store, numbers):
            if int(mask.sum()) < min_area_px:
                written.skipped_small += 1
                continue
            number = counters[kind] = counters.get(kind, -1) + 1
            masks.append(f"{name}_{kind}_{number:03d}.png")
            write_png(mask.astype(np.uint8) * 255, folder / "masks" / masks[-1])
        if masks:
            write_png(_display(store, case, z), folder / "images" / f"{name}.png")
            _note(written, folder.name, f"{name}.png", masks, train)


def _rows_by_slice(store: Store, case: int) -> dict[int, list[int]]:
    part = store.objects_of(case)
    rows: dict[int, list[int]] = {}
    for number in range(part.start, part.stop):
        rows.setdefault(int(store.objects["z"][number]), []).append(number)
    return rows


def _objects(store: Store, rows: list[int]) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    """Class name and mask of every object of a slice; classes of semantic data component by component."""
    from scipy import ndimage

    for row in rows:
        entry = store.objects[row]
        kind = safe_name(store.label_set[int(entry["label"])].name)
        mask = store.mask(row)
        if int(entry["value"]) != int(entry["label"]):
            yield kind, mask
            continue
        components, count = ndimage.label(mask, structure=np.ones((3, 3), dtype=bool))
        for number in range(1, count + 1):
            yield kind, components == number


def _display(store: Store, case: int, z: int) -> NDArray[np.uint8]:
    from samadapt.data.window import to_display

    image = store.image(case, z)
    shown: NDArray[np.uint8] = np.rint(to_display(image.pixels, image.window)).clip(0, 255).astype(np.uint8)
    return shown


def write_png(pixels: NDArray[Any], path: Path) -> None:
    """Write uint8 (H, W) or (H, W, 3) atomically."""
    from PIL import Image as Pillow

    with atomic_path(path) as temporary:
        Pillow.fromarray(pixels).save(temporary, format="PNG")


def _note(written: Written, root: str, image: str, masks: list[str], train: bool) -> None:
    image_path = f"{root}/images/{image}"
    mask_paths = [f"{root}/masks/{name}" for name in masks]
    written.images += 1
    written.masks += len(masks)
    if train:
        written.image2label[image_path] = mask_paths
    else:
        written.label2image |= dict.fromkeys(mask_paths, image_path)


def safe_name(text: str) -> str:
    """Text usable in a file name: other characters than letters, digits, dot and hyphen become "_"."""
    return re.sub(r"[^\w.\-]+", "_", text)
