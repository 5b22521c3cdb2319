"""Read adapters that other projects published."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from samadapt.adapt.adaptation import Adaptation
from samadapt.adapt.config import LoraConfig, SamMed2dConfig
from samadapt.adapt.methods import inject
from samadapt.adapt.parts import DECODER_TRANSFORMER, ENCODER, all_blocks
from samadapt.adapt.semantic import add_head
from samadapt.config import Config
from samadapt.core.errors import AdapterMismatch, CheckpointError
from samadapt.core.image import LabelSet
from samadapt.core.manifest import file_hash
from samadapt.models import preprocess
from samadapt.models.architecture import KNOWN, Architecture
from samadapt.models.build import empty_sam
from samadapt.models.convert import count, from_meta, to_meta
from samadapt.models.loading import Checkpoint, done_without, find, from_checkpoint
from samadapt.models.read import read_tensors

if TYPE_CHECKING:
    from samadapt.models import SamPromptable

SYNAPSE = ("spleen", "right kidney", "left kidney", "gallbladder", "liver", "stomach", "aorta", "pancreas")
"""Classes 1 to 8 of SAMed's published files."""

_MED2D_PARTS = {
    "channel.0": "squeeze",
    "channel.2": "excite",
    "spatial.0": "shrink",
    "spatial.2": "grow",
    "norm": "norm",
}
_ATTENTIONS = {"sa": "self_attn", "cti": "cross_attn_token_to_image", "cit": "cross_attn_image_to_token"}
_UPDATES = ("w_a_", "w_b_", "sa_", "cti_", "cit_", "fati_")
_FINAL = "fati_qb"
_MASK_TOKENS = "mask_decoder.mask_tokens.weight"
_FREQUENCIES = "prompt_encoder.pe_layer.positional_encoding_gaussian_matrix"
_TRAINED_WHOLE = ("prompt_encoder.", "mask_decoder.")


def load_samed(model: SamPromptable, path: str | Path, label_set: LabelSet | None = None) -> Adaptation:
    """Put a LoRA file of SAMed or SAMed_s into its base model, in place.

    Parameters
    ----------
    model : SamPromptable
        The SAM it was trained on, at the image size of the training (512 for the published files).
    path : path
        File with w_a_NNN, w_b_NNN (queries and values of the blocks in turn), prompt encoder and mask decoder; in
        SAMed_s the decoder's transformer is replaced by updates of its attentions (sa_, cti_, cit_, fati_).
        Only tensors are read; code in the file is never run.
    label_set : LabelSet, optional
        Meaning of the classes; None: the eight Synapse organs, or "class k" for another number of classes.

    Returns
    -------
    Adaptation
        LoRA of the file's rank, with a prompt-free head. The model's preprocessing is SAMed's from now on.

    Raises
    ------
    CheckpointError
        If the file is damaged, holds more than tensors, or is no SAMed file.
    AdapterMismatch
        If the numbers of blocks, widths or classes do not fit.

    References
    ----------
    .. [1] hitachinsk/SAMed e351840, `save_lora_parameters` of the image encoder LoRA and of that with the decoder.
    """
    state = read_tensors(path)
    first, classes = _check_kind(state, path), state[_MASK_TOKENS].shape[0] - 1
    _check_fit(model, state, path)
    labels = label_set or _default_labels(classes)
    if len(labels) != classes:
        raise AdapterMismatch(f"the file has {classes} classes, the label set {len(labels)}", where=path)
    add_head(model, labels)
    adaptation = inject(model, LoraConfig(rank=first.shape[0], decoder=_FINAL in state))
    adaptation.load_state_dict(_converted(state), where=path)
    model.preprocessing = preprocess.get("samed").fitted(model.image_size, model.inputs)
    model.adapter_hash = file_hash(path)
    return adaptation


