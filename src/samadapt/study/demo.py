"""The main job from end to end: data, store, doctor, zero-shot, adaptation, measurement, one page."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from samadapt.config import Config, load_config
from samadapt.core.errors import DataError
from samadapt.core.manifest import RUN_FILE, close_run, open_run, read_run
from samadapt.core.progress import say

if TYPE_CHECKING:
    from samadapt.data.store import Store

IMAGE_SIZES = ((72, 64), (192, 128))
"""(longest side of the images up to, side of the model's input), in pixels; 256 above."""
DETAIL, COARSE_DETAIL = 24, 16
"""Width of the detail branch at 64 pixels, and above, where it costs more."""

FEW = 40
"""Volumes up to which the demo learns along all three axes: of more it sees too little in its minutes."""

PHANTOM_MINUTES, DATA_MINUTES = 3.5, 11.5


class DemoConfig(Config):
    """Run the whole job and write one page."""

    out: Path = Field(Path("runs/demo"), description="Folder for everything the demo makes.")
    data: Path | None = Field(None, description="Folder with labelled images; generated CT phantoms if not given.")
    recipe: str = Field("auto", description="Dataset recipe of the folder; found from its layout if not given.")
    model: str = Field("tiny", description="Base model.")
    method: Literal["auto", "lora", "full", "decoder", "adapter"] = Field(
        "auto", description="How to adapt: auto is LoRA of rank 4 on phantoms, all weights on your data."
    )
    cases: int = Field(24, ge=6, description="Phantoms to generate.")
    minutes: float | None = Field(None, gt=0, description="Minutes of training; 3.5 on phantoms, 11.5 on your data.")
    seed: int = Field(0, description="Seed of phantoms, split, prompts and training.")
    resume: bool = Field(False, description="Go on with an interrupted demo, finished stages are kept.")


@dataclass(frozen=True)
class DemoResult:
    """Where the page is and what it says."""

    report: Path
    zero_shot: float
    adapted: float
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {"report": str(self.report), "zero_shot_dice": self.zero_shot, "adapted_dice": self.adapted}


def demo(config: DemoConfig | None = None, **fields: Any) -> DemoResult:
    """Run every stage; each says in one line what it does.

    Returns
    -------
    DemoResult
        With the mean foreground Dice on the test split, zero-shot (box, predicted IoU) and adapted.

    Raises
    ------
    RunFolderError
        If the folder holds another demo, or this one and `resume` is false.
    DataError
        If the doctor finds an error in the data.
    """
    from samadapt.report import report

    config = config or load_config(DemoConfig, values=fields)
    if config.method == "auto":
        config = config.model_copy(update={"method": "full" if config.data else "lora"})
    began = time.perf_counter()
    manifest = open_run(
        config.out, "demo", config.model_dump(mode="json", exclude={"out", "resume"}), resume=config.resume
    )
    source = config.data or _phantoms(config)
    store = _store(config, source)
    _examine(config.out / "store")
    zero_shot = config.out / "zero-shot"
    _stage(zero_shot, "Measuring the base model zero-shot", lambda: _zero_shot(config, zero_shot))
    training = config.out / "train"
    _stage(training, f"Adapting ({config.method}) into a prompt-free model", lambda: _adapt(config, store, training))
    adapted = config.out / "adapted"
    _stage(adapted, "Measuring the adapted model volume by volume", lambda: _measure_adapted(config, training, adapted))
    page = report([zero_shot, training, adapted], config.out / "report.html")
    seconds = time.perf_counter() - began
    result = DemoResult(page, _dice(zero_shot, "predicted", "box"), _dice(adapted, "semantic", "none"), seconds)
    close_run(config.out, manifest, **result.as_json(), seconds=round(seconds, 1))
    return result


def _stage(folder: Path, title: str, run: Callable[[], object]) -> None:
    if (folder / RUN_FILE).exists() and read_run(folder)["status"] == "done":
        say(f"{title}: done before")
        return
    say(title)
    began = time.perf_counter()
    run()
    say(f"  {time.perf_counter() - began:.0f} s")


def _phantoms(config: DemoConfig) -> Path:
    from samadapt.data.phantoms import write_flare22

    folder = config.out / "phantoms"
    say(f"Generating {config.cases} labelled CT phantoms in FLARE22's layout")
    write_flare22(folder, config.cases, config.seed)
    return folder


def _store(config: DemoConfig, source: Path) -> Store:
    from samadapt.data.prepare import prepare

    say(f"Preparing {source}")
    store = prepare(source=source, recipe=config.recipe, out=config.out / "store", seed=config.seed)
    counts = ", ".join(f"{len(store.split(name))} {name}" for name in ("train", "val", "test"))
    say(f"  {len(store.cases)} cases ({counts}), {len(store.slices)} slices, {len(store.label_set)} labels")
    return store


def _examine(store: Path) -> None:
    from samadapt.data.doctor import examine

    diagnosis = examine(store)
    for finding in diagnosis.findings:
        say(f"  {finding.severity}: {finding.message}")
    if any(finding.severity == "error" for finding in diagnosis.findings):
        raise DataError("the doctor found errors in this data", where=store, remedy="Mend them; see samadapt doctor.")


def _zero_shot(config: DemoConfig, out: Path) -> None:
    from samadapt.study.evaluate import evaluate

    prompts = ("box", "point:1", "point:3")
    data = config.out / "store"
    evaluate(model=config.model, data=data, prompts=prompts, out=out, seed=config.seed, resume=True, max_cases=40)


def _adapt(config: DemoConfig, store: Store, out: Path) -> None:
    from samadapt.train import train

    minutes = config.minutes or (DATA_MINUTES if config.data else PHANTOM_MINUTES)
    fields = training_fields(store, config.method) | {"model": config.model, "seed": config.seed}
    train(**fields, data=str(config.out / "store"), max_minutes=minutes, out=out, resume=out.exists())


def training_fields(store: Store, method: str) -> dict[str, Any]:
    """Settings for a short run on a processor: SAMed's loss at a calmer rate, at the size the images have.

    A detail branch, which learns within minutes, answers alone unless the method is about the decoder. A few volumes of
    even spacing are looked at along all three axes.
    """
    side = sorted(max(case.shape[1:]) for case in store.cases)[len(store.cases) // 2]
    size = next((size for limit, size in IMAGE_SIZES if side <= limit), 256)
    task = {"detail": DETAIL if size == IMAGE_SIZES[0][1] else COARSE_DETAIL, "decoder": method == "decoder"}
    return {
        "image_size": size,
        "method": {"method": "lora", "rank": 4} if method == "lora" else {"method": method},
        "optimizer": {"lr": 1.5e-3 if method == "lora" else 1e-3, "clip_norm": 1.0},
        "task": {"task": "semantic", "planes": 3 if _few_even(store) else 1} | task,
        "context": 3 if all(case.is_volume for case in store.cases) else 1,
        "balance": {"foreground_share": 0.9},
        "validation": {"every": 200, "max_cases": 12, "max_slices": 240},
        "batch_size": 16,
    }


def _few_even(store: Store) -> bool:
    """Whether there are few cases to learn from, all of them volumes that look alike along all three axes."""
    from samadapt.data.slicing import is_even

    few = len(store.split("train")) <= FEW
    return few and all(case.is_volume and is_even(case.grid) for case in store.cases)


def _measure_adapted(config: DemoConfig, training: Path, out: Path) -> None:
    from samadapt.study.evaluate import evaluate

    data = config.out / "store"
    evaluate(model=str(training), data=data, prompts=("none",), out=out, seed=config.seed, resume=True, max_cases=40)


def _dice(run: Path, choice: str, prompts: str) -> float:
    import json

    for entry in json.loads((run / "summary.json").read_text(encoding="utf-8")):
        found = entry["prompts"], entry["choice"], entry["name"], entry["figure"]
        if found == (prompts, choice, "mean without background", "dice"):
            return float(entry["mean"])
    raise DataError("the run has no Dice", where=run)
