"""Rows of a sweep: one for each object of a case, each label, each condition."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from samadapt.metrics import class_means, dataset_mean


@dataclass(frozen=True)
class Cell:
    """One object of a case under one condition.

    Attributes
    ----------
    image_size : int
        Side of the model's input in pixels.
    prompts, phases, choice : str
        `phases` is a phase, "prob-mean", "prob-max", "score-mean", "score-max", or "" where images have no phases.
    label : int
    object : int
        Number of an instance, else 0.
    dice, iou : float
        Over all slices of the case that hold the object.
    """

    model: str
    image_size: int
    prompts: str
    phases: str
    choice: str
    case: str
    label: int
    name: str
    object: int
    dice: float
    iou: float


@dataclass(frozen=True)
class ConditionRow:
    """Means of one condition: over the labels of a case, then over cases, with the 95 % bootstrap interval."""

    model: str
    image_size: int
    prompts: str
    phases: str
    choice: str
    dice: float
    low: float
    high: float
    iou: float
    cases: int
    objects: int


@dataclass(frozen=True)
class LabelRow:
    """Mean Dice over cases of one label under one condition, with the 95 % bootstrap interval."""

    model: str
    image_size: int
    prompts: str
    phases: str
    choice: str
    label: int
    name: str
    dice: float
    low: float
    high: float
    cases: int


Condition = tuple[str, int, str, str, str]
"""(model, image size, prompts, phases, choice)."""


def condition_of(cell: Cell) -> Condition:
    """The condition of a cell."""
    return cell.model, cell.image_size, cell.prompts, cell.phases, cell.choice


def over_phases(cells: Iterable[Cell], phases: Sequence[str], fusions: Iterable[str]) -> list[Cell]:
    """Mean or maximum over the phases of the score of each object: fusions "score-mean" and "score-max"."""
    alone: dict[tuple[Any, ...], list[Cell]] = {}
    for cell in cells:
        if cell.phases in phases:
            key = cell.model, cell.image_size, cell.prompts, cell.choice, cell.case, cell.label, cell.object
            alone.setdefault(key, []).append(cell)
    wanted = [name for name in ("score-mean", "score-max") if name in set(fusions)]
    return [_reduced(name, one) for name in wanted for one in alone.values()]


def _reduced(name: str, cells: list[Cell]) -> Cell:
    figures = np.array([(cell.dice, cell.iou) for cell in cells])
    dice, iou = figures.mean(axis=0) if name == "score-mean" else figures.max(axis=0)
    return replace(cells[0], phases=name, dice=float(dice), iou=float(iou))


def summarise(cells: Iterable[Cell], seed: int) -> list[ConditionRow]:
    """One row for each condition, in the order in which the conditions come."""
    rows = []
    for condition, mine in _by_condition(cells).items():
        plain = [asdict(cell) for cell in mine]
        dice, iou = (dataset_mean(plain, figure, seed=seed) for figure in ("dice", "iou"))
        rows.append(ConditionRow(*condition, dice.value, dice.low, dice.high, iou.value, dice.n, len(mine)))
    return rows


def summarise_labels(cells: Iterable[Cell], seed: int) -> list[LabelRow]:
    """One row for each condition and label."""
    rows = []
    for condition, mine in _by_condition(cells).items():
        names = {cell.label: cell.name for cell in mine}
        for label, dice in class_means([asdict(cell) for cell in mine], "dice", seed).items():
            rows.append(LabelRow(*condition, label, names[label], dice.value, dice.low, dice.high, dice.n))
    return rows


def _by_condition(cells: Iterable[Cell]) -> dict[Condition, list[Cell]]:
    found: dict[Condition, list[Cell]] = {}
    for cell in cells:
        found.setdefault(condition_of(cell), []).append(cell)
    return found
