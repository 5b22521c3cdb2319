"""What `merge` leaves beside a merged model so that `unmerge` finds base and adapter again.

A folder with the adapter, and the base's tensors that it replaced outright (the decoder it trained, the mask tokens of
a head). Weights with low-rank updates are not kept: the updates are subtracted. Those whose rows have learnt lengths
(DoRA) are kept, as the lengths they had cannot be told from the result.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from samadapt.adapt.checkpoint import (
    INFO_FILE,
    WEIGHTS_FILE,
    AdapterInfo,
    read_adapter_info,
    read_weights,
    save_adapter,
)
from samadapt.core.atomic import atomic_path, write_json
from samadapt.core.errors import CheckpointError
from samadapt.models.architecture import Architecture
from samadapt.models.build import assemble
from samadapt.models.convert import POSITION_ALIAS
from samadapt.models.edgetam.architecture import EdgeTamArchitecture
from samadapt.models.edgetam.build import assemble as assemble_edgetam
from samadapt.models.preprocess import get as get_preprocessing
from samadapt.models.sam2.architecture import Sam2Architecture, TrackerArchitecture
from samadapt.models.sam2.build import assemble as assemble_sam2
from samadapt.models.sam3.architecture import Sam3Architecture
from samadapt.models.sam3.build import assemble as assemble_sam3

if TYPE_CHECKING:
    from samadapt.models import SamPromptable

FORMAT, VERSION = "samadapt-undo", 1
_FACTS, _REPLACED, _ADAPTER = "undo.json", "replaced.safetensors", "adapter"
_UPDATES = {".lora.B": (0, 1, 1), ".lora_q.B": (0, 1, 3), ".lora_v.B": (2, 3, 3)}
"""{end of a name: (first, past last, parts of the rows of the weight)}."""
_TRACKERS: dict[str, tuple[TrackerArchitecture, Callable[..., SamPromptable]]] = {
    "Sam2Architecture": (Sam2Architecture(), assemble_sam2),
    "Sam3Architecture": (Sam3Architecture(), assemble_sam3),
    "EdgeTamArchitecture": (EdgeTamArchitecture(), assemble_edgetam),
}
"""Networks with SAM 2's decoder, and what builds their models."""


@dataclass(frozen=True)
class Restored:
    """A base and the adapter that was in it.

    Attributes
    ----------
    model : SamPromptable
        The base.
    folder : Path
        That `merge` left.
    info : AdapterInfo
    rounding : float or None
        Largest difference of a weight from the base's own file; None where that is not at hand.
    """

    model: SamPromptable
    folder: Path
    info: AdapterInfo
    rounding: float | None

    def save_adapter(self, target: Path, base: Path) -> None:
        """Write the adapter for this base, which was written to `base`."""
        with atomic_path(target / WEIGHTS_FILE) as temporary:
            shutil.copyfile(self.folder / _ADAPTER / WEIGHTS_FILE, temporary)
        place = str(base.resolve())
        tree = json.loads((self.folder / _ADAPTER / INFO_FILE).read_text(encoding="utf-8"))
        changed = {"base_name": place, "base_source": place, "base_hash": self.model.base_hash}
        write_json(target / INFO_FILE, tree | changed)


def keep_for_undo(model: SamPromptable, base: SamPromptable, folder: Path) -> Path:
    """Write what is needed to take the adaptation out of `model` after it was merged.

    Parameters
    ----------
    model : SamPromptable
        Adapted, not yet merged.
    base : SamPromptable
        Before it was adapted.
    folder : path

    Returns
    -------
    Path
        The folder.
    """
    from safetensors.torch import save_file

    save_adapter(model, folder / _ADAPTER)
    before, after = _tensors(base), _tensors(model)
    lengthened = {_weight_of(key, ".lengths") for key in after if key.endswith(".lengths")}
    changed = {k: tensor for k, tensor in before.items() if k in lengthened or not _same(tensor, after.get(k))}
    with atomic_path(folder / _REPLACED) as temporary:
        save_file({key: tensor.contiguous().clone() for key, tensor in changed.items()}, str(temporary))
    facts = {
        "format": FORMAT,
        "version": VERSION,
        "names": sorted(before),
        "sam2": isinstance(base.architecture, Sam2Architecture),
        "network": type(base.architecture).__name__,
        "architecture": base.architecture.as_dict(),
        "preprocessing": base.preprocessing.name,
        "family": base.family,
        "multimask": base.multimask,
    }
    write_json(folder / _FACTS, facts)
    return folder


