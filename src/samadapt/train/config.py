"""What a training run is made of. Plain values only: no torch here, so that help texts are instant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from samadapt.adapt.config import LoraConfig, MethodConfig
from samadapt.config.base import Config
from samadapt.config.channels import ChannelNames
from samadapt.models.specialists.plan import NAMES as SPECIALISTS

SYNTHETIC = "synthetic"
NEW = "new"


class SemanticTask(Config):
    """One class for every pixel, without prompts (SAMed)."""

    task: Literal["semantic"] = Field("semantic", description="Semantic segmentation of the store's labels")
    ce_weight: float = Field(0.2, ge=0, description="Weight of the cross-entropy")
    dice_weight: float = Field(0.8, ge=0, description="Weight of the Dice loss")
    detail: int = Field(
        0,
        ge=0,
        description="Width of a convolutional branch beside the mask decoder, for fine borders; 0: none (SAMed)",
    )
    decoder: bool = Field(
        True, description="The mask decoder answers too; false: the convolutional branch alone, which must be there"
    )
    planes: Literal[1, 3] = Field(
        1,
        description="3: learn from volumes of even spacing cut along all three axes, and average the answers along "
        "them; 1: the slices of the store alone",
    )
    per_sample: bool = Field(
        False,
        description="Dice of every image on its own instead of one Dice over the batch; needed for equal results on "
        "any number of processes",
    )


class ClosenessConfig(Config):
    """How often, and how close, a sample shows one object instead of the whole image."""

    zoom_share: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Share of samples that show a window around one object instead of the whole image; none: 0.65 for "
        "a model that looks closer when asked (tiny), else 0",
    )
    zoom_least: float = Field(1.3, ge=1, description="Least side of such a window, as a multiple of the object's box")
    zoom_most: float = Field(3.0, ge=1, description="Largest side of such a window, as a multiple of the object's box")


class BoxTask(ClosenessConfig):
    """One object from one box that is larger than the object (MedSAM)."""

    task: Literal["box"] = Field("box", description="Segment one object from a loose box")
    jitter_px: float = Field(
        20, ge=0, description="Largest outward shift of each side of the box, in pixels of a 1024 pixel image"
    )
    loss_size: Literal["image", "mask"] = Field(
        "image", description="Where the loss is taken: at the image size, or at the decoder's own mask size (faster)"
    )


class InteractiveTask(ClosenessConfig):
    """A box or a click, then correction clicks, as a person works (SAM, SAM-Med2D)."""

    task: Literal["interactive"] = Field(
        "interactive", description="Segment objects from boxes and clicks, with corrections"
    )
    objects: int = Field(4, ge=1, description="Objects per image, drawn with replacement")
    rounds: int = Field(2, ge=0, description="Correction clicks after the first prompt, each of which teaches")
    silent_rounds: int = Field(
        0,
        ge=0,
        description="Largest number of further correction clicks before those, answered without learning from the "
        "answer: late corrections at the price of their answers alone; drawn for every batch (protocol sam)",
    )
    first_points: int = Field(
        1,
        ge=1,
        description="Largest number of clicks a batch begins with where it does not begin with a box; one click half "
        "the time, else drawn (protocol sam)",
    )
    box_share: float = Field(0.5, ge=0, le=1, description="Share of batches that begin with a box instead of a click")
    jitter_px: float = Field(
        20, ge=0, description="Largest shift of each side of a first box, in pixels of a 1024 pixel image"
    )
    tight_share: float = Field(0.0, ge=0, le=1, description="Share of first boxes that are not shifted (protocol sam)")
    protocol: Literal["sam", "sammed2d", "msa"] = Field(
        "sam",
        description="sam: clicks add up, the last logits are the mask prompt, the best of three masks learns; "
        "sammed2d: its nine steps, with rounds=8 and objects=5 as published; msa: the first prompt alone, the single "
        "mask, binary cross-entropy with foreground counted twice",
    )
    frozen_embedding: bool = Field(
        False,
        description="As SAM-Med2D was trained: every round is an update, and from the second on only the mask decoder "
        "learns",
    )
    focal_weight: float = Field(20.0, ge=0, description="Weight of the focal loss")
    dice_weight: float = Field(1.0, ge=0, description="Weight of the Dice loss")
    iou_weight: float = Field(1.0, ge=0, description="Weight of the squared error of the predicted IoU")
    single_mask: bool = Field(
        True, description="Also train the decoder's single-mask token, wherever the prompt is not one lone click"
    )
    loss_size: Literal["image", "mask"] = Field(
        "mask", description="Where the loss is taken: at the image size, or at the decoder's own mask size (faster)"
    )

    @model_validator(mode="after")
    def _frozen_belongs_to_sammed2d(self) -> InteractiveTask:
        if self.frozen_embedding and self.protocol != "sammed2d":
            raise ValueError("frozen_embedding belongs to protocol=sammed2d")
        return self


TaskConfig = Annotated[SemanticTask | BoxTask | InteractiveTask, Field(discriminator="task")]


class OptimizerConfig(Config):
    """AdamW or Adam."""

    rule: Literal["adamw", "adam"] = Field(
        "adamw", description="adamw: weight decay on its own; adam: weight decay as a part of the gradient"
    )
    lr: float | None = Field(
        None, gt=0, description="Base learning rate; none: the published one of the method (lora 5e-3, others 1e-4)"
    )
    weight_decay: float | None = Field(
        None, ge=0, description="Weight decay; none: that of the method (lora 0.1, others 0.01)"
    )
    beta1: float = Field(0.9, ge=0, lt=1, description="Decay of the mean of gradients")
    beta2: float = Field(0.999, ge=0, lt=1, description="Decay of the mean of squared gradients")
    clip_norm: float | None = Field(None, gt=0, description="Largest norm of the gradient; none: not clipped")
    encoder_factor: float = Field(
        1.0, gt=0, le=1, description="Factor of the rate for the image encoder's own weights (method full)"
    )


class ScheduleConfig(Config):
    """Learning rate over the run."""

    shape: Literal["poly", "cosine", "constant", "step"] = Field(
        "poly", description="How the rate falls after the warm-up; step: at once after every few epochs"
    )
    warmup: int | None = Field(
        None, ge=0, description="Steps over which the rate rises linearly; none: 250, or a twentieth of a short run"
    )
    exponent: float = Field(0.9, gt=0, description="Exponent of the poly shape")
    gamma: float = Field(0.94, gt=0, le=1, description="Factor of the rate at every fall of the step shape")
    every_epochs: int = Field(2, ge=1, description="Passes over the data between the falls of the step shape")
    horizon: float = Field(
        1.0, ge=1, description="Length the shape is laid out for, as a multiple of the run (SAMed stops early: 1.25)"
    )


class AugmentConfig(Config):
    """Random changes of image and label together."""

    policy: Literal["none", "safe", "samed"] = Field(
        "safe",
        description="none; safe: rotation, scale, shift and intensity; samed: quarter turns and flips, or rotation",
    )
    allow_mirror: bool = Field(
        False, description="Allow flips and quarter turns: for images that have no up, left or right"
    )
    rotate_deg: float = Field(20, ge=0, le=180, description="Largest rotation to either side, in degrees")
    scale: float = Field(0.15, ge=0, lt=1, description="Largest relative change of size")
    shift: float = Field(0.05, ge=0, lt=1, description="Largest shift, as a share of the image side")
    gamma: float = Field(0.25, ge=0, lt=1, description="Largest change of the gamma exponent")
    contrast: float = Field(0.15, ge=0, lt=1, description="Largest relative change of contrast and of brightness")
    noise: float = Field(6.0, ge=0, description="Largest standard deviation of added noise, on the scale 0 to 255")
    blur: float = Field(0.7, ge=0, description="Largest standard deviation of the blur, in pixels")
    elastic: float = Field(0.0, ge=0, description="Largest elastic displacement, as a share of the image side; 0: none")


class BalanceConfig(Config):
    """Which slices are drawn."""

    foreground_share: float | None = Field(
        None, ge=0, le=1, description="Share of drawn slices that hold any label; none: every slice once an epoch"
    )
    rare: float = Field(
        0.0,
        ge=0,
        le=1,
        description="0: slices are equal; 1: every class is equally often the reason for drawing a slice",
    )


class ValidationConfig(Config):
    """How progress is measured."""

    every: int = Field(200, ge=1, description="Steps between validations; the last step always validates")
    max_cases: int | None = Field(4, ge=1, description="Cases of the validation split that are used; none: all")
    max_slices: int | None = Field(64, ge=1, description="Slices in all, evenly spaced in each case; none: all")
    metric: Literal["dice"] = Field("dice", description="What decides the best checkpoint")
    patience: int | None = Field(None, ge=1, description="Stop after so many validations without a better value")


class NewModel(Config):
    """A SAM of any size, to train from nothing."""

    name: str = Field("sam-new", description="Name the trained model gets")
    network: str = Field("tiny", description="Known network: tiny, vit-b, vit-l, vit-h")
    fields: dict[str, int | float | tuple[int, ...]] = Field(
        default_factory=dict, description="Fields of samadapt.models.architecture.Architecture that differ from it"
    )
    preprocessing: str = Field("tiny", description="Preprocessing by name: tiny, sam, medsam, sammed2d, samed")


class SpecialistConfig(Config):
    """A network trained from nothing for one task."""

    width: int = Field(24, ge=4, description="unet: channels of the first level, doubled at every level")
    depth: int = Field(3, ge=1, le=6, description="unet: how often it halves the image")
    backbone: Literal["resnet18", "resnet34", "resnet50"] = Field("resnet50", description="deeplabv3plus: its encoder")
    weights: Path | None = Field(
        None, description="deeplabv3plus: torchvision's file of the backbone's ImageNet weights; none: random"
    )


class StemConfig(Config):
    """The first layer, where more than three channels are named."""

    further: Literal["zero", "mean"] = Field(
        "zero",
        description="Weights of the channels past the third at first; zero: the model begins exactly as it was; mean: "
        "the mean of those of red, green and blue, times 3 / all channels",
    )
    mean: tuple[float, ...] = Field(
        (), description="Mean of each further channel in the units of the preprocessing; none: that of the colours"
    )
    std: tuple[float, ...] = Field((), description="Standard deviation likewise; none: that of the colours")


class SyntheticConfig(Config):
    """Generated scenes, drawn on the fly."""

    size: int = Field(256, ge=32, description="Side of a scene, in pixels")
    validation_scenes: int = Field(48, ge=1, description="Scenes that are kept for validation")
    epoch_scenes: int = Field(10000, ge=1, description="Scenes that count as one epoch")
    views: int = Field(
        1, ge=1, description="Batches in a row from the same scenes, each time with other windows, objects and prompts"
    )
    outlined: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of the objects to learn from that are outlined as by hand: rounder, a little beside",
    )


class TrainConfig(Config):
    """A training run."""

    model: str = Field(
        "tiny",
        description="Catalog name, checkpoint or run folder; new: an untrained network, see new; "
        "unet or deeplabv3plus: see specialist",
    )
    new: NewModel = Field(NewModel(), description="Network when model is new")
    specialist: SpecialistConfig = Field(SpecialistConfig(), description="Network when model is unet or deeplabv3plus")
    image_size: int | None = Field(None, ge=32, description="Side of the model's input in pixels; none: its own")
    preprocessing: str | None = Field(
        None,
        description="Preprocessing to train with, kept for later use: tiny, sam, medsam, sammed2d, samed; none: the "
        "model's own",
    )
    channels: ChannelNames = ()
    stem: StemConfig = Field(StemConfig(), description="First layer, where more than three channels are named")
    data: str = Field(description="Prepared store, or synthetic for generated scenes")
    synthetic: SyntheticConfig = Field(SyntheticConfig(), description="Scenes when data is synthetic")
    out: Path = Field(description="Run folder")
    task: TaskConfig = Field(SemanticTask(), description="What the model learns to do")
    method: MethodConfig = Field(LoraConfig(), description="Which weights learn")
    optimizer: OptimizerConfig = Field(OptimizerConfig(), description="Optimiser")
    schedule: ScheduleConfig = Field(ScheduleConfig(), description="Learning rate over the run")
    augment: AugmentConfig = Field(AugmentConfig(), description="Augmentation")
    balance: BalanceConfig = Field(BalanceConfig(), description="Choice of slices")
    validation: ValidationConfig = Field(ValidationConfig(), description="Validation")
    batch_size: int = Field(12, ge=1, description="Images of one forward pass, over all processes together")
    accumulate: int = Field(1, ge=1, description="Forward passes for one step of the optimiser")
    epochs: float | None = Field(None, gt=0, description="Length of the run in passes over the data")
    steps: int | None = Field(None, ge=1, description="Length of the run in steps of the optimiser")
    max_minutes: float | None = Field(
        None, gt=0, description="Length of the run in minutes of training, resumed runs included; the rate follows it"
    )
    context: Literal[1, 3] = Field(1, description="1: the slice three times; 3: the slice between its neighbours")
    train_split: str = Field("train", description="Split to learn from")
    train_fraction: float = Field(
        1.0, gt=0, le=1, description="Share of the patients of that split, chosen by the seed; less is part of more"
    )
    validation_split: str = Field("val", description="Split to validate on")
    precision: Literal["auto", "fp32", "bf16"] = Field(
        "auto", description="Arithmetic of the image encoder; auto: bf16 where the processor has it and it pays"
    )
    cache_embeddings: Path | None = Field(
        None,
        description="Folder to keep embeddings in where the encoder does not learn: each picture is encoded once, by "
        "this run or an earlier one; needs augment.policy=none and no windows (task.zoom_share=0)",
    )
    gradient_checkpointing: bool = Field(False, description="Compute encoder activations twice to save memory")
    num_workers: int = Field(1, ge=0, description="Processes that read and augment; 0: the training process itself")
    threads: int | None = Field(
        None,
        ge=1,
        description="Processor threads of the training process; none: all cores, less one for each worker that draws "
        "scenes",
    )
    accelerator: Literal["auto", "cpu", "cuda"] = Field("auto", description="Where to train")
    devices: int = Field(1, ge=1, description="Processes on this machine")
    strategy: str = Field("auto", description="How several processes work together, as Lightning Fabric names it")
    seed: int = Field(0, ge=0, description="Seed of everything random")
    log_every: int = Field(10, ge=1, description="Steps between lines of log.jsonl")
    save_every: int = Field(500, ge=1, description="Steps between savings of the state; see also save_seconds")
    save_seconds: float = Field(300, gt=0, description="Seconds between savings of the state")
    tensorboard: bool = Field(False, description="Also write TensorBoard events, if tensorboard is installed")
    resume: bool = Field(
        False, description="Go on with the run in the folder; on the CPU bit for bit with the same threads"
    )

    @model_validator(mode="before")
    @classmethod
    def _all_of_a_specialist(cls, tree: Any) -> Any:
        """A specialist has nothing to adapt, so its method need not be said."""
        if isinstance(tree, dict) and tree.get("model") in SPECIALISTS and tree.get("method") is None:
            return tree | {"method": {"method": "full"}}
        return tree

    @model_validator(mode="after")
    def _has_length(self) -> TrainConfig:
        if self.epochs is None and self.steps is None and self.max_minutes is None:
            raise ValueError("give the length of the run: epochs, steps or max_minutes")
        if self.model == NEW and self.task.task == "semantic":
            raise ValueError("a new network learns from prompts (task interactive or box); for classes train unet")
        if self.channels and (self.data == SYNTHETIC or self.context > 1):
            raise ValueError("channels are those of a prepared store, and take the place of context")
        if self.cache_embeddings and self.task.task == "semantic" and self.task.planes > 1:
            raise ValueError("embeddings are kept of the slices of the store alone: set task.planes=1")
        if self.data == SYNTHETIC and self.task.task == "semantic":
            raise ValueError("synthetic scenes have objects but no classes: use the task interactive or box")
        return self
