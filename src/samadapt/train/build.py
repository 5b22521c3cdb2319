"""From a configuration to the parts of a run: model, samples, step, optimiser, validator."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from samadapt import models
from samadapt.adapt.adaptation import assert_trainable
from samadapt.adapt.config import FullConfig
from samadapt.adapt.load import load_model
from samadapt.adapt.methods import inject
from samadapt.adapt.semantic import add_head
from samadapt.core.errors import ConfigError
from samadapt.data.channels import Channels, channels_in, require_shown
from samadapt.data.store import Store
from samadapt.models import SamPromptable, preprocess
from samadapt.models.architecture import KNOWN, Architecture
from samadapt.models.specialists import NAMES as SPECIALISTS
from samadapt.models.stem import choose_channels, describe_channels
from samadapt.train.answer import begin_answer
from samadapt.train.config import NEW, SYNTHETIC, AugmentConfig, InteractiveTask, SemanticTask, TrainConfig
from samadapt.train.coverage import require_labelled
from samadapt.train.embeddings import Embeddings, hindrance, open_folder
from samadapt.train.fast_encoder import halve_frozen, quicken
from samadapt.train.key_bias import silence_key_biases
from samadapt.train.order import Order, slice_weights
from samadapt.train.pictures import Pictures, ScenePictures, StorePictures, labels_by_slice, split_rows
from samadapt.train.planes import in_planes, pictures_of, seen
from samadapt.train.samples import ObjectSamples, Prepare, SemanticSamples, Zoom
from samadapt.train.schedule import FACTOR
from samadapt.train.specialist import new_specialist
from samadapt.train.steps import BoxStep, InteractiveStep, SemanticStep, Step, make_step
from samadapt.train.validate import ObjectValidator, SemanticValidator, Validator, chosen_rows, filled_rows

ZOOM_SHARE = 0.65
"""Share of closely shown objects in training a model that looks closer."""
ZOOM = 2.0
"""How closely a model looks that only learnt it in training: side of the square, in boxes."""
PUBLISHED = {"lora": (5e-3, 0.1), NEW: (1e-3, 0.05)} | dict.fromkeys(SPECIALISTS, (1e-3, 4e-5))
"""Learning rate and weight decay by method, or by kind of a model made from nothing; (1e-4, 0.01) for all others."""


@dataclass(frozen=True)
class Parts:
    """Everything a loop works with.

    Attributes
    ----------
    model : SamPromptable
    step : module whose forward is one step
    samples : Dataset
        By ticket.
    order : Order
    validator : Validator or None
        None where there is nothing to validate on.
    context : dict
        What must be known to use the adapter, JSON-ready.
    """

    model: SamPromptable
    step: Step
    samples: SemanticSamples | ObjectSamples
    order: Order
    validator: Validator | None
    context: dict[str, Any]

    @property
    def encoded(self) -> list[SemanticSamples | ObjectSamples]:
        """All samples, of training and validation."""
        return [self.samples, *([] if self.validator is None else [self.validator.samples])]


def build(config: TrainConfig, device: torch.device) -> Parts:
    """Parts of a run, on `device`.

    Raises
    ------
    ConfigError, DataError, StoreError, CheckpointError
        If something does not exist or does not fit.
    """
    store = None if config.data == SYNTHETIC else Store.open(config.data)
    model = _model(config, store).to(device)
    pictures = _pictures(config, store, model.channels)
    bf16 = uses_bf16(config, device)
    quicken(model.encoder_parts[0])
    if bf16:
        halve_frozen(model.encoder_parts[0])
    silence_key_biases(model)
    step = make_step(model, config.task, bf16=bf16).train()
    folder = _embeddings(config, step, store)
    samples = _samples(config, pictures, model, folder)
    views = 1 if store is not None else config.synthetic.views
    order = Order(len(pictures), config.batch_size, config.seed, _weights(config, store, pictures), views)
    if isinstance(step, SemanticStep) and isinstance(samples, SemanticSamples):
        begin_answer(step, samples, order)
    validator = _validator(config, step, store, device, folder)
    return Parts(model, step, samples, order, validator, _context(config, store, model))


def build_optimizer(config: TrainConfig, model: SamPromptable) -> torch.optim.Optimizer:
    """AdamW or Adam over exactly the parameters that learn."""
    groups = _groups(config, model)
    kind = config.model if config.model in (NEW, *SPECIALISTS) else config.method.method
    lr, decay = PUBLISHED.get(kind, (1e-4, 0.01))
    settings = config.optimizer
    rule = torch.optim.Adam if settings.rule == "adam" else torch.optim.AdamW
    optimizer = rule(
        groups,
        lr=settings.lr if settings.lr is not None else lr,
        weight_decay=settings.weight_decay if settings.weight_decay is not None else decay,
        betas=(settings.beta1, settings.beta2),
        fused=model.device.type in ("cpu", "cuda"),
    )
    assert_trainable(model, optimizer)
    return optimizer


def _groups(config: TrainConfig, model: SamPromptable) -> list[dict[str, Any]]:
    """Parameters that learn, those of the image encoder by themselves where they learn at a lower rate."""
    learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
    factor = config.optimizer.encoder_factor
    if factor == 1:
        return [{"params": learning}]
    if config.model in (NEW, *SPECIALISTS) or config.method.method != "full":
        raise ConfigError(
            "no weights of a loaded image encoder learn",
            where="optimizer.encoder_factor",
            remedy="Use it with a model that is loaded and method=full, or leave it at 1.",
        )
    encoder = {id(parameter) for parameter in model.sam.vision_encoder.parameters()}
    slow = [parameter for parameter in learning if id(parameter) in encoder]
    fast = [parameter for parameter in learning if id(parameter) not in encoder]
    return [{"params": fast, FACTOR: 1.0}, {"params": slow, FACTOR: factor}]


def uses_bf16(config: TrainConfig, device: torch.device) -> bool:
    """Whether the image encoder computes in bfloat16."""
    if config.precision != "auto":
        return config.precision == "bf16"
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and cpu_has_bf16()


def cpu_has_bf16() -> bool:
    """True on processors with bfloat16 arithmetic (AVX512_BF16 or AMX)."""
    checks = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(check is not None and check() for check in checks)


def _choose_channels(config: TrainConfig, store: Store, model: SamPromptable) -> None:
    """Show the model the named channels of the store, once it is known that every case has them.

    Raises
    ------
    ConfigError
        If a case lacks a named channel, or has more than three and none is named.
    """
    channels = channels_in(store, config.channels or model.channels.names)
    for split in (config.train_split, config.validation_split):
        require_shown(store, store.split(split), channels)
    statistics = {"mean": config.stem.mean, "std": config.stem.std}
    choose_channels(model, channels, further=config.stem.further, statistics=statistics)


def _model(config: TrainConfig, store: Store | None) -> SamPromptable:
    model = _base(config, store)
    if config.preprocessing is not None:
        model.preprocessing = preprocess.get(config.preprocessing).fitted(model.image_size, model.inputs)
    if store is not None:
        _choose_channels(config, store, model)
    if isinstance(config.task, SemanticTask) and store is not None:
        if model.head is None:
            task = config.task
            add_head(model, store.label_set, detail=task.detail, decoder=task.decoder, seed=config.seed)
        model.head = replace(model.head, **seen(config, store))
    method = config.method
    if config.model == NEW:
        method = FullConfig(train_prompt_encoder=True)
    inject(model, method, seed=config.seed)
    if config.gradient_checkpointing:
        model.checkpoint_encoder(True)
    return model


def _base(config: TrainConfig, store: Store | None) -> SamPromptable:
    if config.model in SPECIALISTS:
        return new_specialist(config, store)
    return _new(config) if config.model == NEW else load_model(config.model, config.image_size)


def _new(config: TrainConfig) -> SamPromptable:
    new = config.new
    if not isinstance(config.method, FullConfig):
        raise ConfigError("a new model has nothing to adapt", where="method", remedy="Set method.method=full.")
    if new.network not in KNOWN:
        raise ConfigError(f"no network is called {new.network!r}", where="new.network", remedy=f"Known: {list(KNOWN)}.")
    inputs = {"inputs": len(config.channels)} if config.channels else {}
    try:
        network: Architecture = replace(KNOWN[new.network], **inputs | new.fields)  # type: ignore[arg-type]
    except TypeError as error:
        raise ConfigError(f"not a field of a network ({error})", where="new.fields") from error
    return models.fresh(
        network, image_size=config.image_size, preprocessing=new.preprocessing, seed=config.seed, name=new.name
    )


def _pictures(config: TrainConfig, store: Store | None, channels: Channels) -> StorePictures | ScenePictures:
    if store is None:
        synthetic = config.synthetic
        return ScenePictures(synthetic.epoch_scenes, config.seed, synthetic.size, outlined=synthetic.outlined)
    rows = split_rows(store, config.train_split, config.train_fraction, config.seed)
    require_labelled(store, config.train_split, rows)
    if in_planes(config):
        return pictures_of(config, channels)
    if not isinstance(config.task, SemanticTask):
        rows = rows[np.isin(rows, np.unique(store.objects["slice"]))]
    return StorePictures(store, rows, config.context, channels)


def _embeddings(config: TrainConfig, step: Step, store: Store | None) -> Path | None:
    """Folder of kept embeddings; where they could be kept, the step gives those that would be."""
    refusal = hindrance(config, encoder_learns=step.encoder_learns, zoom_share=zoom_share(config, step.model))
    step.apart = refusal is None
    if config.cache_embeddings is None:
        return None
    if refusal is not None:
        raise refusal
    assert store is not None
    return open_folder(config, step.model, store, bf16=step.bf16)


def _samples(
    config: TrainConfig, pictures: Pictures, model: SamPromptable, folder: Path | None, *, validation: bool = False
) -> SemanticSamples | ObjectSamples:
    task, size = config.task, model.image_size
    sides = isinstance(pictures, StorePictures) and pictures.store.label_set.has_sides
    augment = AugmentConfig(policy="none") if validation else config.augment
    at_mask = not isinstance(task, SemanticTask) and task.loss_size == "mask" and not validation
    resolution = model.head.resolution(model) if model.head is not None else model.mask_size if at_mask else size
    kept = None
    if folder is not None and isinstance(pictures, StorePictures):
        kept = Embeddings(folder, pictures.rows, with_pixels=model.detail is not None)
    prepare = Prepare(model.preprocessing, augment, sides, config.seed, resolution, kept)
    if isinstance(task, SemanticTask):
        assert isinstance(pictures, StorePictures)
        return SemanticSamples(pictures, prepare)
    jitter = 0 if validation else round(task.jitter_px * size / 1024)
    zoom = Zoom(zoom_share(config, model), task.zoom_least, task.zoom_most)
    if not isinstance(task, InteractiveTask):
        return ObjectSamples(pictures, prepare, 1, jitter, zoom=zoom)
    sam = task.protocol == "sam"
    most_points = task.first_points if sam and not validation else 1
    style: Literal["sam", "sammed2d"] = "sam" if sam else "sammed2d"
    return ObjectSamples(
        pictures, prepare, task.objects, jitter, task.box_share, zoom, style, most_points, task.tight_share
    )


def zoom_share(config: TrainConfig, model: SamPromptable) -> float:
    """Share of samples that show one object closely; by default as the model is used.

    Raises
    ------
    ConfigError
        If a new model is never shown an object closely although its preprocessing will.
    """
    task = config.task
    if isinstance(task, SemanticTask):
        return 0.0
    share = task.zoom_share if task.zoom_share is not None else ZOOM_SHARE if model.zoom else 0.0
    if config.model == NEW and model.zoom and not share:
        raise ConfigError(
            f"with the preprocessing {model.preprocessing.name!r} a model looks closer at what it is asked about, "
            "which this one would never have seen",
            where="task.zoom_share",
            remedy="Choose a share above 0, or another new.preprocessing.",
        )
    return share


def _weights(config: TrainConfig, store: Store | None, pictures: Pictures) -> Any:
    balance = config.balance
    if store is None or not isinstance(pictures, StorePictures):
        return None
    if balance.foreground_share is None and balance.rare == 0:
        return None
    return slice_weights(labels_by_slice(pictures.store, pictures.rows), balance.foreground_share, balance.rare)


def _validator(
    config: TrainConfig, step: Step, store: Store | None, device: torch.device, folder: Path | None
) -> Validator | None:
    limits = config.validation
    if store is None:
        scenes = ScenePictures(config.synthetic.validation_scenes, config.seed, config.synthetic.size, "validation")
        return _object_validator(config, scenes, step, device, None, keep=True)
    choose = chosen_rows if isinstance(step, SemanticStep) else filled_rows
    everything = StorePictures(store, np.zeros(0, np.int64), config.context, step.model.channels)
    pictures = choose(everything, config.validation_split, limits.max_cases, limits.max_slices)
    if not len(pictures):
        return None
    if not isinstance(step, SemanticStep):
        return _object_validator(config, pictures, step, device, folder)
    samples = _samples(config, pictures, step.model, folder, validation=True)
    assert isinstance(samples, SemanticSamples)
    return SemanticValidator(step, samples, device)


def _object_validator(
    config: TrainConfig,
    pictures: Pictures,
    step: Step,
    device: torch.device,
    folder: Path | None,
    *,
    keep: bool = False,
) -> ObjectValidator:
    """Boxes and clicks as a person gives them, whatever the protocol of training."""
    samples = _samples(config, pictures, step.model, folder, validation=True)
    assert isinstance(samples, ObjectSamples)
    if isinstance(step, BoxStep):
        return ObjectValidator(step, samples, device, keep=keep)
    assert isinstance(config.task, InteractiveTask)
    asked = InteractiveStep(step.model, config.task, bf16=step.bf16)
    asked.apart = step.apart
    return ObjectValidator(asked, samples, device, keep=keep)


def _context(config: TrainConfig, store: Store | None, model: SamPromptable) -> dict[str, Any]:
    context: dict[str, Any] = {"context": config.context, "task": config.task.task}
    if model.head is not None:
        context |= model.head.facts()
    if not isinstance(config.task, SemanticTask):
        context["zoom"] = (model.zoom or ZOOM) if zoom_share(config, model) else 0.0
    if store is not None:
        windows = {tuple(record.window) if record.window else None for record in store.cases[:64]}
        alike = len(windows) == 1 and not (model.channels and any(c.channel_windows for c in store.cases[:64]))
        context["window"] = list(next(iter(windows)) or ()) or None if alike else "per case"
        modalities = {record.modality for record in store.cases[:64]}
        context["modality"] = next(iter(modalities)) if len(modalities) == 1 else ""
        context["store"] = store.fingerprint
    if model.channels:
        context["channels"] = describe_channels(model)
    return context
