"""Specialists for a store: the network, its input size and the intensities it is normalised with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from samadapt.adapt.semantic import SemanticHead
from samadapt.core.errors import CheckpointError, ConfigError
from samadapt.data.channels import channels_in
from samadapt.data.store import Store
from samadapt.models.preprocess import Preprocessing
from samadapt.models.specialists import Plan, untrained
from samadapt.train.config import SpecialistConfig, TrainConfig
from samadapt.train.pictures import StorePictures, split_rows
from samadapt.train.planes import seen
from samadapt.train.validate import spaced

if TYPE_CHECKING:
    from torch import Tensor

    from samadapt.models.specialists import Specialist

SMALLEST, LARGEST, STEP = 64, 512, 32
"""Bounds and steps of the input size that a store suggests, in pixels."""

SAMPLES = 64
"""Slices whose intensities are measured."""


def new_specialist(config: TrainConfig, store: Store | None) -> Specialist:
    """Untrained specialist for a store and a task, with its head if the task is semantic.

    Raises
    ------
    ConfigError
        If there is no store, or the task is neither semantic nor box.
    CheckpointError
        If backbone weights do not fit.
    """
    task = config.task.task
    if store is None or task not in ("semantic", "box"):
        raise ConfigError(
            "a specialist learns classes (task semantic) or the object in a box (task box) of a prepared store",
            where=f"model {config.model}, task {task}",
        )
    settings = config.specialist
    plan = Plan(
        network=config.model,
        outputs=len(store.label_set) + 1 if task == "semantic" else 1,
        inputs=3 if task == "semantic" else 4,
        image_size=config.image_size or suggested_size(store),
        width=settings.width,
        depth=settings.depth,
        backbone=settings.backbone,
    )
    _require_pairs(config)
    if len(config.channels) > 3:
        raise ConfigError("a specialist looks at three channels", where="channels", remedy="Name three of them.")
    rows = split_rows(store, config.train_split, config.train_fraction, config.seed)
    channels = channels_in(store, config.channels)
    mean, std = intensities(StorePictures(store, rows, config.context, channels))
    preprocessing = Preprocessing("specialist", plan.image_size, "longest", "bilinear", mean=mean, std=std)
    model = untrained(plan, preprocessing, seed=config.seed)
    if task == "semantic":
        model.head = SemanticHead(store.label_set, **seen(config, store))
    if settings.weights is not None:
        load_backbone(model, settings)
    return model


def suggested_size(store: Store) -> int:
    """Median of the images' longest sides, up to the next multiple of 32 within 64 and 512 pixels."""
    sides = sorted(max(case.shape[1:3]) for case in store.cases)
    return min(max(-(-sides[len(sides) // 2] // STEP) * STEP, SMALLEST), LARGEST)


def intensities(pictures: StorePictures) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Mean and standard deviation of each channel of evenly spaced slices, on the display scale 0 to 255.

    Parameters
    ----------
    pictures : StorePictures

    Returns
    -------
    tuple of 3 float
        Mean.
    tuple of 3 float
        Standard deviation, at least 1.
    """
    moments = np.zeros((2, 3))
    chosen = spaced(range(len(pictures)), SAMPLES)
    for item in chosen:
        _, display, _ = pictures.labels(item)
        pixels = display.reshape(-1, 3).astype(np.float64)
        moments += np.stack([pixels.mean(0), np.square(pixels).mean(0)])
    mean, square = moments / max(len(chosen), 1)
    return _triple(mean), _triple(np.sqrt(np.maximum(square - mean**2, 1.0)))


def load_backbone(model: Specialist, settings: SpecialistConfig) -> None:
    """Put ImageNet weights of a ResNet into DeepLabV3+, in place; a channel for the box starts at zero.

    Raises
    ------
    ConfigError
        If the network has no backbone.
    CheckpointError
        If tensors are missing or of another shape.
    """
    import torch

    from samadapt.models.read import read_tensors

    if model.plan.network != "deeplabv3plus" or settings.weights is None:
        raise ConfigError("only deeplabv3plus has a backbone to load weights into", where="specialist.weights")
    state = {name: value for name, value in read_tensors(Path(settings.weights)).items() if not name.startswith("fc.")}
    stem = state.get("conv1.weight")
    if stem is not None and stem.shape[1] < model.plan.inputs:
        blank = stem.new_zeros(stem.shape[0], model.plan.inputs - stem.shape[1], *stem.shape[2:])
        state["conv1.weight"] = torch.cat([stem, blank], dim=1)
    _load(model, state, settings)


def _load(model: Specialist, state: Mapping[str, Tensor], settings: SpecialistConfig) -> None:
    try:
        model.sam.backbone.load_state_dict(dict(state))
    except RuntimeError as error:
        raise CheckpointError(
            f"not the weights of a {settings.backbone}: {str(error).splitlines()[-1].strip()}",
            where=settings.weights,
            remedy="Give the file of torchvision's model of that name.",
        ) from error


def _require_pairs(config: TrainConfig) -> None:
    """Batch norm cannot learn from one image at a time."""
    if config.model == "deeplabv3plus" and config.batch_size < 2 * config.devices:
        raise ConfigError(
            "deeplabv3plus needs at least two images in every forward pass of every process",
            where="batch_size",
            remedy=f"Set batch_size to {2 * config.devices} or more.",
        )


def _triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    first, second, third = (round(float(value), 4) for value in values)
    return first, second, third
