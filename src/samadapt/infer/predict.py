"""`predict`: files in, label maps on the same grid out."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from samadapt.config import load_config
from samadapt.core.errors import PromptError, RunFolderError
from samadapt.core.grid import Grid
from samadapt.core.image import Image, LabelMap, Volume
from samadapt.core.prediction import Prediction
from samadapt.core.progress import progress
from samadapt.core.prompts import Box, Points
from samadapt.data.tiling import Tiling
from samadapt.infer.config import PredictConfig
from samadapt.infer.opening import open_for, slice_of
from samadapt.infer.predictor import Predictor
from samadapt.infer.propagate import propagate
from samadapt.infer.semantic import require_head, segment, slice_count

if TYPE_CHECKING:
    from samadapt.models.promptable import SamPromptable


@dataclass(frozen=True)
class Predicted:
    """One written file.

    Attributes
    ----------
    source, out : str
    labels : dict of int to str
        Names of the values in the file.
    pixels : dict of int to int
        How many pixels or voxels each value has.
    scores : tuple of float
        Predicted IoU of each prompted object; empty for a prompt-free model.
    """

    source: str
    out: str
    labels: dict[int, str]
    pixels: dict[int, int]
    scores: tuple[float, ...]


def predict(config: PredictConfig | None = None, **fields: Any) -> list[Predicted]:
    """Segment one file, the DICOM series of a folder, or every image of a folder.

    Parameters
    ----------
    config : PredictConfig, optional
        Or its fields as keywords.

    Returns
    -------
    list of Predicted
        One for each file written; files that were there already are skipped unless `overwrite`.

    Raises
    ------
    PromptError
        If prompts are missing, outside the image, or given to a prompt-free model.
    RunFolderError
        If the output file exists and `overwrite` is false.
    """
    from samadapt.adapt.load import load_model
    from samadapt.io import find_images, is_series
    from samadapt.models.device import choose_device
    from samadapt.models.hq import choose_token

    config = config or load_config(PredictConfig, values=fields)
    folder = config.source.is_dir() and not is_series(config.source)
    sources = find_images(config.source) if folder else []
    _check_output(config, folder)
    model = load_model(config.model, config.image_size, config.adapter, channels=config.channels)
    model = model.to(choose_device(config.device)).eval()
    choose_token(model, config.hq_token_only)
    if not folder:
        return [_predict_file(model, config.source, config.out, config, slices=True)]
    done = []
    with progress("predicting", len(sources)) as advance:
        for source in sources:
            out = config.out / _output_name(source)
            if config.overwrite or not out.exists():
                done.append(_predict_file(model, source, out, config))
            advance()
    return done


def _check_output(config: PredictConfig, folder: bool) -> None:
    if folder and config.out.is_file():
        raise RunFolderError("the source is a folder, so --out must be one too", where=config.out)
    if not folder and config.out.exists() and not config.overwrite:
        raise RunFolderError(
            "the output file exists", where=config.out, remedy="Add --overwrite, or choose another --out."
        )


def _output_name(source: Path) -> str:
    if source.name.endswith((".nii", ".nii.gz")):
        return source.name.removesuffix(".gz").removesuffix(".nii") + ".nii.gz"
    if source.suffix in (".nrrd", ".mha"):
        return source.name
    return source.stem + ".png"


def _predict_file(
    model: SamPromptable, source: Path, out: Path, config: PredictConfig, *, slices: bool = False
) -> Predicted:
    """One file; tells of the slices of a volume if asked."""
    from samadapt import io

    image = open_for(model, source, config.modality, config.window)
    if model.head is not None:
        labels, names, scores = _semantic(model, image, config, slices)
    else:
        labels, names, scores = _prompted(model, image, config)
    io.save_label(labels, out)
    values, counts = np.unique(labels.values[labels.values > 0], return_counts=True)
    pixels = {int(v): int(n) for v, n in zip(values, counts)}
    return Predicted(str(source), str(out), names, pixels, scores)


def _semantic(
    model: SamPromptable, image: Image | Volume, config: PredictConfig, slices: bool
) -> tuple[LabelMap, dict[int, str], tuple[float, ...]]:
    head = require_head(model)
    if config.box or config.point:
        raise PromptError("this model is prompt-free and takes no box or point", where=config.model)
    if isinstance(image, Image) and config.tile_px is not None:
        return _segment_tiles(model, image, config), head.label_set.names, ()
    if isinstance(image, Volume) and slices:
        with progress("predicting slices", slice_count(model, image)) as advance:
            return segment(model, image, batch_size=config.batch_size, progress=advance), head.label_set.names, ()
    return segment(model, image, batch_size=config.batch_size), head.label_set.names, ()


def _segment_tiles(model: SamPromptable, image: Image, config: PredictConfig) -> LabelMap:
    """Labels of a picture tile by tile; every pixel is taken from the tile whose border is farthest."""
    tiling = Tiling(*image.shape, config.tile_px or max(image.shape), config.overlap_px)
    parts = []
    for tile in tiling:
        pixels = image.pixels[tile.y0 : tile.y1, tile.x0 : tile.x1]
        grid = Grid.from_spacing(pixels.shape[:2], image.grid.spacing_mm)
        parts.append(segment(model, dataclasses.replace(image, pixels=pixels, grid=grid)).values)
    return LabelMap(tiling.join(parts), image.grid, source=image.source)


def _prompted(
    model: SamPromptable, image: Image | Volume, config: PredictConfig
) -> tuple[LabelMap, dict[int, str], tuple[float, ...]]:
    objects = parse_prompts(config.box, config.point)
    target, volume = (image, None) if isinstance(image, Image) else (slice_of(image, config.slice), image)
    predictor = Predictor(model).set_image(target)
    values = np.zeros(image.shape, dtype=np.uint16)
    scores = []
    for number, (box, points) in enumerate(objects, start=1):
        given: dict[str, Any] = {"box": None if box is None else box.xyxy}
        given |= {} if points is None else {"points": points.xy, "point_labels": points.labels}
        answer = _asked(predictor, given, image.source)
        scores.append(answer.score)
        if volume is None:
            values[answer.mask] = number
        else:
            _write_volume(model, volume, answer.mask, number, values, config)
    names = {number: f"object {number}" for number in range(1, len(objects) + 1)}
    if volume is None:
        return LabelMap(values, image.grid, source=image.source), names, tuple(scores)
    return LabelMap(values, volume.grid, volume.orientation, volume.source), names, tuple(scores)


def _asked(predictor: Predictor, given: dict[str, Any], source: str) -> Prediction:
    """The answer, or an error that names the image."""
    try:
        return predictor.predict(**given)
    except PromptError as error:
        raise PromptError(error.what, where=error.where or source, remedy=error.remedy) from error


def _write_volume(
    model: SamPromptable,
    volume: Volume,
    mask: NDArray[np.bool_],
    number: int,
    values: NDArray[np.uint16],
    config: PredictConfig,
) -> None:
    start = int(config.slice or 0)
    for z, slice_mask in _carried(model, volume, start, mask, config).items():
        values[z][slice_mask] = number


def _carried(
    model: SamPromptable, volume: Volume, start: int, mask: NDArray[np.bool_], config: PredictConfig
) -> dict[int, NDArray[np.bool_]]:
    if not (config.propagate and mask.any()):
        return {start: mask}
    if not (config.memory and model.memory):
        return propagate(model, volume, start, mask)
    from samadapt.infer.memory import track

    return track(model, volume, {start: mask})


def parse_prompts(boxes: tuple[str, ...], points: tuple[str, ...]) -> list[tuple[Box | None, Points | None]]:
    """Objects from ``x0,y0,x1,y1`` and ``x,y,+`` texts: each box is one object; clicks belong to it if there is one.

    Raises
    ------
    PromptError
        If nothing was given, a text cannot be read, or clicks come with several boxes.
    """
    clicks = _parse_points(points) if points else None
    found = [Box.from_array(_numbers(text, 4, "box", "x0,y0,x1,y1")) for text in boxes]
    if not found and clicks is None:
        raise PromptError(
            "this model needs to be told what to segment",
            remedy="Add --box x0,y0,x1,y1 or --point x,y,+, or use a prompt-free adapter.",
        )
    if len(found) > 1 and clicks is not None:
        raise PromptError("clicks with several boxes are ambiguous", remedy="Give one box with its clicks at a time.")
    return [(box, clicks) for box in found] or [(None, clicks)]


def _parse_points(texts: tuple[str, ...]) -> Points:
    rows = []
    for text in texts:
        *xy, sign = text.split(",")
        if sign.strip() not in ("+", "-"):
            raise PromptError(
                f"cannot read the point {text!r}", remedy="A point is x,y,+ (on the object) or x,y,- (off it)."
            )
        rows.append((*_numbers(",".join(xy), 2, "point", "x,y,+ or x,y,-"), sign.strip() == "+"))
    array = np.array(rows, dtype=np.float32)
    return Points(array[:, :2], array[:, 2].astype(np.int64))


def _numbers(text: str, count: int, name: str, form: str) -> list[float]:
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        raise PromptError(
            f"cannot read {text!r}: a {name} is {form}", where=name, remedy="Give pixels of the original image."
        )
    return numbers
