"""What a study needs, whether it is there, and how to get it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from samadapt.core.errors import ConfigError, DataError
from samadapt.models import catalog
from samadapt.models.specialists import NAMES as SPECIALISTS
from samadapt.study.studies.plan import DataNeed, ModelNeed, StudyConfig, StudyPlan

SMOKE_MODEL = "tiny"
"""Stands for every model of a smoke run that is not given another."""
LEFT_OUT = "none"
"""Given for an optional model, its stages are left out even where its weights could be downloaded."""


@dataclass(frozen=True)
class Need:
    """One dataset or model of a study.

    Attributes
    ----------
    name : str
        The study's name for it.
    kind : {"data", "model"}
    value : str
        Folder of the data, or what load_model takes; "" where it is not given.
    found : str
        What is there; "" where it is missing.
    how : str
        How to get it.
    optional : bool
    """

    name: str
    kind: str
    value: str
    found: str
    how: str
    optional: bool

    @property
    def is_there(self) -> bool:
        """True if the stages that need it can run."""
        return bool(self.found)


def needs_of(plan: StudyPlan, config: StudyConfig) -> list[Need]:
    """Everything a study needs; nothing is downloaded and no weights are opened.

    Raises
    ------
    ConfigError
        If data or models are given that the study does not know.
    """
    _require_known(plan, config)
    data = [_data_need(name, need, config.data.get(name)) for name, need in plan.data.items()]
    return data + [_model_need(name, need, config) for name, need in plan.models.items()]


def require(plan: StudyPlan, needs: list[Need]) -> None:
    """Raise one error that names everything that is missing and how to get it.

    Raises
    ------
    DataError
        If something that is not optional is missing.
    """
    missing = [need for need in needs if not (need.is_there or need.optional)]
    if missing:
        ways = "\n".join(f"  {_flag(need)}: {need.how}" for need in missing)
        raise DataError(
            f"the study needs {', '.join(need.name for need in missing)}", where=plan.title, remedy=f"\n{ways}"
        )


def _flag(need: Need) -> str:
    return f"-s data.{need.name}=FOLDER" if need.kind == "data" else f"-s models.{need.name}=FILE"


def _require_known(plan: StudyPlan, config: StudyConfig) -> None:
    stages = [*(stage.name for stage in plan.stages), *dict.fromkeys(stage.kind for stage in plan.stages)]
    for group, there in (("data", [*plan.data]), ("models", [*plan.models]), ("stages", stages)):
        unknown = sorted(set(getattr(config, group)).difference(there))
        if unknown:
            raise ConfigError(
                f"the study knows no {unknown[0]!r}", where=group, remedy=f"It has {', '.join(there) or 'none'}."
            )


def _data_need(name: str, need: DataNeed, given: Path | None) -> Need:
    from samadapt.data import recipes

    how = f"{need.title}. {need.how or recipes.get(need.recipe).info.how_to_get}"
    if given is None:
        return Need(name, "data", "", "", how, need.optional)
    recipe = recipes.get(recipes.detect(given) if need.recipe == "auto" else need.recipe)
    cases = len(recipe.find(given, **need.options).cases)
    return Need(name, "data", str(given), f"{cases} cases", how, need.optional)


def _model_need(name: str, need: ModelNeed, config: StudyConfig) -> Need:
    value = config.models.get(name) or (SMOKE_MODEL if config.smoke and need.model not in SPECIALISTS else need.model)
    if value == LEFT_OUT and need.optional:
        return Need(name, "model", "", "", need.how or _how_to_get(need.model), True)
    return Need(name, "model", value, _model_found(value), need.how or _how_to_get(value), need.optional)


def _model_found(value: str) -> str:
    if Path(value).exists():
        return "file" if Path(value).is_file() else "folder"
    entry = catalog.find(value)
    if entry is None:
        return ""
    if entry.status == "hub":
        return f"{entry.hub_id} on the hub, downloaded on first use"
    return {"packaged": "in the package", "untrained": "trained by the study"}.get(entry.status, "")


def _how_to_get(value: str) -> str:
    entry = catalog.find(value)
    return f"{entry.title}. See {entry.url}. {entry.note}".strip() if entry else f"There is no file {value}."


def described(need: Need) -> Iterator[str]:
    """Lines of text about a need."""
    state = need.found or ("not given, its stages are left out" if need.optional else "missing")
    yield f"{need.kind} {need.name}: {need.value or '-'} ({state})"
    if not need.is_there:
        yield f"  {_flag(need)}: {need.how}"
