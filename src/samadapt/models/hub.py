"""Folders in the transformers layout, on disk or from the Hugging Face hub."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from torch import Tensor

from samadapt.core.errors import CheckpointError
from samadapt.models import catalog
from samadapt.models.read import read_tensors

KINDS = (
    "sam",
    "sam_hq",
    "sam2",
    "sam2_video",
    "sam3_tracker",
    "sam3_tracker_video",
    "sam3_video",
    "edgetam",
    "edgetam_video",
)
"""transformers' types of model that can be loaded."""

_PREFERRED = ("*.safetensors", "pytorch_model*.bin")


def download(repository: str) -> Path:
    """Local folder of a hub repository, downloaded if it is not in the cache.

    Parameters
    ----------
    repository : str
        "owner/name".

    Raises
    ------
    CheckpointError
        If it is neither cached nor reachable; says how to carry it over from another machine. If its terms were not
        accepted; says where and how.
    """
    import huggingface_hub
    from huggingface_hub.errors import GatedRepoError

    try:
        for weights in _PREFERRED:
            folder = Path(huggingface_hub.snapshot_download(repository, allow_patterns=["*.json", weights]))
            if any(folder.glob(weights)):
                return folder
    except GatedRepoError as error:
        raise CheckpointError(
            f"{repository} is gated: its weights are given only to accounts that accepted its terms",
            where=repository,
            remedy=f"{_terms(repository)} Then load it again.",
        ) from error
    except Exception as error:
        raise CheckpointError(
            f"cannot download {repository} ({_first_line(error)})", where=repository, remedy=_carry_over(repository)
        ) from error
    raise CheckpointError("the repository holds no weights", where=repository)


def read_folder(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and `config.json` of a folder saved by `save_pretrained`.

    Raises
    ------
    CheckpointError
        If there is no weight file, or the configuration is of another kind of model.
    """
    config = _config(folder)
    kind = config.get("model_type", "sam")
    if kind not in KINDS:
        raise CheckpointError(
            f"the folder holds a {kind!r} model, not one of {', '.join(KINDS)}",
            where=folder,
            remedy="`samadapt models` shows what can be loaded.",
        )
    state: dict[str, Tensor] = {}
    for path in _weight_files(folder):
        state |= read_tensors(path)
    return state, config


def facts(config: dict[str, Any]) -> dict[str, Any]:
    """What `config.json` says of a SAM 1 and no tensor tells; see `Architecture.told`."""
    vision, decoder = config.get("vision_config") or {}, config.get("mask_decoder_config") or {}
    found: dict[str, Any] = {}
    if vision.get("global_attn_indexes") is not None:
        found["global_blocks"] = vision["global_attn_indexes"]
    if decoder:
        found["decoder_heads"] = decoder.get("num_attention_heads", 8)
        found["decoder_norm_eps"] = decoder.get("layer_norm_eps", 1e-6)
    return found


def _terms(repository: str) -> str:
    return (
        f"Accept the terms at https://huggingface.co/{repository} with your account and, once access is granted, log "
        "in on this machine: `hf auth login` (`huggingface-cli login` in older versions)."
    )


def _carry_over(repository: str) -> str:
    """What to do without a network."""
    entry = catalog.find(repository)
    gated = entry is not None and entry.gated
    original = "" if gated else " The original .pth file works too."
    return (
        f"On a machine with a network run `hf download {repository} --local-dir FOLDER`, copy FOLDER here, and give "
        f"its path instead of the name.{original}{' ' + _terms(repository) if gated else ''}"
    )


def _config(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.exists():
        raise CheckpointError("the folder has no config.json", where=folder, remedy="Give a folder of save_pretrained.")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise CheckpointError(f"config.json is damaged ({error})", where=path) from error
    return config if isinstance(config, dict) else {}


def _weight_files(folder: Path) -> list[Path]:
    for pattern in _PREFERRED:
        files = sorted(folder.glob(pattern))
        if files:
            return files
    raise CheckpointError("the folder has no weights (*.safetensors or pytorch_model.bin)", where=folder)


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return f"{type(error).__name__}: {text.splitlines()[0][:120]}" if text else type(error).__name__
