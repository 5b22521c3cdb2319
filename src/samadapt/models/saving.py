"""Models as others read them: the original layout in one file, or a folder of transformers."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from samadapt.core.atomic import atomic_path, disk_errors, write_json
from samadapt.core.errors import CheckpointError, ConfigError
from samadapt.models.build import canonical
from samadapt.models.convert import to_meta
from samadapt.models.edgetam.architecture import EdgeTamArchitecture
from samadapt.models.edgetam.build import edgetam_config
from samadapt.models.edgetam.names import to_meta as edgetam_to_meta
from samadapt.models.edgetam.promptable import EdgeTamPromptable
from samadapt.models.fine import fine_path
from samadapt.models.loading import SIDE_FILE
from samadapt.models.promptable import SamPromptable
from samadapt.models.sam2.names import to_meta as sam2_to_meta
from samadapt.models.sam2.promptable import Sam2Promptable
from samadapt.models.sam3.promptable import Sam3Promptable
from samadapt.models.stem import describe_channels

SUFFIXES = (".pth", ".pt", ".safetensors")


def original_state(model: SamPromptable) -> dict[str, Tensor]:
    """Tensors of a model by the names of the original code of its family, float32 on the CPU.

    Raises
    ------
    ConfigError
        For a SAM 3, whose original file holds the detector of concepts too.
    """
    if isinstance(model, Sam3Promptable):
        raise ConfigError(
            "the original file of SAM 3 holds its detector too, which is not part of this model",
            where=model.name,
            remedy="Write a folder of transformers: --to transformers.",
        )
    rename = sam2_to_meta if isinstance(model, Sam2Promptable) else to_meta
    if isinstance(model, EdgeTamPromptable):
        rename = edgetam_to_meta
    state = canonical(model.sam.state_dict())
    return {key: tensor.cpu().contiguous() for key, tensor in rename(state).items()}


def save_original(model: SamPromptable, path: str | Path, **facts: Any) -> Path:
    """Write a model as one file that the original code of its family reads, with a JSON file of its facts beside it.

    Parameters
    ----------
    model : SamPromptable
        Without adapters.
    path : path
        .pth or .pt, which hold a plain dict of tensors (under "model" for SAM 2), or .safetensors.
    **facts
        Further JSON entries.

    Returns
    -------
    Path
        `path`.

    Raises
    ------
    ConfigError
        If the suffix is another one, or the model is a SAM 3.
    """
    target = Path(path)
    if target.suffix not in SUFFIXES:
        raise ConfigError(f"weights are written as {', '.join(SUFFIXES)}", where=target, remedy="Choose such a name.")
    state = original_state(model)
    with atomic_path(target) as temporary:
        if target.suffix == ".safetensors":
            from safetensors.torch import save_file

            save_file(state, str(temporary))
        else:
            torch.save({"model": state} if isinstance(model, Sam2Promptable) else state, temporary)
    write_json(target.with_suffix(".json"), _facts(model) | facts)
    return target


def save_transformers(model: SamPromptable, folder: str | Path, **facts: Any) -> Path:
    """Write a model as a folder that transformers' `from_pretrained` reads, with samadapt's own facts beside it.

    Parameters
    ----------
    model : SamPromptable
        Without adapters.
    folder : path
        Absent or empty.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ConfigError
        If the folder holds something.
    CheckpointError
        If the network has a fine path, for which transformers has no class.
    """
    target = Path(folder)
    if fine_path(model.sam) is not None:
        raise CheckpointError(
            "transformers has no network with a fine path", where=model.name, remedy="Convert to the original layout."
        )
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise ConfigError("the folder is not empty", where=target, remedy="Choose another folder for the model.")
    part = target.with_name(f".{target.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    with disk_errors(target):
        try:
            if isinstance(model, EdgeTamPromptable):
                _save_edgetam(model, part)
            else:
                model.sam.save_pretrained(part)
            write_json(part / SIDE_FILE, _facts(model) | facts)
            if target.exists():
                target.rmdir()
            os.replace(part, target)
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return target


def _save_edgetam(model: EdgeTamPromptable, folder: Path) -> None:
    """Configuration and tensors of transformers' EdgeTamModel, whose batch norms count their steps."""
    from safetensors.torch import save_file

    assert isinstance(model.architecture, EdgeTamArchitecture)
    edgetam_config(model.architecture).save_pretrained(folder)
    state = {key: tensor.detach().cpu().contiguous() for key, tensor in model.sam.state_dict().items()}
    norms = [key.removesuffix("running_var") for key in state if key.endswith(".running_var")]
    state |= {f"{norm}num_batches_tracked": torch.tensor(0) for norm in norms}
    save_file(state, str(folder / "model.safetensors"), metadata={"format": "pt"})


def _facts(model: SamPromptable) -> dict[str, Any]:
    """What `samadapt.models.loading` reads beside the weights."""
    return {
        "family": model.family,
        "preprocessing": model.preprocessing.name,
        "multimask": model.multimask,
        "architecture": model.architecture.as_dict(),
    } | ({"channels": describe_channels(model)} if model.channels else {})
