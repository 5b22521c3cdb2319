"""What a sweep has measured, written down case by case."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from samadapt.core.lines import append_line, read_lines
from samadapt.study.sweep_case import Counts, Key
from samadapt.study.sweep_rows import Cell

OWN_SIZE = 0
"""In place of a size where a model keeps its own."""


@dataclass(frozen=True)
class Place:
    """Where prompts are tried: a model at a size (`OWN_SIZE`: its own), and a case."""

    model: str
    size: int
    case: str


Figures = tuple[str, str, int, int, float, float]
"""(phases, choice, label, object, dice, iou)."""


class SweepJournal:
    """Answers to every policy at every place, in a file of one line each.

    Parameters
    ----------
    path : Path
        Read if it exists; the last line of an interrupted run may be cut and does not count.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._found: dict[tuple[Place, str], tuple[int, list[Figures]]] = {}
        for raw in read_lines(path):
            figures: list[Figures] = [(str(v), str(c), int(k), int(o), d, i) for v, c, k, o, d, i in raw["figures"]]
            self._found[Place(raw["model"], raw["size"], raw["case"]), raw["prompts"]] = raw["image_size"], figures

    def holds(self, place: Place, policy: str, wanted: set[tuple[str, str]]) -> bool:
        """True if every (phases, choice) that is wanted was measured."""
        _, figures = self._found.get((place, policy), (0, []))
        return wanted <= {(phases, choice) for phases, choice, *_ in figures}

    def add(self, place: Place, policy: str, image_size: int, counts: Mapping[Key, Counts]) -> None:
        """Write down what was counted for one policy."""
        figures: list[Figures] = [(*key, count.dice, count.iou) for key, count in counts.items()]
        head = {"model": place.model, "size": place.size, "case": place.case, "prompts": policy}
        append_line(self.path, head | {"image_size": image_size, "figures": figures})
        self._found[place, policy] = image_size, figures

    def cells(
        self, place: Place, policies: Iterable[str], wanted: set[tuple[str, str]], names: Mapping[int, str]
    ) -> Iterator[Cell]:
        """Cells of a place under the wanted conditions."""
        for policy in policies:
            image_size, figures = self._found[place, policy]
            for phases, choice, label, number, dice, iou in figures:
                if (phases, choice) in wanted:
                    head = place.model, image_size, policy, phases, choice, place.case
                    yield Cell(*head, label, names[label], number, dice, iou)
