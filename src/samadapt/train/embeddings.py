"""Embeddings kept on disk, for training that leaves the image encoder as it is: encoded once, then only read.

Every picture has a safetensors file with a checksum of its own, written atomically, so an interrupted run goes on where
it stopped and several processes or runs may fill one folder. The folder's name is a hash of everything that decides an
embedding (weights, preprocessing, image size, data, arithmetic): another encoder or store reads another folder.

An embedding read equals the one computed bit for bit because both are made of one image at a time: matrix products of
another shape may round otherwise.
"""

from __future__ import annotations

import shutil
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from samadapt.core.atomic import atomic_path, write_json
from samadapt.core.errors import ConfigError, DiskFull, StoreError
from samadapt.core.manifest import environment, text_hash
from samadapt.data.store import Store
from samadapt.models import SamPromptable
from samadapt.models.build import hash_tensors
from samadapt.models.maps import FeatureMaps
from samadapt.train.augment import Draw
from samadapt.train.config import SYNTHETIC, TrainConfig
from samadapt.train.logs import Display, clock

if TYPE_CHECKING:
    from samadapt.train.samples import ObjectSamples, SemanticSamples
    from samadapt.train.steps import Step

FORMAT = 1
FACTS = "about.json"
PREFIX = "kept_"
"""Before the names of the maps of an embedding, in files and batches: kept_0 is the embedding, the rest is finer."""
CHECKSUM = "crc32"
TELL_EVERY_S = 20.0


@dataclass(frozen=True)
class Embeddings:
    """Kept embeddings of some slices of a store.

    Attributes
    ----------
    folder : Path
        Of one encoder, preprocessing and store.
    rows : ndarray of int64
        Rows of `store.slices`, by item.
    with_pixels : bool
        The step needs the pixels beside the embedding.
    """

    folder: Path
    rows: NDArray[np.int64]
    with_pixels: bool = False

    def path(self, item: int) -> Path:
        """File of an item."""
        return self.folder / f"{int(self.rows[item]):08d}.safetensors"

    def has(self, item: int) -> bool:
        """True if there is a whole file; what is in it is looked at when it is read."""
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(self.path(item), framework="pt"):
                return True
        except (SafetensorError, OSError):
            return False

    def read(self, item: int) -> dict[str, Tensor]:
        """{"kept_0": (C, h, w), ...} float32, the embedding of an item and its finer maps.

        Raises
        ------
        StoreError
            If the file is missing or damaged.
        """
        from safetensors import SafetensorError, safe_open

        path = self.path(item)
        try:
            with safe_open(path, framework="pt") as file:
                maps = {name: file.get_tensor(name) for name in sorted(file.keys())}
                wanted = file.metadata()[CHECKSUM]
        except (SafetensorError, OSError, KeyError, TypeError) as error:
            raise _damaged(path, str(error)) from error
        if wanted != _checksum(maps):
            raise _damaged(path, "its content does not have its checksum")
        return maps

    def write(self, item: int, embedding: Tensor | FeatureMaps) -> None:
        """Keep the embedding of an item, (1, C, h, w) float32.

        Raises
        ------
        DiskFull
        """
        from safetensors.torch import save_file

        maps = {name: tensor[0].cpu().contiguous() for name, tensor in pack(embedding).items()}
        with atomic_path(self.path(item)) as temporary:
            save_file(maps, temporary, metadata={CHECKSUM: _checksum(maps)})


def pack(embedding: Tensor | FeatureMaps) -> dict[str, Tensor]:
    """Maps of an embedding by name."""
    maps = (embedding.image, *embedding.finer) if isinstance(embedding, FeatureMaps) else (embedding,)
    return {f"{PREFIX}{number}": tensor for number, tensor in enumerate(maps)}


def unpack(batch: Mapping[str, Tensor]) -> Tensor | FeatureMaps | None:
    """The inverse of `pack`; None for a batch without kept maps."""
    maps = [batch[name] for name in sorted(batch) if name.startswith(PREFIX)]
    if not maps:
        return None
    return FeatureMaps(maps[0], tuple(maps[1:])) if maps[1:] else maps[0]


