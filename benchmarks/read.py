"""Reading random slices of 512 x 512 with labels: slices a second with two workers.

Ours gives the original int16 pixels and the class map from the store. Beside it, the two ways MedSAM's code keeps
slices: .npy of 1024 x 1024 x 3 float64 with labels (its training set), and compressed .npz of 512 x 512 uint8.
All files are in the page cache, as they are in the second epoch.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from harness import alternate, compare, record
from phantom import PhantomRecipe
from samadapt.core.rng import named_rng
from samadapt.data.prepare import prepare
from samadapt.data.store import Store
from samadapt.data.window import to_display

WORKERS = 2


def read_store(store: Store, indices: list[int]) -> int:
    """Pixels and classes of slices."""
    total = 0
    for index in indices:
        case, z = (int(v) for v in store.slices[index % len(store.slices)])
        total += int(store.image(case, z).pixels[0, 0]) + int(store.labels(case, z)[0, 0])
    return total


def read_store_display(store: Store, indices: list[int]) -> int:
    """The same with the window applied: (H, W, 3) float32, what a model's preprocessing takes."""
    total = 0
    for index in indices:
        case, z = (int(v) for v in store.slices[index % len(store.slices)])
        image = store.image(case, z)
        total += int(to_display(image.pixels, image.window)[0, 0, 0]) + int(store.labels(case, z)[0, 0])
    return total


def read_npy(folder: Path, indices: list[int]) -> int:
    """MedSAM's training files."""
    total = 0
    for index in indices:
        total += int(np.load(folder / f"imgs-{index % 20}.npy")[0, 0, 0])
        total += int(np.load(folder / f"gts-{index % 20}.npy")[0, 0])
    return total


def read_npz(folder: Path, indices: list[int]) -> int:
    """Compressed slices."""
    total = 0
    for index in indices:
        with np.load(folder / f"{index % 20}.npz") as file:
            total += int(file["imgs"][0, 0]) + int(file["gts"][0, 0])
    return total


def _work(read: Callable[[Any, list[int]], int], what: Any, indices: list[int], barrier: Any, results: Any) -> None:
    read(what, indices[:3])
    barrier.wait()
    start = time.perf_counter()
    read(what, indices)
    results.put(time.perf_counter() - start)


def slices_a_second(read: Callable[[Any, list[int]], int], what: Any, count: int) -> float:
    """Rate of `WORKERS` processes that read `count` random slices each, without their start."""
    context = multiprocessing.get_context("fork")
    barrier, results = context.Barrier(WORKERS), context.Queue()
    indices = [named_rng("bench read", w).integers(0, 1 << 30, count).tolist() for w in range(WORKERS)]
    workers = [context.Process(target=_work, args=(read, what, indices[w], barrier, results)) for w in range(WORKERS)]
    for worker in workers:
        worker.start()
    slowest = max(results.get() for _ in workers)
    for worker in workers:
        worker.join()
    return WORKERS * count / slowest


def write_medsam(store: Store, folder: Path) -> None:
    """20 slices as MedSAM's npy and as npz."""
    for index in range(20):
        case, z = (int(v) for v in store.slices[40 + index])
        image, labels = store.image(case, z), store.labels(case, z)
        display = to_display(image.pixels, image.window)
        large = np.kron(display / 255.0, np.ones((2, 2, 1))).astype(np.float64)
        np.save(folder / f"imgs-{index}.npy", large)
        np.save(folder / f"gts-{index}.npy", np.kron(labels, np.ones((2, 2), np.uint8)))
        np.savez_compressed(folder / f"{index}.npz", imgs=display[..., 0].astype(np.uint8), gts=labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=300, help="slices for each worker and round")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = prepare(recipe=PhantomRecipe([(100, 512, 512)] * 2), source=".", out=folder / "store", workers=2)
        write_medsam(store, folder)
        rates: dict[str, list[float]] = {}
        few = max(20, arguments.count // 10)
        alternate(
            {
                "ours": lambda: keep(rates, "ours", slices_a_second(read_store, store, arguments.count)),
                "ours_display": lambda: keep(
                    rates, "ours_display", slices_a_second(read_store_display, store, arguments.count)
                ),
                "npy": lambda: keep(rates, "npy", slices_a_second(read_npy, folder, few)),
                "npz": lambda: keep(rates, "npz", slices_a_second(read_npz, folder, few)),
            },
            arguments.rounds,
            warm_up=False,
        )
    seconds = {name: [1.0 / rate for rate in values] for name, values in rates.items()}
    figures: dict[str, Any] = {f"{name}_slices_a_second": float(np.median(values)) for name, values in rates.items()}
    figures["ratio_to_medsam_npy"] = compare(seconds, "ours", "npy")["ratio"]
    figures["ratio_to_npz"] = compare(seconds, "ours", "npz")["ratio"]
    record("read", figures, {"ours_slices_a_second": (">=", 400.0)})


def keep(rates: dict[str, list[float]], name: str, rate: float) -> None:
    rates.setdefault(name, []).append(rate)


if __name__ == "__main__":
    main()
