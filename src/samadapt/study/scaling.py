"""How much the training data matter: train on growing parts of the training split, measure each, draw the curve."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from samadapt.config import Config, dump, load_config
from samadapt.core.atomic import write_text
from samadapt.core.manifest import RUN_FILE, close_run, open_run, read_run
from samadapt.core.progress import say
from samadapt.study.config import EvaluateConfig
from samadapt.study.rows import to_csv
from samadapt.train import recipes
from samadapt.train.config import TrainConfig

ROWS = "scaling.csv"


class ScalingConfig(Config):
    """Train on growing parts of the training split and draw Dice against their size."""

    data: Path = Field(description="Prepared store.")
    out: Path = Field(description="Run folder to write.")
    fractions: tuple[float, ...] = Field(
        (0.125, 0.25, 0.5, 1.0), min_length=1, description="Shares of the patients of the training split."
    )
    seeds: tuple[int, ...] = Field((0,), min_length=1, description="Seeds of training and of the choice of patients.")
    recipe: str = Field("", description="Published training that every part starts from; samadapt recipes lists them.")
    train: dict[str, Any] = Field(
        default_factory=lambda: {"steps": 600},
        description="Fields of a training, the same for every part; data, out, seed and train_fraction are set.",
    )
    prompts: tuple[str, ...] = Field(("none",), min_length=1, description="What the trained models are told.")
    split: str = Field("test", description="Split to measure on.")
    convention: str = Field("strict", description="Definition of the figures; see evaluate.")
    max_cases: int | None = Field(None, ge=1, description="Measure only the first cases of the split.")
    resume: bool = Field(False, description="Keep the parts that are done and go on; new fractions and seeds too.")

    @field_validator("fractions")
    @classmethod
    def _shares(cls, value: tuple[float, ...]) -> tuple[float, ...]:
        if not all(0 < fraction <= 1 for fraction in value):
            raise ValueError("a fraction lies above 0 and at most at 1")
        return tuple(sorted(set(value)))

    def training(self, fraction: float, seed: int) -> TrainConfig:
        """Configuration of one training."""
        fixed = {"data": str(self.data), "out": self.folder("train", fraction, seed), "seed": seed}
        file = recipes.get(self.recipe).path if self.recipe else None
        return load_config(TrainConfig, file, values=self.train | fixed | {"train_fraction": fraction})

    def measurement(self, fraction: float, seed: int) -> EvaluateConfig:
        """Configuration of one evaluation."""
        fields = {"data": self.data, "split": self.split, "prompts": self.prompts, "convention": self.convention}
        fields |= {"model": str(self.folder("train", fraction, seed)), "max_cases": self.max_cases}
        return EvaluateConfig(**fields, out=self.folder("evaluate", fraction, seed))

    def folder(self, job: str, fraction: float, seed: int) -> Path:
        """Run folder of a part."""
        return self.out / f"{job}-{fraction:g}-seed-{seed}"


@dataclass(frozen=True)
class ScalingRow:
    """Dice, mean without background, after training on a part, with the 95 % bootstrap interval over cases."""

    fraction: float
    seed: int
    patients: int
    slices: int
    steps: int
    prompts: str
    choice: str
    dice: float
    low: float
    high: float
    cases: int


@dataclass(frozen=True)
class ScalingResult:
    """What was found.

    Attributes
    ----------
    folder : Path
        With scaling.csv, page.html and the runs of all parts.
    rows : tuple of ScalingRow
    """

    folder: Path
    rows: tuple[ScalingRow, ...]

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {"folder": str(self.folder), "rows": [asdict(row) for row in self.rows]}


def scaling(config: ScalingConfig | None = None, **fields: Any) -> ScalingResult:
    """Train and measure on every part; a smaller part is contained in every larger one of the same seed.

    Parameters
    ----------
    config : ScalingConfig, optional
        Or its fields as keywords.

    Returns
    -------
    ScalingResult

    Raises
    ------
    ConfigError
        If a field of the training does not fit; before anything is trained.
    RunFolderError
        If the folder holds another run, or this one and `resume` is false.
    """
    from samadapt.report.scaling import scaling_page

    config = config or ScalingConfig(**fields)
    parts = [(fraction, seed) for seed in config.seeds for fraction in config.fractions]
    for part in parts:
        config.training(*part)
    identity = config.model_dump(mode="json", exclude={"out", "resume", "fractions", "seeds"})
    manifest = open_run(config.out, "scaling", identity, resume=config.resume)
    write_text(config.out / "config.yaml", dump(config))
    began = time.perf_counter()
    for number, part in enumerate(parts, start=1):
        say(f"part {number} of {len(parts)}: {part[0]:g} of the patients, seed {part[1]}")
        _do(config, *part)
    rows = tuple(row for part in parts for row in _rows(config, *part))
    write_text(config.out / ROWS, to_csv(rows, ScalingRow))
    axes = config.model_dump(mode="json", include={"fractions", "seeds"})
    facts = _facts(config, parts) | {"seconds_total": round(time.perf_counter() - began, 2)}
    close_run(config.out, manifest, axes=axes, facts=facts)
    scaling_page(config.out, config.out / "page.html")
    return ScalingResult(config.out, rows)


def _do(config: ScalingConfig, fraction: float, seed: int) -> None:
    from samadapt.study.evaluate import evaluate
    from samadapt.train import train

    training, measurement = config.training(fraction, seed), config.measurement(fraction, seed)
    if not _is_done(training.out):
        train(training.model_copy(update={"resume": training.out.exists()}))
    if not _is_done(measurement.out):
        evaluate(measurement.model_copy(update={"resume": measurement.out.exists()}))


def _is_done(folder: Path) -> bool:
    return (folder / RUN_FILE).exists() and read_run(folder).get("status") == "done"


def _rows(config: ScalingConfig, fraction: float, seed: int) -> Iterator[ScalingRow]:
    trained = read_run(config.folder("train", fraction, seed))
    learnt = trained["learnt_from"]
    summary = config.folder("evaluate", fraction, seed) / "summary.json"
    for entry in json.loads(summary.read_text(encoding="utf-8")):
        wanted = (entry["figure"], entry["name"], entry["method"]) == ("dice", "mean without background", "model")
        if wanted and entry["mean"] is not None:
            size = learnt["patients"], learnt["slices"], int(trained["steps"])
            figures = entry["mean"], entry["low"], entry["high"], int(entry["n"])
            yield ScalingRow(fraction, seed, *size, entry["prompts"], entry["choice"], *figures)


def _facts(config: ScalingConfig, parts: list[tuple[float, int]]) -> dict[str, Any]:
    measured = read_run(config.folder("evaluate", *parts[-1]))["facts"]
    trained = read_run(config.folder("train", *parts[-1]))
    shared = ("store", "store_fingerprint", "datasets", "split", "cases", "convention")
    return {key: measured[key] for key in shared} | {"model": trained["model"], "method": trained["config"]["method"]}
