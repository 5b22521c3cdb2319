"""Configuration of a sweep over prompts, models, sizes, mask choices and phases."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from samadapt.config import Config
from samadapt.config.channels import ChannelNames

Choice = Literal["first", "predicted", "oracle"]
Fusion = Literal["each", "prob-mean", "prob-max", "score-mean", "score-max"]

_POLICY = re.compile(r"box(~\d+)?|centre|mask|mode:[0-4]|(point|clicks|error):[1-9]\d*")
POLICIES = "box, box~J, centre, point:N, clicks:N, error:N, mask, mode:0 to mode:4"


class SweepConfig(Config):
    """Measure every combination of the axes; one row each."""

    data: Path = Field(description="Prepared store.")
    out: Path = Field(description="Run folder to write.")
    split: str = Field("test", description="Split to measure: train, val, test or all.")
    models: tuple[str, ...] = Field(("tiny",), min_length=1, description="Models: names, checkpoint files, adapters.")
    image_sizes: tuple[int, ...] = Field(
        (), description="Sides of the square input in pixels; each model's own if not given."
    )
    channels: ChannelNames = ()
    prompts: tuple[str, ...] = Field(
        ("box", "box~20", "centre", "point:1", "point:3", "point:5"),
        min_length=1,
        description="box; box~J (up to J px of 1024 looser); centre; point:N (random, inside); clicks:N (centre of the "
        "largest error); error:N (random wrong pixels); mask (the truth); mode:0 to mode:4 (Mazurowski et al.).",
    )
    choices: tuple[Choice, ...] = Field(
        ("predicted", "oracle"),
        min_length=1,
        description="Which of several masks is taken: the first, the one with the highest predicted IoU, or the best "
        "by the truth.",
    )
    phases: tuple[str, ...] = Field(
        (), description="Names of the channels, each an image of its own; the channels are one image if not given."
    )
    fusions: tuple[Fusion, ...] = Field(
        ("each", "prob-mean", "prob-max", "score-mean", "score-max"),
        min_length=1,
        description="Phases each alone, or mean or maximum of their probabilities or of their scores.",
    )
    labels: tuple[str, ...] = Field((), description="Names of the labels to measure; all if not given.")
    max_cases: int | None = Field(
        None, ge=1, description="Measure only the first cases of the split that can be measured."
    )
    seed: int = Field(0, description="Seed of the prompt draws and of the bootstrap intervals.")
    device: str = Field("auto", description="auto, cpu, cuda, cuda:1, mps.")
    resume: bool = Field(False, description="Keep the rows that are there and measure what is missing, new values too.")

    @field_validator("prompts")
    @classmethod
    def _known_policies(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for policy in value:
            if not _POLICY.fullmatch(policy):
                raise ValueError(f"{policy!r} is not a prompt of a sweep: use {POLICIES}")
        return tuple(dict.fromkeys(value))

    @model_validator(mode="after")
    def _phases_are_images(self) -> SweepConfig:
        if self.channels and self.phases:
            raise ValueError("phases are the channels as images of their own: name either phases or channels")
        return self

    @field_validator("models", "image_sizes", "choices", "phases", "fusions", "labels")
    @classmethod
    def _without_doubles(cls, value: tuple[object, ...]) -> tuple[object, ...]:
        return tuple(dict.fromkeys(value))