def load_sammed2d(source: str | Path | Checkpoint, image_size: int | None = None) -> SamPromptable:
    """Load a SAM-Med2D file, its adapters included.

    Parameters
    ----------
    source : path or Checkpoint
        File, or its tensors already read: the whole network under SAM's names and `image_encoder.blocks.N.Adapter.*`.
    image_size : int, optional
        In pixels; None: the file's own, 256 for the published one.

    Returns
    -------
    SamPromptable
        With the adaptation "sammed2d-adapter" at work.

    Raises
    ------
    CheckpointError
        If the file is damaged, or adapters are missing or do not fit.

    References
    ----------
    .. [1] OpenGVLab/SAM-Med2D bfd2b93.
    """
    checkpoint = source if isinstance(source, Checkpoint) else find(source)
    model = from_checkpoint(checkpoint, image_size, done_without(checkpoint.state))
    config, adapters = sammed2d_adapters(checkpoint)
    inject_carried(model, config, adapters, checkpoint.where)
    return model


def sammed2d_adapters(checkpoint: Checkpoint) -> tuple[SamMed2dConfig, dict[str, Tensor]]:
    """Method and adapters of a SAM-Med2D file, by our names.

    Raises
    ------
    CheckpointError
        If adapters of the blocks differ in width.
    """
    names = {_med2d_name(key): t for key, t in from_meta(checkpoint.state).items() if ".Adapter." in key}
    adapters = {key: t.to(torch.float32) for key, t in names.items()}
    return SamMed2dConfig(ratio=inner_ratio(adapters, ".squeeze.weight", checkpoint.where)), adapters


def inject_carried(
    model: SamPromptable, config: Config, adapters: Mapping[str, Tensor], where: object = None
) -> Adaptation:
    """Put the adapters that a whole file carries beside its network into the network, in place.

    Raises
    ------
    CheckpointError
        If an adapter is missing, strange or of another shape; see `Adaptation.load_state_dict`.
    """
    adaptation = inject(model, config)
    others = {key: t for key, t in adaptation.state_dict().items() if ".adapter." not in key}
    adaptation.load_state_dict({**adapters, **others}, where=where)
    return adaptation


def inner_ratio(adapters: Mapping[str, Tensor], end: str, where: object) -> float:
    """Inner width of adapters as a share of the block's, such that the product rounds down to it.

    Parameters
    ----------
    adapters : mapping of str to Tensor
    end : str
        Of the names of the layers that narrow, of shape (inner, width).

    Raises
    ------
    CheckpointError
        If blocks differ, or there is no such layer.
    """
    shapes = {tuple(tensor.shape) for key, tensor in adapters.items() if key.endswith(end)}
    if len(shapes) != 1:
        raise CheckpointError(
            f"adapters of {len(shapes)} shapes where all blocks should have one",
            where=where,
            remedy="Give the file that the training wrote, whole and unchanged.",
        )
    inner, width = shapes.pop()
    exact = inner / width
    return exact if int(width * exact) == inner else (inner + 0.5) / width


def _med2d_name(key: str) -> str:
    match = re.fullmatch(r"image_encoder\.blocks\.(\d+)\.Adapter\.(\w+(?:\.\d)?)\.(\w+)", key)
    if match is None or match[2] not in _MED2D_PARTS:
        return key
    return f"{ENCODER}layers.{match[1]}.mlp.adapter.{_MED2D_PARTS[match[2]]}.{match[3]}"


def _check_kind(state: Mapping[str, Tensor], path: str | Path) -> Tensor:
    if "w_a_000" not in state or _MASK_TOKENS not in state:
        raise CheckpointError(
            "not a LoRA file of SAMed: w_a_000 or the mask decoder is missing",
            where=path,
            remedy="Give the file that SAMed's training wrote (epoch_159.pth). A whole model, with or without adapters "
            "of its own, is the model itself: --model FILE.",
        )
    return state["w_a_000"]


