"""Adapters on disk: adapter.json says what it is and for which base, adapter.safetensors holds the tensors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samadapt.core.atomic import atomic_path, write_json
from samadapt.core.errors import AdapterMismatch, CheckpointError, ConfigError, LabelError
from samadapt.core.image import LabelSet
from samadapt.core.manifest import file_hash
from samadapt.data.records import label_set_from_dict, label_set_to_dict
from samadapt.version import __version__

if TYPE_CHECKING:
    import torch

    from samadapt.models import SamPromptable

FORMAT, VERSION = "samadapt-adapter", 1
INFO_FILE, WEIGHTS_FILE = "adapter.json", "adapter.safetensors"
_SOURCE = "_loaded_from"


@dataclass(frozen=True)
class AdapterInfo:
    """What an adapter folder says about itself.

    Attributes
    ----------
    method : dict
        Configuration of the method, JSON-ready.
    label_set : LabelSet or None
        Classes of the prompt-free head; None for an adapter without one.
    base_name, base_hash : str
        The model it belongs to.
    base_source : str
        What `load_model` was given to load it: a catalog name or a path; "" if unknown.
    image_size : int
        Side of the model's input in pixels.
    preprocessing : str
        Name of the preprocessing it was trained with, which takes the place of the base model's own.
    context : dict
        Window and whatever else the images were prepared with; "context", "detail", "slice_axis" and "planes" are of
        `SemanticHead`, "zoom" is that of `samadapt.models.preprocess.Preprocessing`, "channels" is what
        `samadapt.models.stem.describe_channels` gives.
    parameters : int
        Number of stored values.
    versions : dict
        samadapt and torch that wrote it.
    """

    method: dict[str, Any]
    label_set: LabelSet | None
    base_name: str
    base_hash: str
    base_source: str
    image_size: int
    preprocessing: str
    context: dict[str, Any] = field(default_factory=dict)
    parameters: int = 0
    versions: dict[str, str] = field(default_factory=dict)


def save_adapter(
    model: SamPromptable, folder: str | Path, *, context: Mapping[str, Any] | None = None, half: bool = False
) -> Path:
    """Write the adaptation of a model; a folder that holds an older one is updated.

    Parameters
    ----------
    model : SamPromptable
        Adapted with `inject`.
    folder : path
    context : mapping, optional
        Replaces the adaptation's own `context`; JSON-ready.
    half : bool
        Store float16: half the size, values rounded to 11 bits.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ConfigError
        If the model has no adaptation.
    """
    from safetensors.torch import save_file

    from samadapt.adapt.adaptation import require_adaptation
    from samadapt.models.stem import describe_channels

    adaptation = require_adaptation(model)
    if context is not None:
        adaptation.context = dict(context)
    if model.channels:
        adaptation.context["channels"] = describe_channels(model)
    if model.head is not None:
        adaptation.context = model.head.facts() | adaptation.context
    state = {name: _storable(tensor, half) for name, tensor in adaptation.state_dict().items()}
    info = _describe(model, sum(t.numel() for t in state.values()))
    with atomic_path(Path(folder) / WEIGHTS_FILE) as temporary:
        save_file(state, temporary, metadata={"format": FORMAT, "version": str(VERSION)})
    write_json(Path(folder) / INFO_FILE, {"format": FORMAT, "version": VERSION} | _to_tree(info))
    return Path(folder)


def read_adapter_info(folder: str | Path) -> AdapterInfo:
    """Description of an adapter, without touching its weights or torch.

    Raises
    ------
    CheckpointError
        If there is no adapter, the file is damaged, or a newer samadapt wrote it.
    """
    path = Path(folder) / INFO_FILE
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"not an adapter: {INFO_FILE} is missing", where=folder, remedy="Give the folder that training wrote."
        ) from error
    except ValueError as error:
        raise CheckpointError(f"damaged file: {error}", where=path) from error
    _check_format(tree, path)
    try:
        return _from_tree(tree)
    except (KeyError, TypeError, ValueError, LabelError) as error:
        raise CheckpointError(f"damaged file: {error!r}", where=path) from error


def load_adapter(model: SamPromptable, folder: str | Path) -> AdapterInfo:
    """Put a saved adapter into its base model, in place; what it trained may train on.

    Head, method, tensors, channels and the preprocessing it was trained with are restored.

    Parameters
    ----------
    model : SamPromptable
        A fresh base model, the one the adapter was made for.
    folder : path

    Returns
    -------
    AdapterInfo
        The hash of the weights file is then at `model.adapter_hash`.

    Raises
    ------
    AdapterMismatch
        If the model is another base, or of another image size.
    CheckpointError
        If the files are missing, damaged, newer, or their tensors do not fit the description; in the last case
        the model already carries the method and should be loaded again.
    """
    from samadapt.adapt.methods import inject, parse_config
    from samadapt.adapt.semantic import SemanticHead, add_head
    from samadapt.models import preprocess
    from samadapt.models.stem import restore_channels

    info = read_adapter_info(folder)
    require_base(model, info, where=folder)
    state = read_weights(Path(folder) / WEIGHTS_FILE)
    require_rank(info, state, where=folder)
    try:
        config = parse_config(info.method)
    except ConfigError as error:
        raise CheckpointError(f"the method cannot be restored: {error}", where=folder) from error
    if info.preprocessing != model.preprocessing.name:
        model.preprocessing = preprocess.get(info.preprocessing).fitted(model.image_size, model.inputs)
    if "zoom" in info.context:
        model.preprocessing = replace(model.preprocessing, zoom=float(info.context["zoom"]))
    restore_channels(model, info.context.get("channels", {}), folder)
    if info.label_set is not None:
        add_head(model, info.label_set, **SemanticHead.from_facts(info.label_set, info.context).facts())
    adaptation = inject(model, config)
    adaptation.load_state_dict(state, where=folder)
    adaptation.context = dict(info.context)
    model.adapter_hash = file_hash(Path(folder) / WEIGHTS_FILE)
    return info


def require_base(model: SamPromptable, info: AdapterInfo, *, where: object = None) -> None:
    """Raise `AdapterMismatch` unless the model is the adapter's base at the adapter's image size."""
    if model.base_hash != info.base_hash:
        raise AdapterMismatch(
            f"made for {info.base_name} (weights {info.base_hash}), not for {model.name} (weights {model.base_hash})",
            where=where,
            remedy=f"Give the base it was trained on: --model {info.base_name}, load_model({info.base_name!r}, ...).",
        )
    if model.image_size != info.image_size:
        raise AdapterMismatch(
            f"trained at {info.image_size} px, but the model is set to {model.image_size} px",
            where=where,
            remedy=f"Load the base with image_size={info.image_size}.",
        )


def require_rank(info: AdapterInfo, state: Mapping[str, torch.Tensor], *, where: object = None) -> None:
    """Raise `AdapterMismatch` unless the low-rank tensors of a file have the rank that its description states."""
    stated = info.method.get("rank")
    found = {int(tensor.shape[0]) for name, tensor in state.items() if ".lora_" in name and name.endswith(".A")}
    if stated is None or found <= {int(stated)}:
        return
    ranks = " and ".join(map(str, sorted(found)))
    raise AdapterMismatch(
        f"{INFO_FILE} states rank {stated}, but the tensors of {WEIGHTS_FILE} have rank {ranks}",
        where=where,
        remedy="The two files are of different trainings: give the folder as one training wrote it.",
    )


def source_of(model: SamPromptable) -> str:
    """What `load_model` was given to load the base; "" for a model made otherwise."""
    return str(model.__dict__.get(_SOURCE, ""))


def remember_source(model: SamPromptable, name_or_path: str | Path) -> None:
    """Note what a base model was loaded from; a path is made absolute."""
    path = Path(name_or_path)
    model.__dict__[_SOURCE] = str(path.resolve()) if path.exists() else str(name_or_path)


def _describe(model: SamPromptable, parameters: int) -> AdapterInfo:
    import torch

    from samadapt.adapt.adaptation import require_adaptation

    adaptation = require_adaptation(model)
    return AdapterInfo(
        method=adaptation.config.model_dump(mode="json"),
        label_set=None if model.head is None else model.head.label_set,
        base_name=model.name,
        base_hash=model.base_hash,
        base_source=source_of(model),
        image_size=model.image_size,
        preprocessing=model.preprocessing.name,
        context=adaptation.context,
        parameters=parameters,
        versions={"samadapt": __version__, "torch": torch.__version__},
    )


def _to_tree(info: AdapterInfo) -> dict[str, Any]:
    return vars(info) | {"label_set": info.label_set and label_set_to_dict(info.label_set)}


def _from_tree(tree: dict[str, Any]) -> AdapterInfo:
    fields = {key: tree[key] for key in AdapterInfo.__dataclass_fields__}
    if not (isinstance(fields["method"], dict) and isinstance(fields["context"], dict)):
        raise ValueError("method and context must be mappings")
    labels = fields.pop("label_set")
    return AdapterInfo(label_set=label_set_from_dict(labels) if labels else None, **fields)


def _check_format(tree: Any, path: Path) -> None:
    if not isinstance(tree, dict) or tree.get("format") != FORMAT or not isinstance(tree.get("version"), int):
        raise CheckpointError("not the description of an adapter", where=path)
    if tree["version"] > VERSION:
        raise CheckpointError(
            f"adapter format {tree['version']} is newer than format {VERSION}, the newest this version reads",
            where=path,
            remedy="Update samadapt.",
        )


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """Tensors of an adapter's weights file.

    Raises
    ------
    CheckpointError
        If it is missing or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state: dict[str, torch.Tensor] = load_file(path)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path.name} is missing", where=path.parent) from error
    except SafetensorError as error:
        raise CheckpointError(
            f"damaged or truncated weights: {error}", where=path, remedy="Copy the file again from its source."
        ) from error
    return state


def _storable(tensor: torch.Tensor, half: bool) -> torch.Tensor:
    import torch

    stored = tensor.cpu().contiguous()
    return stored.to(torch.float16) if half and stored.is_floating_point() else stored
