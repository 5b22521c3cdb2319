"""What a run folder says about itself: configuration, versions, hashes, machine, cost."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

from samadapt.core.atomic import write_json
from samadapt.core.errors import RunFolderError
from samadapt.version import __version__

RUN_FILE = "run.json"
_LIBRARIES = ("numpy", "scipy", "torch", "transformers", "peft", "nibabel", "SimpleITK", "blosc2")


def text_hash(text: str) -> str:
    """16 hexadecimal digits of BLAKE2b."""
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def file_hash(path: str | Path) -> str:
    """16 hexadecimal digits of BLAKE2b over a file's bytes."""
    digest = hashlib.blake2b(digest_size=8)
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def environment() -> dict[str, Any]:
    """Versions and machine, as a result needs them."""
    versions = {name: importlib.metadata.version(name) for name in _LIBRARIES if _installed(name)}
    return {
        "samadapt": __version__,
        "python": platform.python_version(),
        "libraries": versions,
        "machine": {"system": platform.platform(), "processor": _processor(), "cores": os.cpu_count()},
        "command": " ".join(sys.argv),
        "started": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def open_run(folder: str | Path, kind: str, config: dict[str, Any], *, resume: bool = False) -> dict[str, Any]:
    """Create a run folder, or take up the same run again.

    Parameters
    ----------
    folder : path
    kind : str
        "train", "evaluate", "predict", ...
    config : dict
        Resolved configuration, JSON-ready.
    resume : bool
        Accept a folder that holds the same kind with the same configuration.

    Returns
    -------
    dict
        The manifest, with "status": "running".

    Raises
    ------
    RunFolderError
        If the folder holds another run, or the same one and `resume` is false.
    """
    digest = require_free(folder, kind, config, resume=resume)
    manifest = {"kind": kind, "status": "running", "config": config, "config_hash": digest} | environment()
    write_json(Path(folder) / RUN_FILE, manifest)
    return manifest


def require_free(folder: str | Path, kind: str, config: dict[str, Any], *, resume: bool = False) -> str:
    """Hash of the configuration, if `open_run` would accept the folder; writes nothing.

    Raises
    ------
    RunFolderError
        As `open_run`.
    """
    path = Path(folder) / RUN_FILE
    digest = text_hash(json.dumps(config, sort_keys=True))
    if path.exists():
        _check_same(path, kind, digest, resume)
    elif Path(folder).is_file():
        raise RunFolderError("this is a file, not a folder", where=folder, remedy="Choose another --out.")
    elif Path(folder).exists() and any(Path(folder).iterdir()):
        raise RunFolderError("the folder is not empty and holds no run", where=folder, remedy="Choose an empty folder.")
    return digest


def close_run(folder: str | Path, manifest: dict[str, Any], **facts: Any) -> None:
    """Write the manifest again with status "done" and what was learnt (seconds, hashes, ...)."""
    write_json(Path(folder) / RUN_FILE, manifest | {"status": "done"} | facts)


def read_run(folder: str | Path) -> dict[str, Any]:
    """Manifest of a run folder."""
    path = Path(folder) / RUN_FILE
    if not path.exists():
        raise RunFolderError(
            "not a run folder: run.json is missing", where=folder, remedy="Give the --out of train or evaluate."
        )
    return _read_manifest(path)


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        remedy = "Run it again into another folder."
        raise RunFolderError(f"damaged file: {error}", where=path, remedy=remedy) from error
    if not isinstance(manifest, dict):
        raise RunFolderError("not the description of a run", where=path, remedy="Choose another folder.")
    return manifest


def _check_same(path: Path, kind: str, digest: str, resume: bool) -> None:
    old = _read_manifest(path)
    if (old.get("kind"), old.get("config_hash")) != (kind, digest):
        raise RunFolderError(
            f"the folder holds another run ({old.get('kind')})", where=path.parent, remedy="Choose another --out."
        )
    if not resume:
        raise RunFolderError(
            f"this run is already there ({old.get('status')})",
            where=path.parent,
            remedy="Add --resume to go on with it, or choose another --out.",
        )


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
        return next(line.split(":")[1].strip() for line in text.splitlines() if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
