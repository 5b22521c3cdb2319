"""The same methods on data that they were not compared on: internal against external cases, and set by set."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from samadapt.metrics import Gap, gap_between
from samadapt.report.grid import NOTHING, Cell, Column, Line, Table, number, p_text
from samadapt.report.methods import Method

_TESTED = (
    "The cases are others, so nothing is paired: p is two-sided, of the Mann-Whitney U test, and not corrected; "
    "each set is resampled by itself. Labels that only one set has weigh in its mean alone."
)
_PUBLISHED = (
    "Published for SAM-Med2D on nine external sets, weighted by masks: Dice from a box, and from one point, of SAM "
    "0.735 and 0.209, of SAM-Med2D without its adapters 0.777 and 0.343, with them 0.849 and 0.766, and 0.851 and "
    "0.772 on FLARE23. Its sets are others: read the figures beside each other, not against each other."
)


def external_table(methods: list[Method], external: list[Method], seed: object) -> Table | None:
    """Internal against external cases of every method that was measured on both, one line a set."""
    pairs = [(m, e) for m in methods for e in external if _identity(m) == _identity(e)]
    if not pairs:
        return None
    names = _names_of_sets(e for _, e in pairs)
    several = len(set(names.values())) > 1
    columns = (Column("Internal"), Column("External"), Column("Difference"), Column("p"))
    lines = tuple(
        Line(
            f"{inside.name}, on {names[_store(outside)]}" if several else inside.name,
            _gap(gap_between(inside.by_case(), outside.by_case(), seed)),
        )
        for inside, outside in pairs
    )
    caption = (
        "Mean Dice of a case without the background, on the data that the methods are compared on (internal) and on "
        f"{', '.join(dict.fromkeys(names.values()))} (external)."
    )
    return Table("external", "Internal and external", caption, "Method", columns, lines, (_TESTED,))


def sets_table(methods: list[Method], external: list[Method]) -> Table | None:
    """Mean Dice of the masks of each external set, and of all of them together; None below two sets."""
    names = _names_of_sets(external)
    if len(names) < 2:
        return None
    columns = (*(Column(name) for name in names.values()), Column("All", "weighted by masks"))
    lines = []
    for method in methods:
        own = {_store(e): _masks(e) for e in external if _identity(e) == _identity(method)}
        if own:
            cells = [_mean(own.get(store, [])) for store in names]
            lines.append(Line(method.name, (*cells, _mean([one for masks in own.values() for one in masks]))))
    caption = "Dice of every annotated mask, all masks of a set alike; below it, their number."
    published = any(name.lower().startswith(("sammed2d", "sam-med2d")) for name in _datasets(methods))
    notes = (_PUBLISHED,) if published else ()
    return Table("external-sets", "External sets", caption, "Method", columns, tuple(lines), notes) if lines else None


def _masks(method: Method) -> list[tuple[float, int]]:
    """Dice of every object that is annotated, and the number of masks it is the mean of."""
    rows = [row for row in method.condition.rows if row["label"] and row["reference_voxels"] > 0]
    return [(row["dice"], int(row.get("masks", 1))) for row in rows if math.isfinite(row["dice"])]


def _mean(masks: Iterable[tuple[float, int]]) -> Cell:
    found = list(masks)
    count = sum(weight for _, weight in found)
    if not count:
        return NOTHING
    mean = sum(dice * weight for dice, weight in found) / count
    return Cell(number(mean, 3), f"{count} mask{'' if count == 1 else 's'}", values={"mean": mean, "n": count})


def _gap(gap: Gap) -> tuple[Cell, ...]:
    inside = Cell(number(gap.internal, 3), f"{gap.n_internal} cases", values={"": gap.internal})
    outside = Cell(number(gap.external, 3), f"{gap.n_external} cases", values={"": gap.external})
    known = not math.isnan(gap.difference)
    detail = f"{gap.low:+.3f} to {gap.high:+.3f}" if known else ""
    text = f"{gap.difference:+.3f}" if known else NOTHING.text
    change = Cell(text, detail, values={"mean": gap.difference, "low": gap.low, "high": gap.high})
    return inside, outside, change, Cell(p_text(gap.p), values={"": gap.p})


def _names_of_sets(external: Iterable[Method]) -> dict[str, str]:
    """Name of every external set by its store; the folder of the store stands behind names that several share."""
    facts: dict[str, Mapping[str, Any]] = {}
    data: dict[str, str] = {}
    for method in external:
        run = method.condition.run
        facts[_store(method)], data[_store(method)] = run.facts, run.data
    shared = {name for name in data.values() if list(data.values()).count(name) > 1}
    ends = {store: str(found.get("store") or store).rstrip("/").rpartition("/")[2] for store, found in facts.items()}
    return {store: f"{name} ({ends[store]})" if name in shared else name for store, name in data.items()}


def _store(method: Method) -> str:
    facts = method.condition.run.facts
    return f"{facts.get('store_fingerprint')} {facts.get('split')}"


def _datasets(methods: list[Method]) -> set[str]:
    return {str(name) for m in methods for name in m.condition.run.facts.get("datasets") or ()}


def _identity(method: Method) -> tuple[str, ...]:
    """What makes a method the same on other data: weights, input size, and what it was told."""
    facts, c = method.condition.run.facts, method.condition
    keys = ("model", "base_hash", "adapter_hash", "image_size")
    return (*(str(facts.get(key) or "") for key in keys), c.prompts, c.choice)
