"""One way to load any SAM: a name, a hub repository, a folder or a file."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from samadapt.config.channels import channel_names
from samadapt.core.atomic import atomic_path, write_json
from samadapt.core.errors import CheckpointError
from samadapt.core.progress import say
from samadapt.data.channels import Channels
from samadapt.models import catalog, hub, preprocess
from samadapt.models.architecture import MASK_TOKENS, Architecture
from samadapt.models.build import assemble, canonical
from samadapt.models.convert import infer_architecture, to_meta, to_transformers
from samadapt.models.families import EDGETAM, MSA, SAM2, SAM3, Family, identify
from samadapt.models.msa import NO_DECODER, plain
from samadapt.models.promptable import SamPromptable
from samadapt.models.read import read_tensors
from samadapt.models.stem import COLOURS, describe_channels, restore_channels

WEIGHTS = Path(__file__).parent / "weights"
SIDE_FILE = "samadapt.json"


@dataclass(frozen=True)
class Checkpoint:
    """Tensors with what is known about them.

    Attributes
    ----------
    state : mapping of str to Tensor
        By the file's own names.
    name : str
        What `load` takes to find it again: a name, a repository, or an absolute path.
    family : str
    preprocessing : str
        "" to guess.
    multimask : bool or None
    config : dict
        transformers' configuration, where there is one.
    where : object
        For messages.
    architecture : dict
        Fields of the network that a file beside the weights names.
    head : dict
        Classes of a prompt-free head, from the same file.
    channels : dict
        What `samadapt.models.stem.describe_channels` wrote into it.
    """

    state: Mapping[str, Tensor]
    name: str
    family: str = ""
    preprocessing: str = ""
    multimask: bool | None = None
    config: dict[str, Any] = field(default_factory=dict)
    where: object = None
    architecture: dict[str, Any] = field(default_factory=dict)
    head: dict[str, Any] = field(default_factory=dict)
    channels: dict[str, Any] = field(default_factory=dict)


def load(
    name_or_path: str | Path,
    image_size: int | None = None,
    allow: Sequence[str] = (),
    *,
    preprocessing: str | None = None,
) -> SamPromptable:
    """Load a SAM with its preprocessing.

    Parameters
    ----------
    name_or_path : str or path
        Name in the catalog ("tiny", "sam-vit-b", "medsam", ...), repository on the Hugging Face hub, folder saved by
        transformers, or `.pth`, `.pt`, `.bin`, `.safetensors` file in the original or in transformers' layout.
    image_size : int, optional
        Side of the input in pixels, a multiple of the patch size; the checkpoint's own by default. Position tables are
        resampled and named in `report.resampled`.
    allow : sequence of str
        Groups ("missing", "unexpected", "dropped") or glob patterns of tensors that may be missing, left over or unfit.
    preprocessing : str, optional
        See `samadapt.models.preprocess.get`. By default the catalog's, else what file name and shapes suggest.

    Returns
    -------
    SamPromptable
        On the CPU, in float32, in evaluation mode, all weights trainable.

    Raises
    ------
    CheckpointError
        If it cannot be found, downloaded or read safely, is of another family, or does not fit.
    NonFiniteValues
        If a weight is NaN or infinite.
    """
    checkpoint = find(name_or_path)
    return from_checkpoint(checkpoint, image_size, allow, preprocessing=preprocessing)


def packaged(name: str = "tiny", image_size: int | None = None) -> SamPromptable:
    """Load a model whose weights are part of this package.

    Raises
    ------
    CheckpointError
        If this installation has no such weights.
    """
    return from_checkpoint(_packaged(name), image_size)


def from_checkpoint(
    checkpoint: Checkpoint,
    image_size: int | None = None,
    allow: Sequence[str] = (),
    *,
    preprocessing: str | None = None,
) -> SamPromptable:
    """Build the model of a checkpoint; see `load`."""
    model = _built(checkpoint, image_size, allow, preprocessing)
    if checkpoint.channels:
        restore_channels(model, checkpoint.channels, checkpoint.where)
    elif model.inputs > COLOURS:
        model.channels = Channels(channel_names(model.inputs))
    return model


def _built(
    checkpoint: Checkpoint, image_size: int | None, allow: Sequence[str], preprocessing: str | None
) -> SamPromptable:
    family = identify(checkpoint.state)
    if not (family.loadable or _allows_adapters(family, checkpoint.state, allow)):
        raise CheckpointError(f"this is {family.title}", where=checkpoint.where, remedy=family.advice)
    _tell_licence(checkpoint, family)
    if family in (SAM2, SAM3, EDGETAM):
        plan = preprocessing or checkpoint.preprocessing or ("sam3" if family is SAM3 else "sam2")
        return _tracker_builder(family)(checkpoint, image_size, allow, preprocessing=plan)
    state = to_transformers(checkpoint.state)
    if family is MSA:
        state = plain(state)
    architecture = architecture_of(checkpoint, state)
    chosen = preprocessing or checkpoint.preprocessing or guess_preprocessing(checkpoint, architecture)
    medsam = chosen == "medsam"
    model = assemble(
        architecture,
        state,
        preprocess.get(chosen, architecture.image_size),
        name=checkpoint.name,
        family=checkpoint.family or ("medsam" if medsam else "sam-hq" if architecture.hq else "sam"),
        image_size=image_size,
        allow=allow,
        where=checkpoint.where,
        looks_like=family.title,
        multimask=not medsam if checkpoint.multimask is None else checkpoint.multimask,
    )
    model.encoder_only = "missing" not in allow and not any(key.startswith("mask_decoder.") for key in state)
    return model


def _tracker_builder(family: Family) -> Callable[..., SamPromptable]:
    """What builds the models of a family with SAM 2's decoder."""
    if family is SAM3:
        from samadapt.models.sam3.loading import build as build_sam3

        return build_sam3
    if family is EDGETAM:
        from samadapt.models.edgetam.loading import build as build_edgetam

        return build_edgetam
    from samadapt.models.sam2.loading import build as build_sam2

    return build_sam2


