"""Run folders in the formats that train and evaluate write, made of drawn figures."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from samadapt.core.atomic import write_json, write_text
from samadapt.core.manifest import close_run, open_run
from samadapt.core.plans import parse_plan
from samadapt.study.answers import Answer
from samadapt.study.interactive import agreement_summary, session_summary
from samadapt.study.rows import Row, summarise, to_csv

ORGANS = (
    *("liver", "right kidney", "spleen", "pancreas", "aorta", "inferior vena cava", "right adrenal gland"),
    *("left adrenal gland", "gallbladder", "esophagus", "stomach", "duodenum", "left kidney"),
)
PROMPTED = (
    *(("box", "ellipse", "baseline"), ("box", "model", "predicted"), ("box", "model", "oracle")),
    *(("point:1", "model", "predicted"), ("point:1", "model", "oracle"), ("point:3", "model", "predicted")),
)
LEVEL = {"baseline": 0.78, "predicted": 0.55, "oracle": 0.66, "semantic": 0.74}


def rows_of(conditions, names, cases: int, seed: int) -> list[Row]:
    """Rows with one missed object for each condition of a model."""
    rng = np.random.default_rng(seed)
    rows = []
    for prompts, method, choice in conditions:
        for case in range(cases):
            for label, name in enumerate(("background", *names)):
                dice = float(np.clip(rng.normal(LEVEL[choice] + 0.02 * math.sin(3 * label), 0.08), 0, 1))
                missed = method == "model" and case == 0 and label == 1
                dice, hd95 = (0.0, math.inf) if missed else (dice, 30 * (1 - dice) + 1)
                nan = math.nan
                distances = (nan, nan, nan, nan) if label == 0 else (hd95, hd95 / 4, dice * 0.9, 2.0)
                figures = dict(zip(("hd95", "assd", "nsd", "tolerance_mm"), distances))
                key = {"case": f"case_{case:04d}", "patient": f"p{case}", "label": label, "name": name, "object": 0}
                key |= {"prompts": prompts, "method": method, "choice": choice}
                sizes = {"reference_voxels": 900, "prediction_voxels": 0 if missed else 880}
                rows.append(Row(**key, dice=dice, iou=dice / (2 - dice), **figures, **sizes, seconds=0.5 + case))
    return rows


def write_evaluation(folder: Path, conditions=PROMPTED, names=ORGANS, cases=4, size=(48, 60), **facts) -> Path:
    """One evaluation; `facts` replace those of an ordinary run."""
    policies = list(dict.fromkeys(prompts for prompts, _, _ in conditions))
    config = {"model": facts.pop("source", "tiny"), "adapter": None, "data": "store", "prompts": policies, "seed": 0}
    manifest = open_run(folder, "evaluate", config)
    rows = rows_of(conditions, names, cases, facts.pop("draw", 0))
    write_text(folder / "rows.csv", to_csv(rows))
    write_json(folder / "summary.json", summarise(rows, 0))
    sets = [{"policy": p, "origin": "ground truth", "seed": 0, "hash": f"{i:016x}", "n": 74}
            for i, p in enumerate(policies) if p != "none"]  # fmt: skip
    stated = {
        **{"model": "tiny", "family": "sam", "image_size": 128, "preprocessing": "tiny", "adapter_hash": ""},
        **{"base_hash": "96ce91c517559515", "parameters_total": 3564928, "store": "store", "cases": cases},
        **{"store_fingerprint": "86cb7b71d18f7df3", "datasets": ["flare22"], "split": "test", "prompts": sets},
        **{"label_set": {str(i): name for i, name in enumerate(names, 1)}, "convention": "strict", "seed": 0},
        **{"spacing_mm": [[4.705, 2.802, 2.802]], "seconds_total": 114.49, "seconds_per_slice": 0.14827},
        **{"peak_memory_mb": 556.3},
    }
    close_run(folder, manifest, facts=stated | facts)
    write_overlays(folder / "overlays", size, len(names))
    return folder


def write_sessions(folder: Path, policy: str = "clicks:5", cases: int = 4) -> Path:
    """An evaluation of one session of clicks, with answers that are drawn like its rows."""
    plan = parse_plan(policy)
    conditions = tuple((name, "model", "predicted") for name in plan.names)
    write_evaluation(folder, conditions, ORGANS[:3], cases, predicted_iou={"n": 60, "pearson": 0.71, "spearman": 0.64})
    manifest = json.loads((folder / "run.json").read_text())
    write_json(folder / "run.json", manifest | {"config": manifest["config"] | {"prompts": [policy]}})
    rows = rows_of(conditions, ORGANS[:3], cases, 0)
    answers = [Answer(r.case, 0, r.label, 0, r.prompts, 0, 0.5, r.iou, r.dice) for r in rows if r.label]
    entries = json.loads((folder / "summary.json").read_text())
    entries += session_summary(rows, answers, plan, (0.5, 0.85), 0) + agreement_summary(answers, plan.names)
    write_json(folder / "summary.json", entries)
    return folder


def write_overlays(folder: Path, size: tuple[int, int], labels: int) -> None:
    """best_, median_ and worst_ slices with a disc for each of up to six labels."""
    folder.mkdir()
    y, x = np.mgrid[: size[0], : size[1]]
    image = (90 + 60 * np.cos(x / 7) * np.sin(y / 9)).astype(np.uint8)
    for number, rank in enumerate(("best", "median", "worst")):
        truth, answer = np.zeros(size, np.uint16), np.zeros(size, np.uint16)
        for label in range(1, min(labels, 6) + 1):
            cy, cx = size[0] * (0.25 + 0.5 * (label % 2)), size[1] * label / 7.5
            radius = min(size) / 9
            truth[(y - cy) ** 2 + (x - cx) ** 2 < radius**2] = label
            answer[(y - cy - number) ** 2 + (x - cx - number) ** 2 < (radius * 0.9) ** 2] = label
        arrays = {"image": np.repeat(image[..., None], 3, axis=2), "truth": truth, "prediction": answer}
        case = f"case_{number:04d}"
        np.savez_compressed(folder / f"{rank}_{case}.npz", dice=0.8 - number / 5, case=case, rank=rank, z=7, **arrays)


def write_training(folder: Path, steps: int = 300) -> Path:
    """One finished LoRA training."""
    config = {"model": "tiny", "data": "store", "method": {"method": "lora", "rank": 4}, "seed": 0, "batch_size": 16,
              "task": {"task": "semantic"}, "train_split": "train"}  # fmt: skip
    manifest = open_run(folder, "train", config)
    rng = np.random.default_rng(1)
    losses = [1.3 * math.exp(-s / 90) + 0.25 + 0.05 * rng.random() for s in range(1, steps + 1)]
    log = [{"step": s, "epoch": s / 10, "loss": v, "lr": 1e-4, "seconds": s / 2} for s, v in enumerate(losses, 1)]
    val = [{"step": s, "mean": 0.8 - 0.7 * math.exp(-s / 80), "dice": {"liver": 0.9}} for s in range(50, steps + 1, 50)]
    write_text(folder / "log.jsonl", "".join(json.dumps(line) + "\n" for line in log))
    write_text(folder / "val.jsonl", "".join(json.dumps(line) + "\n" for line in val))
    (folder / "adapter").mkdir()
    (folder / "adapter" / "adapter.safetensors").write_bytes(b"\0" * 271504)
    facts = {"model": "tiny", "base_hash": "96ce91c517559515", "image_size": 128, "parameters_total": 3589042,
             "parameters_trained": 161630, "steps": steps, "seconds_total": 150.2, "best_metric": 0.7835,
             "best_step": 300, "context": {"context": 3, "store": "86cb7b71d18f7df3"}}  # fmt: skip
    close_run(folder, manifest, **facts)
    return folder


@pytest.fixture
def make() -> SimpleNamespace:
    """The writers of run folders."""
    return SimpleNamespace(evaluation=write_evaluation, training=write_training, sessions=write_sessions)


@pytest.fixture
def three(tmp_path: Path) -> list[Path]:
    """Zero-shot with prompts, LoRA training, and its prompt-free result."""
    return demo_runs(tmp_path)


def demo_runs(folder: Path, **options) -> list[Path]:
    """The runs of the demo."""
    train = write_training(folder / "train")
    before = write_evaluation(folder / "zero-shot", **options)
    after = write_evaluation(
        folder / "adapted",
        (("none", "model", "semantic"),),
        source=str(train),
        draw=5,
        adapter_hash="38037e87",
        **options,
    )
    return [before, train, after]