def hindrance(config: TrainConfig, *, encoder_learns: bool, zoom_share: float) -> ConfigError | None:
    """Why a run cannot keep its embeddings; None if every picture has the same one every time."""
    if encoder_learns:
        return ConfigError(
            "embeddings change while the image encoder learns, so they cannot be kept",
            where=f"cache_embeddings with method {config.method.method}",
            remedy="Set method.method=decoder, or leave out cache_embeddings.",
        )
    if config.data == SYNTHETIC:
        return ConfigError(
            "generated scenes are drawn on the fly, so their embeddings cannot be kept",
            where="cache_embeddings with data synthetic",
            remedy="Write scenes with samadapt synth and prepare them, or leave out cache_embeddings.",
        )
    if config.augment.policy != "none":
        return ConfigError(
            "augmentation shows every picture differently each time, so embeddings cannot be kept",
            where=f"cache_embeddings with augment.policy {config.augment.policy}",
            remedy="Set augment.policy=none, or leave out cache_embeddings.",
        )
    if zoom_share:
        return ConfigError(
            f"a share of {zoom_share:g} of the samples shows a random window, so embeddings cannot be kept",
            where="cache_embeddings with task.zoom_share",
            remedy="Set task.zoom_share=0, or leave out cache_embeddings.",
        )
    return None


def open_folder(config: TrainConfig, model: SamPromptable, store: Store, *, bf16: bool) -> Path:
    """Folder for the embeddings of this run, under `config.cache_embeddings`.

    Raises
    ------
    ConfigError
        If that is no folder.
    """
    assert config.cache_embeddings is not None
    facts = _identity(config, model, store, bf16)
    folder = config.cache_embeddings / text_hash(repr(sorted(facts.items())))
    try:
        if not (folder / FACTS).exists():
            made = {"model": model.name, "device": str(model.device), "threads": torch.get_num_threads()}
            write_json(folder / FACTS, facts | {"made_with": made | environment()})
    except (FileExistsError, NotADirectoryError, PermissionError) as error:
        raise ConfigError(
            f"no folder can be made there ({error.strerror})",
            where=f"cache_embeddings {config.cache_embeddings}",
            remedy="Choose another folder.",
        ) from error
    return folder


def fill(step: Step, samples: Sequence[SemanticSamples | ObjectSamples], rank: int = 0, world: int = 1) -> None:
    """Encode every picture that has no file yet, one at a time; process `rank` of `world` does its share.

    Raises
    ------
    DiskFull
        If the disk has no room, also when the first picture shows that it will not have enough.
    """
    pictures = {_kept(one).path(item): (one, item) for one in samples for item in range(len(one))}
    missing = [(one, item) for one, item in list(pictures.values())[rank::world] if not _kept(one).has(item)]
    display, start, told = Display(enabled=rank == 0), time.monotonic(), time.monotonic()
    for number, (one, item) in enumerate(missing):
        picture = one.pictures[item]
        pixels = one.prepare.pixels(picture.display, picture.grey, Draw())
        _kept(one).write(item, step.encode(pixels[None].to(step.model.device)))
        if number == 0:
            _require_room(_kept(one).path(item), (len(missing) - 1) * world)
        if time.monotonic() - told > TELL_EVERY_S:
            told = time.monotonic()
            left = (told - start) / (number + 1) * (len(missing) - number - 1)
            display.say(f"encoded {number + 1} of {len(missing)} pictures, {clock(left)} left")
    display.say(f"embeddings: {len(missing)} encoded, {len(pictures)} in all")


def _identity(config: TrainConfig, model: SamPromptable, store: Store, bf16: bool) -> dict[str, Any]:
    """All that decides an embedding, JSON-ready."""
    tensors = {f"{i}.{k}": v for i, part in enumerate(model.encoder_parts) for k, v in part.state_dict().items()}
    return {
        "format": FORMAT,
        "base": model.base_hash,
        "encoder": hash_tensors(tensors),
        "image_size": model.image_size,
        "preprocessing": asdict(model.preprocessing),
        "arithmetic": f"{'bf16' if bf16 else 'fp32'}, products {torch.get_float32_matmul_precision()}",
        "store": store.fingerprint,
        "context": config.context,
        "channels": repr(model.channels),
    }


def _kept(samples: SemanticSamples | ObjectSamples) -> Embeddings:
    kept = samples.prepare.embeddings
    assert kept is not None
    return kept


def _require_room(path: Path, more: int) -> None:
    """Room for `more` files like this one."""
    needed, free = more * path.stat().st_size, shutil.disk_usage(path.parent).free
    if needed > free:
        raise DiskFull(
            f"the embeddings need {needed / 1e9:.2f} GB more, the disk has {free / 1e9:.2f} GB",
            where=path.parent,
            remedy="Free some space, choose another folder or a smaller image_size, or leave out cache_embeddings.",
        )


def _checksum(maps: Mapping[str, Tensor]) -> str:
    total = 0
    for name in sorted(maps):
        total = zlib.crc32(maps[name].numpy().data, total)
    return f"{total:08x}"


def _damaged(path: Path, what: str) -> StoreError:
    return StoreError(
        f"a kept embedding cannot be used: {what}",
        where=path,
        remedy="Delete this file and run the same command again with --resume: the picture is encoded anew.",
    )
