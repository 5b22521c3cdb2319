"""`auto`: images in; a JSON file, a label map and a picture of each out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from samadapt.config import load_config
from samadapt.core.atomic import write_json
from samadapt.core.colors import color_of
from samadapt.core.errors import DataError, RunFolderError, ShapeMismatch
from samadapt.core.grid import Grid
from samadapt.core.image import Image, LabelMap
from samadapt.core.progress import progress
from samadapt.infer.automatic.generate import masks_of, options_for, pixels_of
from samadapt.infer.automatic.masks import AutomaticMask
from samadapt.infer.automatic.options import AutoConfig, MaskOptions
from samadapt.infer.opening import open_for, slice_of

if TYPE_CHECKING:
    from samadapt.models.promptable import SamPromptable

_SHARE = 0.4
"""Of the colour of a mask in the picture."""


@dataclass(frozen=True)
class Found:
    """What was found in one image.

    Attributes
    ----------
    source, out : str
        `out` is the JSON file.
    masks : int
    covered : float
        Share of the image that is in at least one mask.
    """

    source: str
    out: str
    masks: int
    covered: float


def auto(config: AutoConfig | None = None, **fields: Any) -> list[Found]:
    """Find everything in one image, or in every image of a folder.

    Parameters
    ----------
    config : AutoConfig, optional
        Or its fields as keywords.

    Returns
    -------
    list of Found
        One for each image done; in a folder, those done before are skipped unless `overwrite`.

    Raises
    ------
    RunFolderError
        If the output of a single image exists and `overwrite` is false, or two images would share one.
    PromptError
        If the model is prompt-free, or no slice of a volume is named.
    DataError
        If a folder holds no images.
    """
    from samadapt.adapt.load import load_model
    from samadapt.models.device import choose_device

    config = config or load_config(AutoConfig, values=fields)
    outputs = _outputs(config)
    model = load_model(config.model, config.image_size, config.adapter, channels=config.channels)
    model = model.to(choose_device(config.device)).eval()
    done = []
    with progress("looking", len(outputs)) as advance:
        for out, source in outputs.items():
            if config.overwrite or not out.exists():
                done.append(_auto_file(model, source, out, config))
            advance()
    return done


def _outputs(config: AutoConfig) -> dict[Path, Path]:
    """Source of each JSON file."""
    from samadapt.io import find_images, is_series

    folder = config.source.is_dir() and not is_series(config.source)
    sources = find_images(config.source) if folder else [config.source]
    if not sources:
        raise DataError("there is no image in this folder", where=config.source)
    found: dict[Path, Path] = {}
    for source in sources:
        out = config.out / f"{_stem(source)}.json"
        if out in found:
            raise RunFolderError(
                f"{found[out].name} and {source.name} would both be written to {out.name}",
                where=config.source,
                remedy="Rename one of them.",
            )
        found[out] = source
    if not folder and out.exists() and not config.overwrite:
        raise RunFolderError("the output file exists", where=out, remedy="Add --overwrite, or choose another --out.")
    return found


def _stem(source: Path) -> str:
    return source.name.removesuffix(".gz").removesuffix(".nii") if source.name.endswith(".nii.gz") else source.stem


def _auto_file(model: SamPromptable, source: Path, out: Path, config: AutoConfig) -> Found:
    from samadapt import io

    opened = open_for(model, source, config.modality, config.window)
    image = opened if isinstance(opened, Image) else slice_of(opened, config.slice)
    options = options_for(model, MaskOptions(**config.model_dump(include=set(MaskOptions.model_fields))))
    pixels = pixels_of(model, image)
    masks = masks_of(model, pixels, options)
    labels = label_map(masks, image.shape)
    if config.pictures:
        drawn = overlay(pixels[..., :3].round().astype(np.uint8), labels)
        io.save_label(LabelMap(labels, image.grid), out.with_suffix(".labels.png"))
        io.save_image(Image(drawn, Grid.from_spacing(image.shape, (1.0, 1.0))), out.with_suffix(".overlay.png"))
    height, width = image.shape
    about = {"file_name": source.name, "height": height, "width": width}
    about |= {} if isinstance(opened, Image) else {"slice": config.slice}
    made = {"model": config.model, "adapter": None if config.adapter is None else str(config.adapter)}
    records = [mask.as_record(compressed=config.compressed) for mask in masks]
    write_json(out, {"image": about, **made, "options": options.model_dump(), "annotations": records})
    return Found(str(source), str(out), len(masks), float((labels > 0).mean()))


def label_map(masks: list[AutomaticMask], hw: tuple[int, int]) -> NDArray[np.uint16]:
    """Numbers 1, 2, ... of the masks in their order, small masks on top of large ones.

    Parameters
    ----------
    masks : list of AutomaticMask
    hw : tuple of int
        (H, W) of their image.

    Returns
    -------
    ndarray of shape (H, W), uint16

    Raises
    ------
    ShapeMismatch
        If a mask is of another size.
    """
    values = np.zeros(hw, dtype=np.uint16)
    for number, found in sorted(enumerate(masks, start=1), key=lambda item: -item[1].area):
        if found.rle.shape != hw:
            raise ShapeMismatch(f"a mask of {found.rle.shape} pixels is not of this image of {hw}")
        values[found.mask] = number
    return values


def overlay(pixels: NDArray[np.uint8], labels: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Labels in colour on a picture, their borders in full colour.

    Parameters
    ----------
    pixels : ndarray of shape (H, W, 3), uint8
    labels : ndarray of shape (H, W), uint16

    Returns
    -------
    ndarray of shape (H, W, 3), uint8
    """
    table = np.array([(0, 0, 0), *(color_of(label) for label in range(1, int(labels.max()) + 1))], dtype=np.float32)
    around = np.pad(labels, 1, mode="edge")
    shifted = (around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:])
    border = np.any([labels != other for other in shifted], axis=0)
    share = np.where(labels > 0, np.where(border, 1.0, _SHARE), 0.0)[..., None]
    mixed: NDArray[np.uint8] = (pixels * (1 - share) + table[labels] * share).round().astype(np.uint8)
    return mixed
