"""Tensors from a checkpoint file, without executing anything that is in it."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from samadapt.core.errors import CheckpointError

_WRAPPERS = ("model", "state_dict", "model_state_dict", "model_state")
_SETTINGS = {"argparse.Namespace", "torch.cuda.amp.grad_scaler.GradScaler", "torch.amp.grad_scaler.GradScaler"}
_DAMAGED = "Download it again and compare its size with the publisher's."


def read_tensors(path: str | Path) -> dict[str, Tensor]:
    """Tensors of a `.pth`, `.pt`, `.bin` or `.safetensors` file, by their names in the file.

    The content decides, not the suffix. A training checkpoint is unwrapped ("model", "state_dict") and the prefix of
    DataParallel is removed; optimizers, schedulers and settings pickled beside the weights are dropped unrun.

    Parameters
    ----------
    path : path

    Returns
    -------
    dict of str to Tensor
        On the CPU, in the file's precision.

    Raises
    ------
    CheckpointError
        If the file is missing, truncated, no checkpoint, or a pickle that holds anything else but tensors and plain
        values; such a pickle is refused before any of it runs.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError("there is no such file", where=path)
    kind = _kind(path)
    return _unwrap(_read_safetensors(path) if kind == "safetensors" else _read_pickle(path), path)


def _kind(path: Path) -> str:
    with open(path, "rb") as file:
        head = file.read(16)
    if len(head) == 0:
        raise CheckpointError("the file is empty", where=path, remedy=_DAMAGED)
    if head.startswith((b"PK\x03\x04", b"\x80")):
        return "pickle"
    if head[8:9] == b"{":
        return "safetensors"
    if head.startswith(b"version https://"):
        raise CheckpointError("a Git LFS pointer, not the weights", where=path, remedy="Run `git lfs pull` there.")
    if head.lstrip()[:1] == b"<":
        raise CheckpointError("a web page, not weights", where=path, remedy=_DAMAGED)
    raise CheckpointError(
        "neither a PyTorch nor a safetensors file",
        where=path,
        remedy="Give a .pth, .pt, .bin or .safetensors checkpoint, or a folder saved by transformers.",
    )


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        state: dict[str, Tensor] = load_file(str(path), device="cpu")
    except (SafetensorError, OSError, json.JSONDecodeError) as error:
        raise CheckpointError(f"the file is truncated or damaged ({error})", where=path, remedy=_DAMAGED) from error
    return state


def _read_pickle(path: Path) -> Any:
    import torch

    with _pickle_errors(path), torch.serialization.safe_globals(_stand_ins()):
        return torch.load(path, map_location="cpu", weights_only=True)


@contextmanager
def _pickle_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except pickle.UnpicklingError as error:
        if "persistent_load" in str(error) or "ran out of data" in str(error) or "truncated" in str(error):
            raise CheckpointError("the file is truncated or damaged", where=path, remedy=_DAMAGED) from error
        raise CheckpointError(
            f"the file holds code or objects besides tensors ({_culprit(str(error))}); it was not executed",
            where=path,
            remedy="If you trust its author, load it with the program that wrote it, on a machine you can afford to "
            "lose, and save its weights alone: torch.save(model.state_dict(), 'weights.pth').",
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError, KeyError, IndexError, AttributeError, TypeError) as error:
        what = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise CheckpointError(f"the file is truncated or damaged ({what})", where=path, remedy=_DAMAGED) from error


def _culprit(message: str) -> str:
    marks = ("GLOBAL ", "Unsupported class ", "Unsupported global: ")
    for mark in marks:
        if mark in message:
            return message.split(mark)[1].split(" ")[0].strip()
    return "an object of unknown kind"


class _Ignored:
    """Stands for an object that a training script pickled beside the weights; what it was made of is dropped."""

    def __init__(self, *_: Any) -> None: ...

    def __setstate__(self, _: Any) -> None: ...


def _plain_dict(*_: Any) -> dict[Any, Any]:
    """Stands for a defaultdict, which an optimizer that has stepped keeps its state in."""
    return {}


def _stand_ins() -> list[Any]:
    """What takes the place of optimizers, schedulers and settings, so that none of their code runs."""
    from torch import optim

    pickled = [one for room in (optim, optim.lr_scheduler) for one in vars(room).values() if isinstance(one, type)]
    names = {f"{one.__module__}.{one.__qualname__}" for one in pickled if one.__module__.startswith("torch.optim")}
    return [dict, (_plain_dict, "collections.defaultdict"), *((_Ignored, name) for name in sorted(names | _SETTINGS))]


def _unwrap(content: Any, path: Path) -> dict[str, Tensor]:
    for key in _WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
            break
    if not isinstance(content, dict):
        raise CheckpointError(f"the file holds a {type(content).__name__}, not named tensors", where=path)
    state = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    if not state:
        raise CheckpointError(
            "the file holds no tensors by name",
            where=path,
            remedy=f"It has the entries {', '.join(map(str, list(content)[:5])) or 'none'}.",
        )
    if all(key.startswith("module.") for key in state):
        state = {key.removeprefix("module."): value for key, value in state.items()}
    return state
