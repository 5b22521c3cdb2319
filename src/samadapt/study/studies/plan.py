"""What a study is: data, models, stages. Plain values, so that the list of studies is instant."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from samadapt.config import Config

Kind = Literal["prepare", "train", "evaluate", "sweep", "scaling"]


class DataNeed(Config):
    """A dataset that the user has to bring."""

    title: str = Field(description="What it is")
    recipe: str = Field("auto", description="Dataset recipe that reads it")
    options: dict[str, Any] = Field({}, description="Options of the recipe")
    how: str = Field("", description="How to get it; none: as the recipe says")
    optional: bool = Field(False, description="Stages that need it are left out without it")


class ModelNeed(Config):
    """A model that the study measures or adapts."""

    model: str = Field(description="What load_model takes")
    how: str = Field("", description="How to get its weights where they are no download by name")
    optional: bool = Field(False, description="Stages that need it are left out without it")


class Stage(Config):
    """One step: a command of this package with its settings. `$name` in a setting is data, a model or a stage."""

    name: str = Field(pattern=r"[a-z0-9][a-z0-9-]*", description="Folder of its results")
    kind: Kind = Field(description="Which command")
    recipe: str | None = Field(
        None,
        description="train, scaling: published training, sweep: configuration of that name, which it starts from",
    )
    settings: dict[str, Any] = Field({}, description="Fields of the command's configuration")

    def references(self) -> set[str]:
        """Names that its settings refer to."""
        return _references(self.settings)


class StudyPlan(Config):
    """A published study as stages."""

    title: str = Field(description="One sentence")
    cite: str = Field(description="Where it was published")
    notes: str = Field("", description="What else a reader must know")
    data: dict[str, DataNeed] = Field({}, description="Datasets by name")
    models: dict[str, ModelNeed] = Field({}, description="Models by name")
    stages: tuple[Stage, ...] = Field(min_length=1, description="Steps, in order")
    external: tuple[str, ...] = Field((), description="Stages that measure the same models on other data")

    @model_validator(mode="after")
    def _refers_backwards(self) -> StudyPlan:
        known = {*self.data, *self.models}
        if len(known) < len(self.data) + len(self.models):
            raise ValueError("data and models must not share a name")
        for stage in self.stages:
            unknown = sorted(stage.references() - known)
            if unknown:
                raise ValueError(f"the stage {stage.name} refers to ${unknown[0]}, which is not there before it")
            if stage.name in known:
                raise ValueError(f"{stage.name} is the name of two things")
            known.add(stage.name)
        missing = sorted(set(self.external) - {stage.name for stage in self.stages})
        if missing:
            raise ValueError(f"external names {missing[0]}, which is no stage")
        return self


class StudyConfig(Config):
    """Run a published study from its data to one page, with the published table beside its own."""

    study: str = Field("", description="Name of the study, or a YAML file with one.")
    list: bool = Field(False, description="List the studies with the data and weights they need.")
    check: bool = Field(False, description="Only say what is there and what is missing.")
    out: Path | None = Field(None, description="Folder for everything the study makes; runs/study-NAME if not given.")
    data: dict[str, Path] = Field({}, description="Folder of each dataset, by the study's name for it.")
    models: dict[str, str] = Field(
        {}, description="Models to use instead of the study's, by its name for them; none leaves an optional one out."
    )
    stages: dict[str, dict[str, Any]] = Field({}, description="Settings to change, by stage or by command.")
    smoke: bool = Field(
        False,
        description="Two steps and two cases, small images, tiny for models not given: does it run, not what it finds.",
    )
    resume: bool = Field(False, description="Go on with an interrupted study; finished stages are kept.")


def _references(value: Any) -> set[str]:
    if isinstance(value, str):
        return {value[1:].partition("/")[0]} if value.startswith("$") else set()
    if isinstance(value, dict):
        return set().union(*map(_references, value.values())) if value else set()
    if isinstance(value, list | tuple):
        return set().union(*map(_references, value)) if value else set()
    return set()
