"""Prompts drawn from the truth of a store, once, as an artefact that every model is measured with."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from samadapt import prompts
from samadapt.core.atomic import write_text
from samadapt.core.errors import PromptError
from samadapt.core.prompts import Box, Points, Prompt, PromptKey, PromptSet
from samadapt.core.rng import named_rng

if TYPE_CHECKING:
    from samadapt.data.store import Store


def draw(store: Store, cases: Iterable[int], policy: str, seed: int) -> PromptSet:
    """Draw one prompt for every object of some cases.

    Parameters
    ----------
    store : Store
    cases : iterable of int
        Case indices.
    policy : str
        "box" (tight, from the index alone), "centre" (point farthest from the border of the largest part), or
        "point:N" (N points drawn uniformly inside the object).
    seed : int
        Together with the names of case, slice and object it fixes every point.

    Returns
    -------
    PromptSet
        With origin "ground truth".
    """
    numbers = (number for case in cases for number in numbers_of(store, case))
    items = {key_of(store, number): _draw_one(store, number, policy, seed) for number in numbers}
    return PromptSet("ground truth", policy, seed, store.fingerprint, items)


def numbers_of(store: Store, case: int, z: int | None = None) -> range:
    """Row numbers in ``store.objects`` of a case, or of one of its slices."""
    rows = store.objects_of(case, z)
    return range(rows.start, rows.stop)


def without_objects(store: Store, cases: Iterable[int]) -> list[int]:
    """Cases that hold no object of any label: there is nothing to prompt for."""
    return [case for case in cases if not len(numbers_of(store, case))]


def instances_apart(store: Store, case: int) -> bool:
    """True if the objects of a case are instances of an image, each scored by itself."""
    numbers = store.objects["object"][store.objects_of(case)]
    return not store.cases[case].is_volume and bool((numbers > 0).any())


def key_of(store: Store, number: int) -> PromptKey:
    """Key of one row of ``store.objects``."""
    row = store.objects[number]
    return PromptKey(store.cases[int(row["case"])].name, int(row["z"]), int(row["label"]), int(row["object"]))


def box_of_row(store: Store, number: int) -> Box:
    """Tight box of one row of ``store.objects``, without opening the image."""
    row = store.objects[number]
    return Box(float(row["x0"]), float(row["y0"]), float(row["x1"]), float(row["y1"]))


def _draw_one(store: Store, number: int, policy: str, seed: int) -> Prompt:
    if policy == "box":
        return Prompt(box=box_of_row(store, number))
    mask = store.mask(number)
    if policy == "centre":
        return Prompt(points=_positive(np.asarray(prompts.centre_point(mask))))
    count = int(policy.partition(":")[2])
    key = key_of(store, number)
    rng = named_rng("evaluation points", seed, key.case, key.slice, key.label, key.object)
    return Prompt(points=_positive(prompts.random_points(mask, count, rng)))


def _positive(xy: NDArray[Any]) -> Points:
    xy = np.asarray(xy, dtype=np.float32).reshape(-1, 2)
    return Points(xy, np.ones(len(xy), dtype=np.int64))


def load_or_draw(
    store: Store, cases: list[int], policy: str, seed: int, folder: Path, reuse: Path | None = None
) -> PromptSet:
    """Prompts of a run: from its own folder, else from `reuse`, else drawn; always left in `folder`."""
    name = f"{policy.replace(':', '-')}.json"
    for source in (folder / name, *([reuse / name] if reuse else [])):
        if source.exists():
            found = _checked(PromptSet.from_json(source.read_text(encoding="utf-8"), where=source), store, source)
            write_text(folder / name, found.to_json())
            return found
    if reuse:
        raise PromptError(
            f"{name} is missing", where=reuse, remedy="Give the prompts/ folder of a run with that policy."
        )
    drawn = draw(store, cases, policy, seed)
    write_text(folder / name, drawn.to_json())
    return drawn


def _checked(found: PromptSet, store: Store, source: Path) -> PromptSet:
    if found.data != store.fingerprint:
        raise PromptError(
            f"these prompts were drawn on another store ({found.data}, this one is {store.fingerprint})",
            where=source,
            remedy="Draw new ones, or measure on the store they belong to.",
        )
    return found