def architecture_of(checkpoint: Checkpoint, state: Mapping[str, Tensor]) -> Architecture:
    """Network of a SAM 1: its tensors, then what config.json or a file beside the weights says.

    Parameters
    ----------
    checkpoint : Checkpoint
    state : mapping of str to Tensor
        Its tensors by transformers' names.

    Raises
    ------
    CheckpointError
        If a tensor that is needed to tell is absent, or the facts do not fit the tensors.
    """
    try:
        inferred = infer_architecture({key: tuple(value.shape) for key, value in state.items()})
        return inferred.told({**hub.facts(checkpoint.config), **checkpoint.architecture})
    except CheckpointError as error:
        raise CheckpointError(error.what, where=checkpoint.where, remedy=error.remedy) from error


def done_without(state: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Patterns of what may be left over or lack where a whole model is loaded with what its file holds.

    Adapters are put in afterwards; Medical SAM Adapter also saves image encoders alone.
    """
    family = identify(state)
    alone = family is MSA and not any(key.startswith("mask_decoder.") for key in state)
    return (*family.extra, *(NO_DECODER if alone else ()))


def find(name_or_path: str | Path) -> Checkpoint:
    """Tensors of a name, repository, folder or file; see `load`."""
    path = Path(name_or_path).expanduser()
    if path.is_dir():
        return _folder(path)
    if path.is_file():
        return _file(path)
    entry = catalog.find(str(name_or_path))
    if entry is not None:
        return _entry(entry)
    text = str(name_or_path)
    if text.count("/") == 1 and not path.suffix and not text.startswith((".", "/", "~")):
        return _folder(hub.download(text), name=text)
    if path.suffix or "/" in text:
        raise CheckpointError("there is no such file or folder", where=text)
    catalog.get(text)
    raise CheckpointError(f"no model is called {text!r}")


def guess_preprocessing(checkpoint: Checkpoint, architecture: Architecture) -> str:
    """Preprocessing suggested by the file's name, its adapters, or the number of its mask tokens."""
    name = Path(str(checkpoint.where or checkpoint.name)).name.lower().replace("-", "").replace("_", "")
    for mark, known in (("medsam", "medsam"), ("sammed2d", "sammed2d"), ("samed", "samed")):
        if mark in name:
            return known
    if any(".Adapter.channel." in key for key in checkpoint.state):
        return "sammed2d"
    if any(".Space_Adapter." in key for key in checkpoint.state):
        return "msa"
    return "sam" if architecture.mask_tokens == MASK_TOKENS else "samed"


def save_packaged(model: SamPromptable, folder: Path, name: str, **facts: Any) -> Path:
    """Write a model as this package carries them: float16 tensors with a JSON file beside them.

    Parameters
    ----------
    model : SamPromptable
    folder : path
    name : str
        Stem of both files.
    **facts
        Further JSON entries (licence, data, seed, scores).

    Returns
    -------
    Path
        Of the safetensors file.
    """
    import torch
    from safetensors.torch import save_file

    state = {key: value.to("cpu", torch.float16) for key, value in to_meta(canonical(model.sam.state_dict())).items()}
    target = Path(folder) / f"{name}.safetensors"
    with atomic_path(target) as temporary:
        save_file(state, str(temporary))
    plan: dict[str, Any] = {"name": name, "family": model.family, "preprocessing": model.preprocessing.name}
    plan |= {"channels": describe_channels(model)} if model.channels else {}
    write_json(target.with_suffix(".json"), plan | {"architecture": model.architecture.as_dict()} | facts)
    return target


def _entry(entry: catalog.Entry) -> Checkpoint:
    if entry.status == "packaged":
        return _packaged(entry.name)
    if entry.status == "untrained":
        raise CheckpointError(
            f"{entry.title}: there are no weights to load",
            where=entry.name,
            remedy=f"Train it: samadapt train --model {entry.name} --data STORE --out RUN; then give RUN.",
        )
    if entry.status == "file":
        raise CheckpointError(
            f"{entry.title} is not on the hub", where=entry.name, remedy=f"See {entry.url}. {entry.note}"
        )
    found = _folder(hub.download(entry.hub_id), name=entry.name)
    say(f"{entry.title}: licence {entry.licence}")
    return Checkpoint(
        found.state, entry.name, entry.family, entry.preprocessing, entry.multimask, found.config, entry.hub_id
    )


def _tell_licence(checkpoint: Checkpoint, family: Family) -> None:
    """Say under which licence the published weights are, where a file or folder is of a family of its own."""
    licence = catalog.licence_of("", family.name)
    if family.tell_licence and catalog.find(checkpoint.name) is None:
        say(f"{family.title}: the published weights have the licence {licence}")


def _packaged(name: str) -> Checkpoint:
    path = WEIGHTS / f"{name}.safetensors"
    if not path.exists():
        raise CheckpointError(
            f"this installation carries no weights called {name!r}",
            where=path,
            remedy="Install the released package, or give a checkpoint file.",
        )
    return _file(path, name)


def _file(path: Path, name: str = "") -> Checkpoint:
    state, known = read_tensors(path), _side_file(path.with_suffix(".json"))
    return Checkpoint(
        state,
        name or str(path.resolve()),
        known.get("family", ""),
        known.get("preprocessing", ""),
        known.get("multimask"),
        where=path,
        architecture=known.get("architecture", {}),
        head=known.get("head", {}),
        channels=known.get("channels", {}),
    )


def _folder(folder: Path, name: str = "") -> Checkpoint:
    state, config = hub.read_folder(folder)
    known = _side_file(folder / SIDE_FILE)
    return Checkpoint(
        state,
        name or str(folder.resolve()),
        known.get("family", ""),
        known.get("preprocessing", ""),
        known.get("multimask"),
        config,
        folder,
        known.get("architecture", {}),
        known.get("head", {}),
        known.get("channels", {}),
    )


def _side_file(path: Path) -> dict[str, Any]:
    """What samadapt itself wrote beside the weights; empty where there is nothing of that kind."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError, UnicodeDecodeError):
        return {}
    return known if isinstance(known, dict) and known.keys() & {"preprocessing", "architecture"} else {}


def _allows_adapters(family: Family, state: Mapping[str, Tensor], allow: Sequence[str]) -> bool:
    """A whole SAM with adapters inside may be loaded without them if the caller says so."""
    complete = any(key.startswith(("image_encoder.blocks.", "vision_encoder.layers.")) for key in state)
    return bool(family.adapters and complete and allow)