def _check_fit(model: SamPromptable, state: Mapping[str, Tensor], path: str | Path) -> None:
    layers = all_blocks(model)
    found, width = sum(k.startswith("w_a_") for k in state), state["w_a_000"].shape[1]
    wanted = layers[0].attn.qkv.in_features
    frequencies = state.get(_FREQUENCIES)
    if frequencies is not None and not torch.equal(frequencies, model.sam.shared_image_embedding.positional_embedding):
        raise AdapterMismatch(
            f"the position frequencies are not those of {model.name}",
            where=path,
            remedy="The file was trained on another base model; load that one.",
        )
    if found != 2 * len(layers) or width != wanted:
        raise AdapterMismatch(
            f"updates of {found / 2:g} blocks of width {width}, but {model.name} has {len(layers)} of width {wanted}",
            where=path,
            remedy="Load the base it was trained on: SAM ViT-B for SAMed, ViT-H for SAMed_h.",
        )


def lacking_updates(state: Mapping[str, Tensor]) -> list[str]:
    """Names that a LoRA file of SAMed or SAMed_s should hold beside those it has.

    Parameters
    ----------
    state : mapping of str to Tensor
        By the file's own names.
    """
    small = _FINAL in state or any(key.startswith(("sa_", "cti_", "cit_")) for key in state)
    names = _updates(state, ("w",)) + (_updates(state, ("sa", "cti", "cit")) if small else [])
    names += [f"fati_{value}{side}" for value in "qv" for side in "ab"] if small else []
    rest = [key for key in _decoder_names(state) if not (small and key.startswith("mask_decoder.transformer."))]
    return [key for key in [*names, *rest] if key not in state and key != _FREQUENCIES]


def _updates(state: Mapping[str, Tensor], kinds: Sequence[str]) -> list[str]:
    """Names of all updates of some kinds, up to the last that the file has: in pairs, for queries and values."""
    numbers = [int(key.rpartition("_")[2]) for key in state if re.fullmatch(rf"({'|'.join(kinds)})_[ab]_\d+", key)]
    last = max(numbers, default=-1) // 2 * 2 + 2
    return [f"{kind}_{side}_{number:03d}" for kind in kinds for number in range(last) for side in "ab"]


def _decoder_names(state: Mapping[str, Tensor]) -> list[str]:
    """Names of prompt encoder and mask decoder of the network that a file belongs to."""
    shapes = {key: tuple(tensor.shape) for key, tensor in from_meta(state).items()}
    tokens, width = shapes.get("mask_decoder.mask_tokens.weight", (1, Architecture.channels))
    network = replace(
        KNOWN["test"],
        channels=width,
        mask_tokens=tokens,
        decoder_depth=count(shapes, r"mask_decoder\.transformer\.layers\.(\d+)\."),
        iou_depth=2 + count(shapes, r"mask_decoder\.iou_prediction_head\.layers\.(\d+)\."),
    )
    return [key for key in to_meta(empty_sam(network).state_dict()) if key.startswith(_TRAINED_WHOLE)]


def _default_labels(classes: int) -> LabelSet:
    names = SYNAPSE if classes == len(SYNAPSE) else tuple(f"class {k}" for k in range(1, classes + 1))
    return LabelSet.from_names(dict(enumerate(names, start=1)))


def _converted(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    names = {_update_name(key): tensor for key, tensor in state.items() if key.startswith(_UPDATES)}
    others = {key: tensor for key, tensor in state.items() if key.startswith(_TRAINED_WHOLE)}
    names |= {f"sam.{key}": tensor for key, tensor in from_meta(others).items()}
    return {name: tensor for name, tensor in names.items() if not name.endswith("positional_embedding")}


def _update_name(key: str) -> str:
    """Our name of an update: of a block's fused queries and values, or of an attention of the decoder."""
    kind, *rest = key.split("_")
    if kind == "fati":
        return f"{DECODER_TRANSFORMER}final_attn_token_to_image.{rest[0][0]}_proj.lora.{rest[0][1].upper()}"
    layer, value = divmod(int(rest[1]), 2)
    if kind == "w":
        return f"{ENCODER}layers.{layer}.attn.qkv.lora_{'qv'[value]}.{rest[0].upper()}"
    return f"{DECODER_TRANSFORMER}layers.{layer}.{_ATTENTIONS[kind]}.{'qv'[value]}_proj.lora.{rest[0].upper()}"
