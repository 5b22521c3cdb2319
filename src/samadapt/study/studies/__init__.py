"""Published studies as configuration files, by name, and the engine that runs them: `samadapt study NAME`."""

from __future__ import annotations

import difflib
from pathlib import Path

from samadapt.config import load_config
from samadapt.core.errors import ConfigError
from samadapt.study.studies.plan import StudyPlan

_FOLDER = Path(__file__).parent


def names() -> tuple[str, ...]:
    """Names of all studies, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def get(name: str | Path) -> StudyPlan:
    """Plan of a study, by its name or from a file of one's own.

    Raises
    ------
    ConfigError
        If there is none of that name (the nearest is given), or the file is no plan.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml"):
        return load_config(StudyPlan, path)
    if str(name) not in names():
        near = difflib.get_close_matches(str(name), names(), 1, 0.4)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigError(f"there is no study called {str(name)!r}", remedy=f"{hint}samadapt study --list shows all.")
    return load_config(StudyPlan, _FOLDER / f"{name}.yaml")