def restore(merged: SamPromptable, folder: Path) -> Restored:
    """Base of a merged model.

    Parameters
    ----------
    merged : SamPromptable
    folder : Path
        That `keep_for_undo` wrote.

    Raises
    ------
    CheckpointError
        If the folder is missing, damaged, or of another network.
    """
    facts, info = _read_facts(folder), read_adapter_info(folder / _ADAPTER)
    state = _tensors(merged) | read_weights(folder / _REPLACED)
    try:
        state = {key: state[key] for key in facts["names"]}
        _subtract(state, read_weights(folder / _ADAPTER / WEIGHTS_FILE), _scale(info))
    except (KeyError, RuntimeError) as error:
        raise CheckpointError(
            f"the folder belongs to another model ({error})", where=folder, remedy="Give that of this merged model."
        ) from error
    base = _build(facts, state, merged.name)
    return Restored(base, folder, info, _rounding(base, info, folder))


def _tensors(model: SamPromptable) -> dict[str, Tensor]:
    return {key: tensor.cpu() for key, tensor in model.sam.state_dict().items() if key != POSITION_ALIAS}


def _same(one: Tensor, other: Tensor | None) -> bool:
    return other is not None and one.shape == other.shape and torch.equal(one, other)


def _scale(info: AdapterInfo) -> float:
    rank = info.method.get("rank") or 1
    return float((info.method.get("alpha") or rank) / rank)


def _subtract(state: dict[str, Tensor], adapter: Mapping[str, Tensor], scale: float) -> None:
    """Take low-rank updates out of the weights they are in, in place of the mapping."""
    for name, outer in adapter.items():
        end = next((end for end in _UPDATES if name.endswith(end)), None)
        if end is None or name.removesuffix("B") + "lengths" in adapter:
            continue
        key = _weight_of(name.removeprefix("sam."), ".B")
        first, last, parts = _UPDATES[end]
        weight = state[key].clone()
        rows = slice(first * len(weight) // parts, last * len(weight) // parts)
        inner = adapter[name.removesuffix("B") + "A"]
        weight[rows] = weight[rows] - scale * (outer.float() @ inner.float())
        state[key] = weight


def _weight_of(name: str, end: str) -> str:
    """Weight that a tensor of an update belongs to."""
    return f"{name.removesuffix(end).rpartition('.')[0]}.weight"


def _build(facts: dict[str, Any], state: Mapping[str, Tensor], name: str) -> SamPromptable:
    kind = facts.get("network", "Sam2Architecture" if facts["sam2"] else "Architecture")
    if kind in _TRACKERS:
        default, build = _TRACKERS[kind]
        network = default.updated(facts["architecture"])
        plan = get_preprocessing(facts["preprocessing"], network.image_size)
        return build(network, state, plan, name=name, family=facts["family"])
    architecture = Architecture.from_dict(facts["architecture"])
    plan = get_preprocessing(facts["preprocessing"], architecture.image_size)
    return assemble(architecture, state, plan, name=name, family=facts["family"], multimask=facts["multimask"])


def _rounding(base: SamPromptable, info: AdapterInfo, folder: Path) -> float | None:
    from samadapt.adapt.load import base_of

    try:
        original = _tensors(base_of(info, info.image_size, folder))
    except CheckpointError:
        return None
    own = _tensors(base)
    return max(float((own[key] - tensor).abs().max()) for key, tensor in original.items())


def _read_facts(folder: Path) -> dict[str, Any]:
    path = folder / _FACTS
    try:
        facts = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(
            "the folder that merge leaves beside a merged model is missing",
            where=folder,
            remedy="Give it with --undo; without it the base cannot be restored.",
        ) from error
    except ValueError as error:
        raise CheckpointError(f"damaged file: {error}", where=path) from error
    if not isinstance(facts, dict) or facts.get("format") != FORMAT or facts.get("version", 0) > VERSION:
        raise CheckpointError("not what merge leaves, or of a newer samadapt", where=path)
    return facts
