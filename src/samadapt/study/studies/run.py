"""Run a study: check, then stage after stage, then one page. What is finished is not done again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samadapt.config import load_config, merged
from samadapt.core.errors import DataError
from samadapt.core.manifest import RUN_FILE, close_run, open_run, read_run
from samadapt.core.progress import say
from samadapt.study import studies
from samadapt.study.studies.check import Need, described, needs_of, require
from samadapt.study.studies.plan import Stage, StudyConfig, StudyPlan

_SMOKE_TRAINING: dict[str, Any] = {
    **{"image_size": 64, "batch_size": 2, "steps": 2, "epochs": None, "max_minutes": None, "accumulate": 1},
    **{"num_workers": 0, "threads": 1, "precision": "fp32"},
    "validation": {"max_cases": 1, "max_slices": 2},
}
SMOKE: dict[str, dict[str, Any]] = {
    "prepare": {"workers": 0},
    "train": _SMOKE_TRAINING,
    "evaluate": {"max_cases": 2, "image_size": None},
    "sweep": {"max_cases": 1, "image_sizes": [64]},
    "scaling": {"max_cases": 2, "fractions": [0.5, 1.0], "train": _SMOKE_TRAINING},
}
"""Settings of each command in a smoke run."""


@dataclass(frozen=True)
class StudyResult:
    """What a study left behind.

    Attributes
    ----------
    folder : Path
        With one folder for each stage.
    page : Path or None
        None after a check.
    needs : tuple of Need
    left_out : tuple of str
        Stages whose optional data or models were not given.
    """

    folder: Path
    page: Path | None
    needs: tuple[Need, ...]
    left_out: tuple[str, ...] = ()

    @property
    def complete(self) -> bool:
        """True if everything it needs is there."""
        return all(need.is_there or need.optional for need in self.needs)

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "folder": str(self.folder),
            "page": str(self.page) if self.page else None,
            "needs": [vars(need) for need in self.needs],
            "left_out": list(self.left_out),
        }


def study(config: StudyConfig | None = None, **fields: Any) -> StudyResult:
    """Run a published study.

    Parameters
    ----------
    config : StudyConfig, optional
        Or its fields as keywords: ``study(study="gid", data={"gid": "GID"}, out="runs/gid")``.

    Returns
    -------
    StudyResult

    Raises
    ------
    ConfigError
        If there is no such study, or a setting does not fit.
    DataError
        If data or weights are missing; the message says how to get them.
    RunFolderError
        If the folder holds another study, or this one and `resume` is false.
    """
    config = config or StudyConfig(**fields)
    plan = studies.get(config.study)
    folder = config.out or Path("runs") / f"study-{Path(config.study).stem}"
    needs = needs_of(plan, config)
    if config.check:
        return StudyResult(folder, None, tuple(needs))
    require(plan, needs)
    for line in (line for need in needs if need.is_there for line in described(need)):
        say(line)
    identity = {"plan": plan.model_dump(mode="json")} | config.model_dump(mode="json", exclude={"out", "resume"})
    manifest = open_run(folder, "study", identity, resume=config.resume)
    began = time.perf_counter()
    places, left_out = _run_stages(plan, config, needs, folder)
    page = _page(plan, places, folder)
    close_run(folder, manifest, left_out=left_out, page=page.name, seconds=round(time.perf_counter() - began, 1))
    return StudyResult(folder, page, tuple(needs), tuple(left_out))


def _run_stages(
    plan: StudyPlan, config: StudyConfig, needs: list[Need], folder: Path
) -> tuple[dict[str, Path], list[str]]:
    """Folder of every stage that ran, and names of those that were left out."""
    known = {need.name: need.value for need in needs if need.is_there}
    places: dict[str, Path] = {}
    left_out: list[str] = []
    for stage in plan.stages:
        if stage.references() - known.keys():
            left_out.append(stage.name)
            continue
        places[stage.name] = folder / stage.name
        known[stage.name] = str(places[stage.name])
        _run_stage(stage, config, _resolved(stage.settings, known), places[stage.name])
    if left_out:
        lacking = ", ".join(need.name for need in needs if not need.is_there)
        say(f"left out without {lacking}: {len(left_out)} of {len(plan.stages)} stages")
    return places, left_out


def _run_stage(stage: Stage, config: StudyConfig, settings: dict[str, Any], out: Path) -> None:
    if _is_done(stage, out):
        say(f"{stage.name}: done before")
        return
    say(f"{stage.name}: {stage.kind}")
    values = merged(settings, SMOKE[stage.kind] if config.smoke else {})
    for key in (stage.kind, stage.name):
        values = merged(values, config.stages.get(key, {}))
    values |= {"out": str(out)}
    if stage.kind != "prepare":
        values |= {"resume": out.exists()}
    began = time.perf_counter()
    _COMMANDS[stage.kind](stage, values)
    say(f"  {time.perf_counter() - began:.0f} s")


def _is_done(stage: Stage, out: Path) -> bool:
    if stage.kind == "prepare":
        return (out / "store.json").exists()
    return (out / RUN_FILE).exists() and read_run(out)["status"] == "done"


def _resolved(value: Any, known: Mapping[str, str]) -> Any:
    """`value` with every `$name` replaced by the folder or model of that name."""
    if isinstance(value, str) and value.startswith("$"):
        name, slash, rest = value[1:].partition("/")
        return known[name] + slash + rest
    if isinstance(value, dict):
        return {key: _resolved(one, known) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_resolved(one, known) for one in value]
    return value


def _prepare(stage: Stage, values: dict[str, Any]) -> None:
    from samadapt.data.config import PrepareConfig
    from samadapt.data.doctor import examine
    from samadapt.data.prepare import prepare

    store = prepare(load_config(PrepareConfig, values=values))
    for finding in examine(store.path).findings:
        say(f"  {finding.severity}: {finding.message}")


def _train(stage: Stage, values: dict[str, Any]) -> None:
    from samadapt.train import recipes, train
    from samadapt.train.config import TrainConfig

    file = None if stage.recipe is None else recipes.get(stage.recipe).path
    train(load_config(TrainConfig, file, values=values))


def _evaluate(stage: Stage, values: dict[str, Any]) -> None:
    from samadapt.study.config import EvaluateConfig
    from samadapt.study.evaluate import evaluate

    evaluate(load_config(EvaluateConfig, values=values))


def _sweep(stage: Stage, values: dict[str, Any]) -> None:
    from samadapt.study.configs import config_path
    from samadapt.study.sweep import sweep
    from samadapt.study.sweep_config import SweepConfig

    file = None if stage.recipe is None else config_path(Path(stage.recipe))
    sweep(load_config(SweepConfig, file, values=values))


def _scaling(stage: Stage, values: dict[str, Any]) -> None:
    from samadapt.study.scaling import ScalingConfig, scaling

    scaling(load_config(ScalingConfig, values={"recipe": stage.recipe or ""} | values))


_COMMANDS: dict[str, Callable[[Stage, dict[str, Any]], None]] = {
    "prepare": _prepare,
    "train": _train,
    "evaluate": _evaluate,
    "sweep": _sweep,
    "scaling": _scaling,
}


def _page(plan: StudyPlan, places: Mapping[str, Path], folder: Path) -> Path:
    """One page of all that was measured; a study of one sweep ends in its page, one of scalings in their curves."""
    from samadapt.report import report
    from samadapt.report.compare import compare
    from samadapt.report.scaling import scaling_page

    kinds = {stage.name: stage.kind for stage in plan.stages}
    measured = [name for name in places if kinds[name] == "evaluate"]
    runs = [places[name] for name in measured if name not in plan.external]
    external = [places[name] for name in measured if name in plan.external]
    if len(runs) > 1:
        return compare(runs, folder / "report.html", external=external, anyway=True)
    if runs:
        return report(runs, folder / "report.html")
    scaled = [places[name] for name in places if kinds[name] == "scaling"]
    if scaled:
        return scaling_page(scaled, folder / "report.html")
    swept = [places[name] / "page.html" for name in places if kinds[name] == "sweep"]
    if not swept:
        raise DataError("no stage measured anything: every model or dataset was left out", where=folder)
    return swept[-1]
