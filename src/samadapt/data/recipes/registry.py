"""Recipes by name: explicit, imported when used, open to other packages through entry points."""

from __future__ import annotations

import difflib
import importlib
from collections import Counter
from importlib.metadata import entry_points
from pathlib import Path

from samadapt.core.errors import ConfigError, DataError
from samadapt.data.recipes.base import Recipe, require_folder

GROUP = "samadapt.recipes"
_HERE = "samadapt.data.recipes"

# Order matters for detection: the most specific layout first, `folder` last.
_TARGETS: dict[str, str] = {
    "corpus": f"{_HERE}.corpus:CorpusPairs",
    "sammed2d": f"{_HERE}.sammed2d:SamMed2d",
    "phantoms": f"{_HERE}.phantoms:Phantoms",
    "synapse-npz": f"{_HERE}.synapse_npz:SynapseNpz",
    "synapse": f"{_HERE}.synapse:Synapse",
    "amos": f"{_HERE}.amos:Amos",
    "multiphase-phantoms": f"{_HERE}.phantoms:MultiphasePhantoms",
    "flare22": f"{_HERE}.flare22:Flare22",
    "msd": f"{_HERE}.msd:Msd",
    "nnunet": f"{_HERE}.nnunet:NnUnet",
    "medsam-npz": f"{_HERE}.medsam_npz:MedSamNpz",
    "dsb2018": f"{_HERE}.dsb2018:Dsb2018",
    "sirst-5k": f"{_HERE}.sirst5k:Sirst5k",
    "nuaa-sirst": f"{_HERE}.nuaa_sirst:NuaaSirst",
    "sirst": f"{_HERE}.sirst:Sirst",
    "sunnybrook": f"{_HERE}.sunnybrook:Sunnybrook",
    "chaos": f"{_HERE}.chaos:Chaos",
    "totalsegmentator": f"{_HERE}.totalsegmentator:TotalSegmentator",
    "gid-mtl5": f"{_HERE}.gid_mtl5:GidMtl5",
    "gid": f"{_HERE}.gid:Gid",
    "loveda": f"{_HERE}.loveda:LoveDa",
    "dubai-aerial": f"{_HERE}.dubai_aerial:DubaiAerial",
    "kvasir-seg": f"{_HERE}.kvasir_seg:KvasirSeg",
    "folder": f"{_HERE}.folder:Folder",
}


def register(name: str, target: str) -> None:
    """Add a recipe.

    Parameters
    ----------
    name : str
    target : str
        "package.module:Class"; imported when the recipe is first used.

    Raises
    ------
    ConfigError
        If the name is taken.
    """
    key = _key(name)
    if key in _targets():
        raise ConfigError(f"a recipe named {key!r} exists already ({_targets()[key]})", remedy="Choose another name.")
    _TARGETS[key] = target


def names() -> tuple[str, ...]:
    """Names of all recipes, sorted."""
    return tuple(sorted(_targets()))


def get(name: str) -> Recipe:
    """Recipe by name; underscores and hyphens are the same.

    Raises
    ------
    ConfigError
        If there is none of that name; the nearest one is named.
    """
    targets = _targets()
    if _key(name) not in targets:
        near = difflib.get_close_matches(_key(name), targets, 1, 0.4)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigError(f"unknown recipe {name!r}", remedy=f"{hint}Recipes: {', '.join(names())}.")
    module, _, attribute = targets[_key(name)].partition(":")
    found = getattr(importlib.import_module(module), attribute)
    recipe: Recipe = found() if isinstance(found, type) else found
    return recipe


def detect(folder: str | Path) -> str:
    """Name of the recipe whose layout the folder has.

    Raises
    ------
    DataError
        If none fits; lists what was seen.
    """
    source = require_folder(Path(folder))
    for name in sorted(_targets(), key=lambda key: key == "folder"):
        if get(name).matches(source):
            return name
    raise DataError(
        f"the layout was not recognised; saw {_seen(source)}",
        where=source,
        remedy="Put images in images/ and labels in masks/ with the same names, or name a recipe: "
        + ", ".join(names())
        + ".",
    )


def _targets() -> dict[str, str]:
    found = dict(_TARGETS)
    for point in entry_points(group=GROUP):
        if _key(point.name) in found:
            raise ConfigError(
                f"two recipes are named {point.name!r}: {found[_key(point.name)]} and {point.value}",
                remedy="Uninstall or rename one of them.",
            )
        found[_key(point.name)] = point.value
    return found


def _key(name: str) -> str:
    return name.strip().lower().replace("_", "-")


def _seen(source: Path, limit: int = 8) -> str:
    entries = sorted(p for p in source.iterdir() if not p.name.startswith("."))
    folders = [f"{p.name}/" for p in entries if p.is_dir()]
    suffixes = Counter("".join(p.suffixes[-2:]) or p.name for p in entries if p.is_file())
    files = [f"{count} x {suffix}" for suffix, count in suffixes.most_common(limit)]
    return ", ".join([*folders[:limit], *files]) or "an empty folder"
