"""Configuration of an evaluation."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from samadapt.config import Config
from samadapt.config.channels import ChannelNames
from samadapt.core.errors import ConfigError
from samadapt.core.plans import ALIASES, parse_plan

_POLICY = re.compile(r"box|centre|none|point:[1-9]\d*")


class EvaluateConfig(Config):
    """Measure a model on a prepared store and write one run folder."""

    model: str = Field("tiny", description="Model name, checkpoint file, adapter folder or training run.")
    adapter: Path | None = Field(None, description="Adapter folder to load on top of the model.")
    image_size: int | None = Field(
        None, description="Side of the model's square input in pixels; its own if not given."
    )
    channels: ChannelNames = ()
    hq_token_only: bool = Field(False, description="SAM-HQ: its mask of high quality alone, instead of added to SAM's.")
    data: Path = Field(description="Prepared store.")
    split: str = Field("test", description="Split to measure: train, val, test or all.")
    prompts: tuple[str, ...] = Field(
        ("box",),
        min_length=1,
        description="What the model is told: box (tight), point:N (random, inside), centre, none (prompt-free); or a "
        "session of N correction clicks: clicks:N, box+clicks:N, or cvpr25 (volume-box+clicks:5).",
    )
    targets: tuple[float, ...] = Field(
        (0.85, 0.9), description="Dice and IoU to which the clicks of a session are counted."
    )
    prompt_folder: Path | None = Field(
        None, description="Reuse the prompts that another run drew (its prompts/ folder)."
    )
    out: Path = Field(description="Run folder to write.")
    convention: str = Field(
        "strict",
        description="Definition of the figures: strict, transunet, flare22, monai, nnunet, deepmind, medpy, medsam, "
        "cvpr24, sammed2d, irstd, remote-sensing.",
    )
    conventions: tuple[str, ...] = Field(
        (), description="Score the same predictions under these conventions too: names, or all."
    )
    test_as: Literal["", "samed"] = Field(
        "",
        description="Prompt-free models: also score the masks that a published test makes, beside the model's own: "
        "samed (slices through 224 pixels, class maps back by nearest neighbour).",
    )
    max_cases: int | None = Field(None, ge=1, description="Measure only the first cases of the split.")
    batch_size: int = Field(8, ge=1, description="Slices encoded at once.")
    seed: int = Field(0, description="Seed of the prompt draws and of the bootstrap intervals.")
    save_predictions: bool = Field(
        False, description="Also write predicted label maps on the grid of the source files."
    )
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps.")
    resume: bool = Field(False, description="Go on with an interrupted run in the same folder.")

    @field_validator("prompts", mode="before")
    @classmethod
    def _split_commas(cls, value: object) -> object:
        return split_words(value)

    @field_validator("prompts")
    @classmethod
    def _known_policies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        known = tuple(dict.fromkeys(ALIASES.get(policy, policy) for policy in value))
        for policy in known:
            if not _POLICY.fullmatch(policy) and parse_plan(policy) is None:
                raise ValueError(
                    f"{policy!r} is not a prompt policy: use box, centre, point:N (N from 1), none, clicks:N, "
                    "box+clicks:N or cvpr25"
                )
        _require_one_of_a_kind(known)
        return known

    @model_validator(mode="after")
    def _published_tests_are_prompt_free(self) -> EvaluateConfig:
        if self.test_as and "none" not in self.prompts:
            raise ValueError(f"test_as {self.test_as} is a test without prompts: it needs prompts none")
        return self

    @field_validator("targets")
    @classmethod
    def _between_zero_and_one(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not all(0 < target <= 1 for target in value):
            raise ValueError("a target is a Dice or IoU between 0 and 1")
        return value

    @field_validator("conventions", mode="before")
    @classmethod
    def _split_names(cls, value: object) -> object:
        return split_words(value)

    @field_validator("conventions")
    @classmethod
    def _known_conventions(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return known_conventions(value)


class ScoreConfig(Config):
    """Score label maps that any program has written, and write a run folder like that of an evaluation."""

    reference: Path = Field(description="Prepared store, or folder of true label maps.")
    prediction: Path = Field(description="Folder of predicted label maps, each named as its case.")
    out: Path = Field(description="Run folder to write.")
    name: str = Field("", description="What to call the method; the name of the prediction folder if not given.")
    split: str = Field("test", description="Split of a store to score: train, val, test or all.")
    prompts: str = Field("none", description="What the method was told: none, box, centre or point:N.")
    labels: dict[int, str] = Field({}, description="Names of the labels of a folder, where no dataset.json has them.")
    ignore: int | None = Field(None, description="Value in the labels of a folder that is left out; needs labels.")
    values: dict[int, int] = Field({}, description="Number in the predictions: number in the truth, where they differ.")
    box_channel: bool = Field(
        False,
        description="The predictions are of an export with boxes as a channel (export-nnunet --box): a file for every "
        "case and label; needs a store and prompts box.",
    )
    convention: str = Field("strict", description="Definition of the figures, as in evaluate.")
    conventions: tuple[str, ...] = Field(
        (), description="Score the same predictions under these conventions too: names, or all."
    )
    parameters: int | None = Field(None, description="Parameters of the method, for the table of costs.")
    seconds_per_case: float | None = Field(None, description="Time for one case, for the table of costs.")
    memory_mb: float | None = Field(None, description="Peak memory in MB, for the table of costs.")
    checkpoint_mb: float | None = Field(None, description="Size of the weights in MB, for the table of costs.")
    seed: int = Field(0, description="Seed of the bootstrap intervals.")

    @field_validator("prompts")
    @classmethod
    def _known_policy(cls, value: str) -> str:
        if not _POLICY.fullmatch(value):
            raise ValueError(f"{value!r} is not a prompt policy: use none, box, centre or point:N (N from 1)")
        return value

    @field_validator("conventions", mode="before")
    @classmethod
    def _split_names(cls, value: object) -> object:
        return split_words(value)

    @field_validator("conventions")
    @classmethod
    def _known_conventions(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return known_conventions(value)

    @model_validator(mode="after")
    def _box_channel_is_told_boxes(self) -> ScoreConfig:
        if self.box_channel and (self.prompts != "box" or self.values):
            raise ValueError("box_channel needs prompts=box, and its files hold 0 and 1: leave values out")
        return self

    @model_validator(mode="after")
    def _ignore_needs_labels(self) -> ScoreConfig:
        if self.ignore is not None and not self.labels:
            raise ValueError("ignore needs labels: name the others, -s labels.1=water")
        return self


def _require_one_of_a_kind(policies: tuple[str, ...]) -> None:
    plans = [plan for plan in map(parse_plan, policies) if plan is not None]
    longest = {plan.kind: plan for plan in sorted(plans, key=lambda plan: plan.clicks)}
    for plan in plans:
        if plan is not longest[plan.kind]:
            whole = longest[plan.kind]
            raise ValueError(f"{plan.policy} is part of {whole.policy}, whose rows hold every round: leave it out")


def split_words(value: object) -> tuple[str, ...]:
    """Words of one text or of several, parted by commas, bars or spaces."""
    parts = [value] if isinstance(value, str) else list(value)  # type: ignore[call-overload]
    return tuple(word for part in parts for word in re.split(r"[,|\s]+", str(part)) if word)


def known_conventions(names: tuple[str, ...]) -> tuple[str, ...]:
    """Each name once, "all" spelt out; an unknown one is an error."""
    from samadapt.metrics import convention, conventions

    spelt = [name for given in names for name in (conventions() if given == "all" else (given,))]
    try:
        return tuple(dict.fromkeys(convention(name).name for name in spelt))
    except ConfigError as error:
        raise ValueError(f"{error.what}. {error.remedy}") from error
