"""Published trainings as configuration files, by name.

A file begins with comments: one sentence, ``Prepare:`` with the command that makes its store, ``Cite:``, and what a
user must know. `samadapt train -c NAME` uses it.
"""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path

from samadapt.core.errors import ConfigError

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class TrainingRecipe:
    """One file.

    Attributes
    ----------
    name : str
    path : Path
    title : str
        One sentence.
    prepare : str
        Command that makes the store; SOURCE stands for the folder of the dataset.
    citation : str
    notes : str
        What else a user must know, "" if nothing.
    """

    name: str
    path: Path
    title: str
    prepare: str
    citation: str
    notes: str


def names() -> tuple[str, ...]:
    """Names of all training recipes, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def get(name: str) -> TrainingRecipe:
    """Training recipe by name; underscores and hyphens are the same.

    Raises
    ------
    ConfigError
        If there is none of that name; the nearest one is named.
    """
    known = {_key(one): one for one in names()}
    if _key(name) not in known:
        near = difflib.get_close_matches(_key(name), known, 1, 0.4)
        hint = f"did you mean {known[near[0]]!r}? " if near else ""
        raise ConfigError(f"unknown training recipe {name!r}", remedy=f"{hint}samadapt recipes lists them.")
    return _read(_FOLDER / f"{known[_key(name)]}.yaml")


def config_path(given: Path) -> Path:
    """The file itself if it exists or is written as one, else the training recipe of that name."""
    if given.exists() or given.suffix in (".yaml", ".yml") or len(given.parts) > 1:
        return given
    return get(str(given)).path


def _read(path: Path) -> TrainingRecipe:
    lines = path.read_text(encoding="utf-8").splitlines()
    comments = [line.removeprefix("#").strip() for line in lines if line.startswith("#")]
    told = {key: text for key, colon, text in (line.partition(": ") for line in comments[1:]) if colon}
    notes = [line for line in comments[1:] if not line.startswith(("Prepare: ", "Cite: "))]
    return TrainingRecipe(path.stem, path, comments[0], told["Prepare"], told["Cite"], " ".join(notes))


def _key(name: str) -> str:
    return name.strip().lower().replace("_", "-")
