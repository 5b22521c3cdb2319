"""What run folders hold, read and checked."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from samadapt.core.errors import RunFolderError
from samadapt.core.manifest import RUN_FILE, read_run

KINDS = {"train": "train", "evaluate": "evaluate", "score": "evaluate"}
_ENTRY_KEYS = {"prompts", "method", "choice", "label", "name", "figure", "mean", "low", "high", "n", "left_out"}
_CONVENTION_KEYS = {"convention", "prompts", "method", "choice", "name", "figure", "value", "unit", "left_out"}


@dataclass(frozen=True)
class Run:
    """One run folder.

    Attributes
    ----------
    folder : Path
    name : str
        Short name, different from that of every other run of the report.
    manifest : dict
        run.json.
    facts : dict
        What the run states about model, data and cost.
    summary : tuple of dict
        summary.json of an evaluation, else empty.
    rows : tuple of dict
        rows.csv with numbers as float, empty if the file is not there.
    conventions : tuple of dict
        conventions.json, empty if only one convention was asked for.
    log, val : tuple of dict
        Lines of log.jsonl and val.jsonl.
    overlays : tuple of Path
        Slices to show: best, median, worst.
    """

    folder: Path
    name: str
    manifest: Mapping[str, Any]
    facts: Mapping[str, Any]
    summary: tuple[Mapping[str, Any], ...] = ()
    rows: tuple[Mapping[str, Any], ...] = ()
    conventions: tuple[Mapping[str, Any], ...] = ()
    log: tuple[Mapping[str, Any], ...] = ()
    val: tuple[Mapping[str, Any], ...] = ()
    overlays: tuple[Path, ...] = ()

    @property
    def kind(self) -> str:
        """ "train" or "evaluate"; predictions of another program that were scored count as evaluated."""
        return KINDS[self.manifest["kind"]]

    @property
    def config(self) -> Mapping[str, Any]:
        """Configuration as resolved by the run."""
        return self.manifest.get("config") or {}

    @property
    def policies(self) -> tuple[str, ...]:
        """Prompt policies that the run was asked for, in order."""
        asked = self.config.get("prompts") or ()
        return (asked,) if isinstance(asked, str) else tuple(asked)

    @property
    def model(self) -> str:
        """Name of the base model, without folders."""
        name = str(self.facts.get("model") or self.config.get("model") or "model")
        return Path(name).stem if "/" in name or "\\" in name else name

    @property
    def data(self) -> str:
        """Names of the datasets, in words."""
        names = self.facts.get("datasets") or ()
        return ", ".join(map(str, names)) or Path(str(self.config.get("data", "data"))).name


def spacing_notes(runs: Iterable[Run]) -> tuple[str, ...]:
    """What a reader of millimetres must know where the cases are pictures without the size of a pixel."""
    facts = [run.facts for run in runs if run.kind == "evaluate"]
    if not any(one.get("pictures") and _is_one(one.get("spacing_mm") or ()) for one in facts):
        return ()
    return ("The pictures do not say how large a pixel is: it counts as 1 mm, so these distances are pixels.",)


def _is_one(spacings: Iterable[Iterable[float]]) -> bool:
    steps = {step for spacing in spacings for step in spacing}
    return steps == {1.0}


def read_runs(folders: Iterable[str | Path]) -> list[Run]:
    """Runs of some folders, each folder once.

    Raises
    ------
    RunFolderError
        If there is no folder, or one cannot be reported on.
    """
    paths = list(dict.fromkeys(Path(folder) for folder in folders))
    if not paths:
        raise RunFolderError("no run folder was given", remedy="Give folders that train or evaluate wrote.")
    return [_read(path, name) for path, name in zip(paths, _short_names(paths))]


def _short_names(paths: list[Path]) -> list[str]:
    names = [path.resolve().name for path in paths]
    if len(set(names)) == len(names):
        return names
    longer = ["/".join(path.resolve().parts[-2:]) for path in paths]
    return longer if len(set(longer)) == len(longer) else [str(path) for path in paths]


def _read(folder: Path, name: str) -> Run:
    manifest = _manifest(folder)
    facts = manifest | (manifest.get("facts") or {})
    if manifest["kind"] == "train":
        log, val = _lines(folder / "log.jsonl"), _lines(folder / "val.jsonl")
        return Run(folder, name, manifest, facts, log=log, val=val)
    summary, rows = _summary(folder, manifest), _rows(folder / "rows.csv")
    conventions = _entries(folder / "conventions.json", _CONVENTION_KEYS) if rows else ()
    return Run(folder, name, manifest, facts, summary, rows, conventions, overlays=_overlays(folder))


def _manifest(folder: Path) -> dict[str, Any]:
    try:
        manifest = read_run(folder)
    except (ValueError, UnicodeDecodeError) as error:
        raise RunFolderError(f"{RUN_FILE} is damaged: {error}", where=folder, remedy="Repeat the run.") from error
    kind = manifest.get("kind") if isinstance(manifest, dict) else None
    if kind not in KINDS:
        raise RunFolderError(
            f"a run of kind {kind!r} cannot be reported on",
            where=folder,
            remedy="Give runs of train, evaluate and score.",
        )
    return manifest


def _summary(folder: Path, manifest: Mapping[str, Any]) -> tuple[Mapping[str, Any], ...]:
    path = folder / "summary.json"
    if not path.exists():
        raise RunFolderError(
            f"the evaluation is {manifest.get('status', 'unfinished')}: summary.json is missing",
            where=folder,
            remedy="Finish it with samadapt evaluate --resume.",
        )
    return _entries(path, _ENTRY_KEYS)


def _entries(path: Path, keys: set[str]) -> tuple[Mapping[str, Any], ...]:
    """List of mappings that have some keys; empty if the file is not there."""
    if not path.exists():
        return ()
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        lacking = [sorted(keys - set(entry)) for entry in entries if not set(entry) >= keys]
    except (ValueError, TypeError) as error:
        where = path.parent
        raise RunFolderError(f"{path.name} is damaged: {error}", where=where, remedy="Repeat the run.") from error
    if lacking:
        raise RunFolderError(f"an entry of {path.name} lacks {', '.join(lacking[0])}", where=path.parent)
    return tuple(entries)


def _rows(path: Path) -> tuple[Mapping[str, Any], ...]:
    if not path.exists():
        return ()
    with open(path, encoding="utf-8", newline="") as file:
        return tuple(_numbers(row, path) for row in csv.DictReader(file))


def _numbers(row: Mapping[str, str], path: Path) -> dict[str, Any]:
    texts = ("case", "patient", "name", "prompts", "method", "choice", "modality")
    try:
        return {key: value if key in texts else float(value) for key, value in row.items()}
    except (TypeError, ValueError) as error:
        raise RunFolderError(f"rows.csv is damaged: {error}", where=path, remedy="Repeat the run.") from error


def _lines(path: Path) -> tuple[Mapping[str, Any], ...]:
    """Complete lines; the last one of a run that still goes on may be cut."""
    found: list[Mapping[str, Any]] = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            found.append(json.loads(line))
        except ValueError:
            break
    return tuple(found)


def _overlays(folder: Path) -> tuple[Path, ...]:
    ranks = ("best", "median", "worst")
    return tuple(path for rank in ranks for path in sorted((folder / "overlays").glob(f"{rank}_*.npz")))
