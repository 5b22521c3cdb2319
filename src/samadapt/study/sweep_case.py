"""One case of a sweep: every slice is encoded once, whatever is asked about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from samadapt.core.image import Image
from samadapt.core.prediction import Prediction
from samadapt.core.prompts import Box, Points
from samadapt.core.rng import named_rng
from samadapt.infer.zoom import Ask, Viewer, answer
from samadapt.prompts.clicks import ClickPolicy
from samadapt.study.prompting import instances_apart, key_of, numbers_of
from samadapt.study.rounds import play
from samadapt.study.sweep_prompts import Mask, Part, parts_of

if TYPE_CHECKING:
    from samadapt.data.store import Store
    from samadapt.models.promptable import SamPromptable

SESSIONS: dict[str, ClickPolicy] = {"clicks": "centre", "error": "random"}
Logits = NDArray[np.float32]
Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class View:
    """Which phases are looked at and how their masks become one.

    Attributes
    ----------
    name : str
        A phase, "prob-mean", "prob-max", or "" for an image that has no phases.
    phases : tuple of int
    """

    name: str
    phases: tuple[int, ...]

    def fuse(self, logits: Sequence[Logits]) -> Mask:
        """Mask (H, W) from the logits of its phases: their mean or maximum probability is above one half."""
        if len(logits) == 1 or self.name == "prob-max":
            return np.asarray(np.maximum.reduce(list(logits)) > 0)
        probabilities = [1 / (1 + np.exp(-np.clip(one, -50, 50))) for one in logits]
        return np.asarray(np.mean(probabilities, axis=0) > 0.5)


def views_of(phases: Sequence[str], fusions: Iterable[str]) -> list[View]:
    """Views that the fusions of a configuration need; those of scores need every phase alone."""
    if not phases:
        return [View("", (0,))]
    wanted, everything = set(fusions), tuple(range(len(phases)))
    alone = wanted & {"each", "score-mean", "score-max"}
    views = [View(name, (number,)) for number, name in enumerate(phases)] if alone else []
    return views + [View(name, everything) for name in ("prob-mean", "prob-max") if name in wanted]


@dataclass
class Counts:
    """Pixels of one object over the slices of a case."""

    both: int = 0
    predicted: int = 0
    truth: int = 0

    def add(self, predicted: Mask, truth: Mask) -> None:
        """Count one slice."""
        self.both += int(np.count_nonzero(predicted & truth))
        self.predicted += int(np.count_nonzero(predicted))
        self.truth += int(np.count_nonzero(truth))

    @property
    def dice(self) -> float:
        """Of everything counted."""
        return 2 * self.both / (self.predicted + self.truth)

    @property
    def iou(self) -> float:
        """Of everything counted."""
        return self.both / (self.predicted + self.truth - self.both)


Key = tuple[str, str, int, int]
"""(view, choice, label, object)."""


@dataclass
class CaseSweep:
    """Asks about one case.

    Attributes
    ----------
    model : SamPromptable
    store : Store
    case : int
    views : list of View
    choices : tuple of str
    labels : set of int
        Labels to ask about.
    seed : int
    """

    model: SamPromptable
    store: Store
    case: int
    views: list[View]
    choices: tuple[str, ...]
    labels: set[int]
    seed: int
    counts: dict[str, dict[Key, Counts]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(Counts)))

    def ask(self, policies: Sequence[str], phases: int) -> None:
        """Every policy about every object; what is counted is kept by policy.

        Parameters
        ----------
        policies : sequence of str
        phases : int
            Channels that are images of their own; 0 where an image is one.
        """
        rows = self.store.objects[self.store.objects_of(self.case)]
        for z in np.unique(rows["z"]).tolist():
            pixels = _pixels(self.model, self.store.image(self.case, z), phases)
            numbers = [n for n in numbers_of(self.store, self.case, z) if self.store.objects["label"][n] in self.labels]
            here = _Slice(self, Viewer(self.model), pixels, numbers)
            for policy in policies:
                if policy.partition(":")[0] not in SESSIONS:
                    here.ask_at_once(policy)
            for kind in SESSIONS:
                lengths = [int(p.partition(":")[2]) for p in policies if p.partition(":")[0] == kind]
                if lengths:
                    here.hold_sessions(kind, lengths)

    def add(self, policy: str, view: View, choice: str, number: int, predicted: Mask, truth: Mask) -> None:
        """Count the mask of one object in one slice."""
        row = self.store.objects[number]
        apart = int(row["object"]) if instances_apart(self.store, self.case) else 0
        self.counts[policy][(view.name, choice, int(row["label"]), apart)].add(predicted, truth)


def _pixels(model: SamPromptable, image: Image, phases: int) -> list[Pixels]:
    """(H, W, C) of every phase."""
    if not phases:
        return [model.pixels(image)]
    grids = [Image(image.pixels[..., p], image.grid, image.modality, image.source, image.window) for p in range(phases)]
    return [model.pixels(one) for one in grids]


@dataclass(frozen=True, eq=False)
class _Slice:
    """One slice with its phases and the objects in it."""

    sweep: CaseSweep
    viewer: Viewer
    pixels: list[Pixels]
    numbers: list[int]

    def ask_at_once(self, policy: str) -> None:
        truths = [self.sweep.store.mask(number) for number in self.numbers]
        asked = [parts_of(policy, truth, self._rng(policy, n)) for n, truth in zip(self.numbers, truths)]
        asks = [Ask(p, part.points, part.box, part.mask) for parts in asked for part in parts for p in self.pixels]
        found = iter(self.answers(asks))
        for number, truth, parts in zip(self.numbers, truths, asked):
            answers = [(part, [next(found) for _ in self.pixels]) for part in parts]
            for choice in self.sweep.choices:
                self._count(policy, choice, number, truth, _united(answers, choice))

    def _count(self, policy: str, choice: str, number: int, truth: Mask, logits: list[Logits]) -> None:
        for view in self.sweep.views:
            self.sweep.add(policy, view, choice, number, view.fuse([logits[p] for p in view.phases]), truth)

    def hold_sessions(self, kind: str, lengths: list[int]) -> None:
        for number in self.numbers:
            truth = self.sweep.store.mask(number)
            for choice in self.sweep.choices:
                for view in self.sweep.views:
                    panel, rng = _Panel(self, view, choice, truth), self._rng(kind, number)
                    rounds = play(panel, truth, max(lengths), policy=SESSIONS[kind], rng=rng)
                    for clicks, one in enumerate(rounds, start=1):
                        if clicks in lengths:
                            self.sweep.add(f"{kind}:{clicks}", view, choice, number, one.prediction.mask, truth)

    def answers(self, asks: Sequence[Ask]) -> list[Candidates]:
        """Candidates of every ask, in their order."""
        with torch.inference_mode():
            found = answer(self.viewer, asks, multimask=self.sweep.model.multimask)
            return [Candidates(one.paste(ask.hw), one.iou.cpu().numpy(), one.low_res) for ask, one in zip(asks, found)]

    def _rng(self, policy: str, number: int) -> np.random.Generator:
        key = key_of(self.sweep.store, number)
        return named_rng("sweep", policy, self.sweep.seed, key.case, key.slice, key.label, key.object)


@dataclass(frozen=True, eq=False)
class Candidates:
    """Logits (M, H, W) in original pixels, predicted IoU (M,), and logits (M, h, w) in the mask frame."""

    logits: NDArray[np.float32]
    scores: NDArray[np.float32]
    low_res: torch.Tensor

    def choose(self, choice: str, truth: Mask) -> int:
        """Number of the candidate that "first", "predicted" or "oracle" takes."""
        if choice == "first":
            return 0
        if choice == "predicted":
            return int(self.scores.argmax())
        masks = self.logits > 0
        dice = 2 * (masks & truth).sum(axis=(1, 2)) / np.maximum(masks.sum(axis=(1, 2)) + truth.sum(), 1)
        return int(dice.argmax())


def _united(answers: list[tuple[Part, list[Candidates]]], choice: str) -> list[Logits]:
    """Logits of the object in every phase: the largest of those of its parts."""
    phases = range(len(answers[0][1]))
    chosen = [[found[p].logits[found[p].choose(choice, part.truth)] for part, found in answers] for p in phases]
    return [np.maximum.reduce(parts) for parts in chosen]


@dataclass(frozen=True, eq=False)
class _Panel:
    """`Respondent` that shows all phases of a view the same prompts and answers with their fused mask."""

    slice: _Slice
    view: View
    choice: str
    truth: Mask

    def answer(self, points: Points | None, box: Box | None, mask: Logits | None) -> Prediction:
        """See `Respondent`; the mask has one plane for each phase."""
        asks = [
            Ask(self.slice.pixels[p], points, box, None if mask is None else mask[place])
            for place, p in enumerate(self.view.phases)
        ]
        found = self.slice.answers(asks)
        numbers = [one.choose(self.choice, self.truth) for one in found]
        logits = [one.logits[n] for one, n in zip(found, numbers)]
        zoom = self.slice.sweep.model.zoom
        kept = logits if zoom else [one.low_res[n].cpu().numpy() for one, n in zip(found, numbers)]
        scores = np.array([np.mean([one.scores[n] for one, n in zip(found, numbers)])], dtype=np.float32)
        return Prediction(self.view.fuse(logits)[None], scores, np.mean(logits, axis=0)[None], np.stack(kept)[None])

    def keep(self, answer: Prediction) -> Logits:
        """See `Respondent`."""
        kept: Logits = answer.low_res_logits[0]
        return kept
