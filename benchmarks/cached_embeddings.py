"""A decoder-only training step: embeddings read from disk against embeddings computed every time.

Both sides are `samadapt train`'s own samples and steps with the same seed on one store of phantoms: read and prepare
the batch, embedding, decoder forward and backward, optimiser. Their losses must be equal, bit for bit. The time it
takes to encode every picture once is reported apart.

    python benchmarks/cached_embeddings.py
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch.utils.data import default_collate

from harness import alternate, compare, record
from samadapt import models
from samadapt.data.phantoms import write_flare22
from samadapt.data.prepare import prepare
from samadapt.models.loading import save_packaged
from samadapt.train.build import Parts, build, build_optimizer
from samadapt.train.config import TrainConfig
from samadapt.train.embeddings import fill

CASES, SHAPE = 3, (8, 128, 128)
DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def side(config: TrainConfig, parts: Parts, losses: list[float]) -> Callable[[], None]:
    """The next step of a run, which remembers its loss."""
    optimizer, taken = build_optimizer(config, parts.model), iter(range(10**6))

    def one() -> None:
        batch = default_collate([parts.samples[ticket] for ticket in parts.order.batch(next(taken))])
        loss = parts.step({name: tensor.to(DEVICE) for name, tensor in batch.items()})["loss"]
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))

    return one


def sides(folder: Path, arguments: argparse.Namespace) -> dict[str, TrainConfig]:
    """Both runs; they differ in where embeddings come from."""
    write_flare22(folder / "phantoms", cases=CASES, shape=SHAPE)
    prepare(source=folder / "phantoms", out=folder / "store")
    base = save_packaged(models.fresh(arguments.network, image_size=arguments.size), folder / "base", "base")
    config = TrainConfig(
        model=str(base),
        data=str(folder / "store"),
        out=folder / "run",
        image_size=arguments.size,
        task={"task": arguments.task, **({} if arguments.task == "semantic" else {"zoom_share": 0.0})},
        method={"method": "decoder"},
        augment={"policy": "none"},
        batch_size=arguments.batch,
        steps=1000,
        validation={"max_cases": 1, "max_slices": 1},
    )
    return {"kept": config.model_copy(update={"cache_embeddings": folder / "embeddings"}), "computed": config}


def main() -> None:
    """Measure, compare, write results/cached_embeddings.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--network", default="vit-b")
    parser.add_argument("--task", choices=["semantic", "box", "interactive"], default="semantic")
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    torch.set_float32_matmul_precision("medium")
    with tempfile.TemporaryDirectory() as name:
        configs = sides(Path(name), arguments)
        parts = {key: build(config, DEVICE) for key, config in configs.items()}
        start = time.perf_counter()
        fill(parts["kept"].step, [parts["kept"].samples])
        filling = time.perf_counter() - start
        files = list(Path(name).glob("embeddings/*/*.safetensors"))
        losses: dict[str, list[float]] = {key: [] for key in configs}
        steps = {key: side(configs[key], parts[key], losses[key]) for key in configs}
        figures: dict[str, object] = dict(compare(alternate(steps, arguments.rounds), "kept", "computed"))
        figures |= {"fill_s": filling, "pictures": len(files), "mib_a_picture": files[0].stat().st_size / 2**20}
    figures |= {key: value for key, value in vars(arguments).items() if key != "rounds"}
    figures |= {"device": str(DEVICE), "bf16": parts["kept"].step.bf16, "torch_threads": torch.get_num_threads()}
    figures |= {"equal_losses": losses["kept"] == losses["computed"], "losses": losses["kept"]}
    record("cached_embeddings", figures, {"ratio": (">=", 3.0), "equal_losses": (">=", True)})


if __name__ == "__main__":
    main()
