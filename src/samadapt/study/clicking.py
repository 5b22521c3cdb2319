"""Sessions of clicks with every object of a case."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import PromptError
from samadapt.core.plans import ClickPlan
from samadapt.core.prompts import Box, Points, Prompt, PromptKey
from samadapt.core.rng import named_rng
from samadapt.infer.predictor import Predictor
from samadapt.prompts import middle_box
from samadapt.study.answers import judge
from samadapt.study.prompting import box_of_row, key_of, numbers_of
from samadapt.study.rounds import Clocked, play, play_volume

if TYPE_CHECKING:
    from samadapt.data.store import Store
    from samadapt.models.promptable import SamPromptable
    from samadapt.study.predicting import CasePredictions

Said = dict[PromptKey, Prompt]
"""What was said about each object, all rounds together."""


@dataclass
class Sessions:
    """The sessions of one case.

    Attributes
    ----------
    model : SamPromptable
    store : Store
    case : int
    instances : bool
        Score each object by itself.
    seed : int
        Of the boxes of middle slices.
    found : CasePredictions
        Gets the masks and answers of every round.
    """

    model: SamPromptable
    store: Store
    case: int
    instances: bool
    seed: int
    found: CasePredictions
    _open: dict[int, Clocked] = field(default_factory=dict)

    def hold(self, plans: Iterable[ClickPlan]) -> dict[str, Said]:
        """Play every plan; returns what was said, by policy.

        Raises
        ------
        PromptError
            If clicks in a volume are asked for and the case is an image.
        """
        chosen = list(plans)
        said: dict[str, Said] = {plan.policy: {} for plan in chosen}
        for z in np.unique(self.store.objects["z"][self.store.objects_of(self.case)]).tolist():
            for plan in chosen:
                if not plan.of_volume:
                    said[plan.policy] |= self._about_slice(plan, z)
            self._close()
        for plan in chosen:
            if plan.of_volume:
                said[plan.policy] |= self._about_volume(plan)
        self._close()
        return said

    def _about_slice(self, plan: ClickPlan, z: int) -> Said:
        said: Said = {}
        for number in numbers_of(self.store, self.case, z):
            row, truth, key = self.store.objects[number], self.store.mask(number), key_of(self.store, number)
            box = box_of_row(self.store, number) if plan.begins_with_box else None
            for name, one in zip(plan.names, play(self._respondent(z), truth, plan.clicks, box)):
                self.found.add((name, "model", "predicted"), row, one.prediction.mask, self.instances)
                self.found.answers += judge(key, name, one.prediction.masks, one.prediction.scores, truth)
                said[key] = Prompt(one.clicks if len(one.clicks) else None, box)
        return said

    def _about_volume(self, plan: ClickPlan) -> Said:
        record = self.store.cases[self.case]
        if not record.is_volume:
            raise PromptError(
                f"{plan.policy} clicks in volumes, and this case is an image",
                where=record.name,
                remedy=f"Use box+clicks:{plan.clicks}.",
            )
        said: Said = {}
        for label, truth in self._labels():
            z, box = middle_box(truth, named_rng("middle box", self.seed, record.name, label))
            for name, one in zip(plan.names, play_volume(self._respondent, truth, plan.clicks, (z, box))):
                for at, mask in enumerate(one.mask):
                    self.found.add((name, "model", "predicted"), {"label": label, "object": 0, "z": at}, mask, False)
                said |= _prompts(record.name, label, one.clicks, z, box)
        return said

    def _labels(self) -> Iterator[tuple[int, NDArray[np.bool_]]]:
        numbers = numbers_of(self.store, self.case)
        rows = self.store.objects[numbers.start : numbers.stop]
        for label in np.unique(rows["label"]).tolist():
            truth = np.zeros(self.store.cases[self.case].shape, dtype=bool)
            for offset in np.flatnonzero(rows["label"] == label).tolist():
                truth[int(rows["z"][offset])] |= self.store.mask(numbers[offset])
            yield label, truth

    def _respondent(self, z: int) -> Clocked:
        """Of slice z; encoded when it is first asked for."""
        if z not in self._open:
            image, began = self.store.image(self.case, z), time.perf_counter()
            self._open[z] = Clocked(Predictor(self.model).set_image(image))
            self._open[z].seconds = time.perf_counter() - began
        return self._open[z]

    def _close(self) -> None:
        """Forget the encoded slices and count their seconds."""
        self.found.seconds += sum(one.seconds for one in self._open.values())
        self._open.clear()


def _prompts(case: str, label: int, clicks: dict[int, Points], z: int, box: Box) -> Said:
    places = sorted({z, *clicks})
    return {PromptKey(case, at, label): Prompt(clicks.get(at), box if at == z else None) for at in places}
