"""One training run in its folder: set up, loop, close."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from samadapt.config.base import dump
from samadapt.core.atomic import write_text
from samadapt.core.manifest import close_run, open_run, require_free
from samadapt.data.store import Store
from samadapt.models.device import peak_memory_mb
from samadapt.train import TrainResult
from samadapt.train.build import Parts, build, build_optimizer
from samadapt.train.config import SYNTHETIC, TrainConfig
from samadapt.train.embeddings import fill
from samadapt.train.loop import Loop
from samadapt.train.pictures import StorePictures
from samadapt.train.planes import PLANES, cases_to_cut, cut_planes, in_planes, uncut
from samadapt.train.schedule import Length
from samadapt.train.state import STATE_FILE, Progress, load_state

NOT_PART_OF_THE_RESULT = {
    *("resume", "num_workers", "log_every", "save_every", "save_seconds", "tensorboard", "out", "cache_embeddings")
}


def run(config: TrainConfig) -> TrainResult:
    """Train as a configuration says; see `samadapt.train.train`."""
    fabric = _fabric(config)
    if fabric.is_global_zero:
        require_free(config.out, "train", _tree(config), resume=config.resume)
    with _arithmetic(config, fabric.device):
        manifest = _cut(config) if fabric.is_global_zero else {}
        fabric.barrier()
        parts = build(config, fabric.device)
        optimizer = build_optimizer(config, parts.model)
        if config.cache_embeddings is not None:
            fill(parts.step, parts.encoded, fabric.global_rank, fabric.world_size)
            fabric.barrier()
        if fabric.is_global_zero and not manifest:
            manifest = _open(config)
        fabric.barrier()
        progress = _resume(config, parts, optimizer)
        length = Length.of(
            config.steps, config.epochs, config.max_minutes, parts.order.batches_per_epoch / config.accumulate
        )
        loop = Loop(config, fabric, parts, optimizer, progress, length)
        progress = loop.run()
    if fabric.is_global_zero:
        close_run(config.out, manifest, **_facts(parts, progress))
        shutil.rmtree(config.out / PLANES, ignore_errors=True)
    fabric.barrier()
    best = progress.best if progress.best >= 0 else None
    return TrainResult(config.out, loop.keeper.best, best, progress.seconds, config.task.task)


def _cut(config: TrainConfig) -> dict[str, Any]:
    """Open the run and cut its volumes along every axis, if they are to be; else the run is opened later."""
    if not in_planes(config):
        return {}
    store = Store.open(config.data)
    cases = cases_to_cut(store, config)
    manifest = _open(config)
    cut_planes(store, cases, config.out / PLANES)
    return manifest


def _fabric(config: TrainConfig) -> Any:
    from lightning_fabric import Fabric

    accelerator = config.accelerator
    if accelerator == "auto":
        accelerator = "cuda" if torch.cuda.is_available() else "cpu"
    several = config.devices > 1 or int(os.environ.get("WORLD_SIZE", "1")) > 1
    strategy: Any = config.strategy
    if strategy == "auto" and several:
        from lightning_fabric.strategies import DDPStrategy

        # A round may leave prompt encodings without a gradient, so unused parameters must be looked for.
        strategy = DDPStrategy(find_unused_parameters=True)
    fabric = Fabric(accelerator=accelerator, devices=config.devices, strategy=strategy, precision="32-true")
    fabric.launch()
    return fabric


def _tree(config: TrainConfig) -> dict[str, Any]:
    return {k: v for k, v in config.model_dump(mode="json").items() if k not in NOT_PART_OF_THE_RESULT}


def _open(config: TrainConfig) -> dict[str, Any]:
    manifest = open_run(config.out, "train", _tree(config), resume=config.resume)
    write_text(config.out / "config.yaml", dump(config))
    return manifest


def _resume(config: TrainConfig, parts: Parts, optimizer: torch.optim.Optimizer) -> Progress:
    path = config.out / STATE_FILE
    if not (config.resume and path.exists()):
        return Progress()
    return load_state(path, parts.model, optimizer)


@contextmanager
def _arithmetic(config: TrainConfig, device: torch.device) -> Iterator[None]:
    """Threads, and the faster library for float32 products unless strict fp32 was asked for; restored afterwards."""
    precision, threads = torch.get_float32_matmul_precision(), torch.get_num_threads()
    torch.set_float32_matmul_precision("highest" if config.precision == "fp32" else "medium")
    if config.threads is not None:
        torch.set_num_threads(config.threads)
    elif config.data == SYNTHETIC and device.type == "cpu":
        torch.set_num_threads(max(1, threads - config.num_workers))
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(precision)
        torch.set_num_threads(threads)


def _facts(parts: Parts, progress: Progress) -> dict[str, Any]:
    model = parts.model
    counts = [(p.numel(), p.requires_grad) for p in model.parameters()]
    return {
        "model": model.name,
        "base_hash": model.base_hash,
        "image_size": model.image_size,
        "preprocessing": model.preprocessing.name,
        "context": parts.context,
        "learnt_from": _learnt_from(parts),
        "parameters_total": sum(n for n, _ in counts),
        "parameters_trained": sum(n for n, learns in counts if learns),
        "bf16": parts.step.bf16,
        "embeddings": kept.folder.name if (kept := parts.samples.prepare.embeddings) else None,
        "steps": progress.step,
        "seconds_total": progress.seconds,
        "best_metric": progress.best if progress.best >= 0 else None,
        "best_step": progress.best_step,
        "peak_memory_mb": peak_memory_mb(),
    }


def _learnt_from(parts: Parts) -> dict[str, int]:
    """Patients, cases and slices that training drew from; empty for generated scenes."""
    pictures = parts.samples.pictures
    if not isinstance(pictures, StorePictures):
        return {}
    cases = sorted(set(pictures.store.slices["case"][pictures.rows].tolist()))
    records = [pictures.store.cases[case] for case in cases]
    counts = {"patients": len({one.patient for one in records}), "cases": len({uncut(one.name) for one in records})}
    return counts | {"slices": len(pictures.rows)}
