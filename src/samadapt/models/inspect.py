"""What a checkpoint file is, from its tensors alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from samadapt.core.errors import SamadaptError
from samadapt.models import catalog, loading
from samadapt.models.architecture import KNOWN, MASK_TOKENS, Architecture
from samadapt.models.build import canonical, compare, empty_sam, slots
from samadapt.models.convert import POSITION_ALIAS, to_transformers
from samadapt.models.edgetam import names as edgetam
from samadapt.models.edgetam.architecture import EdgeTamArchitecture
from samadapt.models.edgetam.build import empty_edgetam
from samadapt.models.edgetam.loading import architecture_of as edgetam_architecture_of
from samadapt.models.families import EDGETAM, MED2D, MSA, SAM2, SAM3, SAMED_LORA, Family, identify
from samadapt.models.load_report import LoadReport, some
from samadapt.models.loading import Checkpoint
from samadapt.models.msa import plain
from samadapt.models.sam2 import names as sam2
from samadapt.models.sam2.architecture import Sam2Architecture, TrackerArchitecture
from samadapt.models.sam2.build import empty_sam2
from samadapt.models.sam2.loading import architecture_of
from samadapt.models.sam3 import names as sam3
from samadapt.models.sam3.architecture import Sam3Architecture
from samadapt.models.sam3.build import empty_sam3
from samadapt.models.sam3.loading import architecture_of as sam3_architecture_of


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
        "vit-b", "hiera-tiny", "sam3", ..., or "" where no network is inside.
    image_size : int
        In pixels; 0 where unknown.
    parameters : int
        Numbers in all tensors.
    adapters : str
        Kind of adapters inside, or "".
    adapter_size : int
        Rank of low-rank updates, or width of bottlenecks; 0 without.
    mask_tokens : int
        0 where unknown. 4 in SAM; one more than the classes in a prompt-free model.
    classes : int
        Of a prompt-free model, without background; 0 for one that takes prompts.
    preprocessing : str
        Guess, or "".
    licence : str
        As published; whoever trained the file may have chosen another.
    missing : tuple of str
        What the network needs and the file lacks; an image encoder of Medical SAM Adapter loads without a decoder, a
        SAM 2, SAM 3 or EdgeTAM without its memory.
    assumed : tuple of str
        What no tensor tells, taken from the published networks.
    loadable : bool
        True if `load_model` takes it alone.
    problems : tuple of str
        Why it would not; `load` refuses it with the same words.
    """

    path: str
    family: str
    title: str
    size_name: str
    image_size: int
    parameters: int
    adapters: str
    adapter_size: int
    mask_tokens: int
    classes: int
    preprocessing: str
    licence: str
    missing: tuple[str, ...]
    assumed: tuple[str, ...]
    loadable: bool
    problems: tuple[str, ...]


Network = Architecture | Sam2Architecture | Sam3Architecture | EdgeTamArchitecture
CARRIERS = (MED2D, MSA)
"""Families whose files hold a SAM with adapters inside, which `load_model` understands."""
BASE_MODEL = "its base model"
NO_MEMORY = "the memory, so masks cannot be carried through frames"
WINDOWS = "windows and global blocks: all relative positions are equally long, which matters at other image sizes only"


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
    return inspect_checkpoint(loading.find(path), path)


def inspect_checkpoint(checkpoint: Checkpoint, path: str | Path) -> Inspection:
    """As `inspect`, for tensors that were read already; adapters inside are not looked at.

    Parameters
    ----------
    checkpoint : Checkpoint
    path : path
        For the answer.
    """
    family = identify(checkpoint.state)
    state = named_as_sam(checkpoint.state, family)
    problems = [] if family.loadable or family in CARRIERS else [f"{family.title}. {family.advice}"]
    network, plan, weights = None, "", {key: value for key, value in state.items() if key != POSITION_ALIAS}
    try:
        network = network_of(checkpoint, family, state)
        plan = _preprocessing(checkpoint, network)
        weights = canonical(state, two_positions=family is SAM3)
    except SamadaptError as error:
        problems.append(error.what)
    report = LoadReport() if network is None else compare(weights, slots(_empty(network), weights))
    problems += report.refused(loading.done_without(checkpoint.state))
    return Inspection(
        path=str(path),
        family=checkpoint.family or family.name,
        title=family.title,
        size_name=network.size_name if network else _size_of_updates(checkpoint.state),
        image_size=network.image_size if network else 0,
        parameters=sum(tensor.numel() for tensor in checkpoint.state.values()),
        adapters=family.adapters,
        adapter_size=_adapter_size(checkpoint.state),
        mask_tokens=network.mask_tokens if network else 0,
        classes=_classes(checkpoint, family),
        preprocessing=plan,
        licence=catalog.licence_of(checkpoint.name, checkpoint.family or family.name),
        missing=_missing(network, family, report),
        assumed=_assumed(checkpoint, network),
        loadable=not problems,
        problems=tuple(problems),
    )


