"""What a checkpoint file is, from its tensors alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from samadapt.core.errors import SamadaptError
from samadapt.models import loading
from samadapt.models.architecture import Architecture
from samadapt.models.build import canonical
from samadapt.models.convert import infer_architecture, to_transformers
from samadapt.models.families import SAM2, Family, identify
from samadapt.models.loading import Checkpoint
from samadapt.models.sam2 import names as sam2
from samadapt.models.sam2.architecture import Sam2Architecture
from samadapt.models.sam2.loading import architecture_of


@dataclass(frozen=True)
class Inspection:
    """Facts about a checkpoint.

    Attributes
    ----------
    path : str
    family : str
        "sam", "sam2", "sam-med2d", "samed-lora", "unknown", ...
    title : str
        For people.
    size_name : str
        "vit-b", ..., or "" where the network is not a SAM 1.
    image_size : int
        In pixels; 0 where unknown.
    parameters : int
        Numbers in all tensors.
    adapters : str
        Kind of adapters inside, or "".
    mask_tokens : int
        0 where unknown. 4 in SAM; one more than the classes in a prompt-free model.
    preprocessing : str
        Guess, or "".
    loadable : bool
        True if `load` would take it.
    problems : tuple of str
        Why it would not.
    """

    path: str
    family: str
    title: str
    size_name: str
    image_size: int
    parameters: int
    adapters: str
    mask_tokens: int
    preprocessing: str
    loadable: bool
    problems: tuple[str, ...]


_AMBIGUOUS = "window and global attention cannot be told apart: all relative positions are equally long"


def inspect(path: str | Path) -> Inspection:
    """Look at a checkpoint file or folder without building a model.

    Parameters
    ----------
    path : path
        Also a name of the catalog or a hub repository.

    Returns
    -------
    Inspection

    Raises
    ------
    CheckpointError
        If it cannot be read at all.
    """
    checkpoint = loading.find(path)
    family = identify(checkpoint.state)
    state = to_transformers(checkpoint.state) if family is not SAM2 else sam2.to_transformers(checkpoint.state)
    problems = [] if family.loadable else [f"{family.title}. {family.advice}"]
    size_name, image_size, tokens, plan = "", 0, 0, ""
    try:
        network = _network(checkpoint, family, state)
        size_name, image_size, tokens = network.size_name, network.image_size, network.mask_tokens
        if isinstance(network, Architecture):
            plan = checkpoint.preprocessing or loading.guess_preprocessing(checkpoint, network)
            problems += [_AMBIGUOUS] if network.ambiguous_windows else []
        else:
            plan = checkpoint.preprocessing or "sam2"
        canonical(state)
    except SamadaptError as error:
        problems.append(error.what)
    return Inspection(
        path=str(path),
        family=checkpoint.family or family.name,
        title=family.title,
        size_name=size_name,
        image_size=image_size,
        parameters=sum(tensor.numel() for tensor in checkpoint.state.values()),
        adapters=family.adapters,
        mask_tokens=tokens,
        preprocessing=plan,
        loadable=family.loadable and bool(size_name),
        problems=tuple(problems),
    )


def _network(checkpoint: Checkpoint, family: Family, state: dict[str, Tensor]) -> Architecture | Sam2Architecture:
    if family is SAM2:
        return architecture_of(checkpoint)
    return infer_architecture({key: tuple(value.shape) for key, value in state.items()})
