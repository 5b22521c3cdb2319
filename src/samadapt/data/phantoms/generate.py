"""The function behind `samadapt synth`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from samadapt.config import load_config
from samadapt.core.atomic import atomic_path, write_json
from samadapt.core.errors import ConfigError
from samadapt.data.phantoms.config import SynthConfig
from samadapt.data.phantoms.flare22 import write_flare22
from samadapt.data.phantoms.multiphase import write_multiphase


def synth(config: SynthConfig | None = None, **fields: Any) -> Path:
    """Write phantoms or random scenes; returns the folder.

    Call it with a `SynthConfig` or with its fields.
    """
    made = config or load_config(SynthConfig, values=fields)
    if made.kind == "scenes":
        write_scenes(made.out, made.cases, made.seed, made.size)
    elif made.kind == "multiphase":
        write_multiphase(made.out, made.cases, made.seed, made.shape, made.spacing_mm)
    else:
        write_flare22(made.out, made.cases, made.seed, made.shape, made.spacing_mm)
    return made.out


def write_scenes(out: str | Path, cases: int, seed: int = 0, size: int = 256) -> list[Path]:
    """Write random scenes as ``images/scene_00001.png`` and ``instances/scene_00001.png`` (16-bit, 0 is background).

    An instance map cannot hold a pixel twice, so a part is cut out of its whole. ``scenes.json`` names each kind.

    Raises
    ------
    ConfigError, DiskFull
    """
    from samadapt.data.synthetic import scene

    if cases < 1:
        raise ConfigError(f"cases must be at least 1, not {cases}", where=out)
    folder, images, kinds = Path(out), [], {}
    for number in range(1, cases + 1):
        name, made = f"scene_{number:05d}", scene(seed, number, size=size)
        images.append(folder / "images" / f"{name}.png")
        _write_png(made.image, images[-1])
        _write_png(instance_map(made.masks), folder / "instances" / f"{name}.png")
        kinds[name] = list(made.kind)
    write_json(folder / "scenes.json", {"format": "samadapt-scenes", "version": 1, "seed": seed, "kinds": kinds})
    return images


def instance_map(masks: NDArray[np.bool_]) -> NDArray[np.uint16]:
    """Object numbers (H, W) from overlapping masks (K, H, W): a smaller object lies in front of a larger one."""
    numbers = np.zeros(masks.shape[1:], dtype=np.uint16)
    for value, index in enumerate(np.argsort(-masks.sum((1, 2)), kind="stable"), start=1):
        numbers[masks[index]] = value
    return numbers


def _write_png(pixels: NDArray[Any], path: Path) -> None:
    from PIL import Image

    with atomic_path(path) as temporary:
        Image.fromarray(pixels).save(temporary, format="PNG")
