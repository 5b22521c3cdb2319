"""Specialists on disk: NAME.json says what it is, what it was trained on and for which classes, NAME.safetensors
holds its weights and norm statistics."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samadapt.core.atomic import atomic_path, write_json
from samadapt.core.errors import CheckpointError, ConfigError, LabelError
from samadapt.data.records import label_set_from_dict, label_set_to_dict
from samadapt.models.preprocess import Preprocessing
from samadapt.models.specialists import FAMILY, Plan

if TYPE_CHECKING:
    from samadapt.models import SamPromptable
    from samadapt.models.specialists import Specialist

FORMAT, VERSION = "samadapt-specialist", 1
PREFIX = "specialist."
"""Before the name of every tensor in the file, so that the file says what it is."""


def is_specialist(model: SamPromptable) -> bool:
    """True for a network that was trained from nothing for one task."""
    return model.family == FAMILY


def require_sam(model: SamPromptable, method: str) -> None:
    """Raise `ConfigError` for a specialist, which has nothing that `method` could adapt."""
    if is_specialist(model):
        raise ConfigError(
            f"{model.name} is no pretrained model that {method!r} could adapt", remedy="Set --method full."
        )


def save_specialist(model: Specialist, folder: str | Path, **facts: Any) -> Path:
    """Write a specialist; a folder that holds an older one is updated.

    Parameters
    ----------
    model : Specialist
    folder : path
    **facts
        Further JSON entries (step, Dice).

    Returns
    -------
    Path
        Of the safetensors file.
    """
    from safetensors.torch import save_file

    state = {f"{PREFIX}{name}": value.cpu().contiguous() for name, value in model.sam.state_dict().items()}
    target = Path(folder) / f"{model.name}.safetensors"
    with atomic_path(target) as temporary:
        save_file(state, temporary, metadata={"format": FORMAT, "version": str(VERSION)})
    write_json(target.with_suffix(".json"), {"format": FORMAT, "version": VERSION} | _described(model) | facts)
    return target


def find_specialist(path: str | Path) -> Path | None:
    """Description of a specialist at `path`, in the folder `path` or in the run folder `path`; None elsewhere."""
    given = Path(path)
    if given.is_file():
        candidates = [given.with_suffix(".json")]
    else:
        candidates = [f for folder in (given / "model", given / "model-last", given) for f in folder.glob("*.json")]
    return next((file for file in candidates if (_tree(file) or {}).get("format") == FORMAT), None)


def load_specialist(description: Path, image_size: int | None = None) -> Specialist:
    """Specialist of a description that `find_specialist` found.

    Parameters
    ----------
    description : Path
        The JSON file; the weights lie beside it.
    image_size : int, optional
        Side of the input in pixels; that of the training by default.

    Returns
    -------
    Specialist
        On the CPU, in evaluation mode.

    Raises
    ------
    CheckpointError
        If a file is missing, damaged, or newer than this version reads.
    ConfigError
        If the image size does not fit the network.
    """
    from samadapt.adapt.semantic import SemanticHead
    from samadapt.models.read import read_tensors
    from samadapt.models.specialists import assemble
    from samadapt.models.stem import restore_channels

    tree = _checked(description)
    weights = description.with_suffix(".safetensors")
    state = {name.removeprefix(PREFIX): value for name, value in read_tensors(weights).items()}
    try:
        labels = tree["label_set"] and label_set_from_dict(tree["label_set"])
        preprocessing = _preprocessing(tree["preprocessing"])
        plan, context = Plan.from_dict(tree["plan"]), dict(tree["context"])
    except (KeyError, TypeError, ValueError, LabelError) as error:
        raise CheckpointError(f"damaged file: {error!r}", where=description) from error
    model = assemble(plan.at(image_size), state, preprocessing, where=weights)
    model.context = context
    restore_channels(model, context.get("channels", {}), description)
    if labels:
        model.head = SemanticHead.from_facts(labels, context)
    return model


def _described(model: Specialist) -> dict[str, Any]:
    return {
        "name": model.name,
        "plan": model.plan.as_dict(),
        "preprocessing": asdict(model.preprocessing),
        "label_set": None if model.head is None else label_set_to_dict(model.head.label_set),
        "context": model.context,
    }


def _checked(path: Path) -> dict[str, Any]:
    tree = _tree(path)
    if tree is None or not isinstance(tree.get("version"), int):
        raise CheckpointError("not the description of a specialist", where=path)
    if tree["version"] > VERSION:
        raise CheckpointError(
            f"specialist format {tree['version']} is newer than format {VERSION}, the newest this version reads",
            where=path,
            remedy="Update samadapt.",
        )
    return tree


def _tree(path: Path) -> dict[str, Any] | None:
    try:
        tree = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return tree if isinstance(tree, dict) else None


def _preprocessing(tree: dict[str, Any]) -> Preprocessing:
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in tree.items()}
    return Preprocessing(**values)
