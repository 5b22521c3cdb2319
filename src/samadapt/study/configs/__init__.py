"""Studies as configuration files, by name: `samadapt sweep -c NAME`, `samadapt scaling -c NAME`."""

from __future__ import annotations

from pathlib import Path

from samadapt.core.errors import ConfigError

_FOLDER = Path(__file__).parent


def names() -> tuple[str, ...]:
    """Names of all of them, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.yaml")))


def config_path(given: Path) -> Path:
    """The file itself if it exists or is written as one, else the configuration of that name.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    if given.exists() or given.suffix in (".yaml", ".yml") or len(given.parts) > 1:
        return given
    if str(given) not in names():
        raise ConfigError(f"there is no configuration called {str(given)!r}", remedy=f"There is {', '.join(names())}.")
    return _FOLDER / f"{given}.yaml"