def named_as_sam(state: Mapping[str, Tensor], family: Family) -> dict[str, Tensor]:
    """Tensors of a file by the names of the network that it is loaded into."""
    if family is SAM2:
        return sam2.to_transformers(state)
    if family is SAM3:
        return sam3.to_transformers(state)
    if family is EDGETAM:
        return edgetam.to_transformers(state)
    return plain(to_transformers(state)) if family is MSA else to_transformers(state)


def network_of(checkpoint: Checkpoint, family: Family, state: Mapping[str, Tensor]) -> Network | None:
    """Network of a file that holds one; None for one that does not."""
    if family is SAM2:
        return architecture_of(checkpoint)
    if family is SAM3:
        return sam3_architecture_of(checkpoint)
    if family is EDGETAM:
        return edgetam_architecture_of(checkpoint)
    if not (family.loadable or family in CARRIERS):
        return None
    return loading.architecture_of(checkpoint, state)


def _assumed(checkpoint: Checkpoint, network: Network | None) -> tuple[str, ...]:
    """What no tensor tells and nothing beside them."""
    if not isinstance(network, Architecture):
        return () if network is None else network.assumed
    told = bool(checkpoint.config) or "decoder_heads" in checkpoint.architecture
    published = network.channels == Architecture.channels
    heads = () if told or published else (f"{network.decoder_heads} attention heads in the decoder",)
    return ((WINDOWS,) if network.ambiguous_windows else ()) + heads


def _preprocessing(checkpoint: Checkpoint, network: Network | None) -> str:
    if isinstance(network, Architecture):
        return checkpoint.preprocessing or loading.guess_preprocessing(checkpoint, network)
    return checkpoint.preprocessing or ("" if network is None else network.preprocessing)


def _missing(network: Network | None, family: Family, report: LoadReport) -> tuple[str, ...]:
    """What the network needs and the file lacks, by part of the network."""
    if network is None:
        return (BASE_MODEL,) if family.adapters else ()
    parts: dict[str, list[str]] = {}
    for key in report.missing:
        part, _, rest = key.partition(".")
        parts.setdefault(part, []).append(rest)
    found = [lacking(part, names) for part, names in parts.items()]
    without = isinstance(network, TrackerArchitecture) and not network.memory
    return (*found, *((NO_MEMORY,) if without else ()))


def lacking(part: str, names: Sequence[str]) -> str:
    """Text for what a part of a model lacks."""
    return f"{len(names)} tensor{'' if len(names) == 1 else 's'} of {part} ({some(names)})"


def _empty(network: Network) -> Any:
    """transformers' network without weights."""
    if isinstance(network, Architecture):
        return empty_sam(network)
    if isinstance(network, EdgeTamArchitecture):
        return empty_edgetam(network)
    return empty_sam3(network) if isinstance(network, Sam3Architecture) else empty_sam2(network)


def _classes(checkpoint: Checkpoint, family: Family) -> int:
    """Of a prompt-free model: one fewer than its mask tokens; SAM's four are candidates."""
    if checkpoint.head:
        return len(checkpoint.head["label_set"]["labels"])
    tokens = next((len(t) for key, t in checkpoint.state.items() if key.endswith("mask_tokens.weight")), 0)
    return tokens - 1 if tokens and (tokens != MASK_TOKENS or family is SAMED_LORA) else 0


def _adapter_size(state: Mapping[str, Tensor]) -> int:
    """Rank of low-rank updates, or width of bottlenecks and gates; the inner width is the smaller one."""
    marks = (".D_fc1.weight", ".Adapter.channel.0.weight", "w_a_000", ".lora_A.", ".linear_a_q.")
    return next((min(tensor.shape) for key, tensor in state.items() if any(mark in key for mark in marks)), 0)


def _size_of_updates(state: Mapping[str, Tensor]) -> str:
    """Size of the encoder that a file of updates alone belongs to."""
    first, blocks = state.get("w_a_000"), sum(key.startswith("w_a_") for key in state) // 2
    if first is None:
        return ""
    return next((name for name, one in KNOWN.items() if (one.hidden, one.depth) == (first.shape[1], blocks)), "")
