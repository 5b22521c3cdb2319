"""Rounds of a session: the model answers, a simulated annotator clicks into the largest error, the model answers again.

Nothing here knows a model: a `Respondent` answers about one image.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from samadapt.core.prompts import Box, Points
from samadapt.core.rng import named_rng
from samadapt.infer.propagate import LARGEST_GROWTH, MARGIN_PX
from samadapt.prompts import box_of, next_point, next_voxel
from samadapt.prompts.clicks import ClickPolicy

if TYPE_CHECKING:
    from samadapt.core.prediction import Prediction
    from samadapt.infer.predictor import Predictor

Mask = NDArray[np.bool_]
NO_CLICKS = Points(np.zeros((0, 2), dtype=np.float32), np.zeros(0, dtype=np.int64))


class Respondent(Protocol):
    """Answers prompts about one image."""

    def answer(self, points: Points | None, box: Box | None, mask: NDArray[np.float32] | None) -> Prediction:
        """Candidates for one object; `mask` is what was kept of an earlier answer."""

    def keep(self, answer: Prediction) -> NDArray[np.float32]:
        """Logits of the best candidate, as the next mask prompt."""


@dataclass
class Clocked:
    """`Respondent` over a `Predictor` whose image is set; counts the seconds that its answers took."""

    predictor: Predictor
    seconds: float = 0.0

    def answer(self, points: Points | None, box: Box | None, mask: NDArray[np.float32] | None) -> Prediction:
        """See `Respondent`."""
        given = points if points is not None and len(points) else None
        began = time.perf_counter()
        found = self.predictor.predict(
            points=None if given is None else given.xy,
            point_labels=None if given is None else given.labels,
            box=None if box is None else box.xyxy,
            mask=mask,
        )
        self.seconds += time.perf_counter() - began
        return found

    def keep(self, answer: Prediction) -> NDArray[np.float32]:
        """In pixels of the image for a model that looks closer, else in its mask frame."""
        kept: NDArray[np.float32] = answer.logits[0] if self.predictor.model.zoom else answer.low_res_logits[0]
        return kept


@dataclass(frozen=True, eq=False)
class Round:
    """One answer, and all clicks that it was told."""

    clicks: Points
    prediction: Prediction


def play(
    respondent: Respondent,
    truth: Mask,
    clicks: int,
    box: Box | None = None,
    policy: ClickPolicy = "centre",
    rng: np.random.Generator | None = None,
) -> Iterator[Round]:
    """Session about one object of one image.

    The first click goes to the centre of the object, or of the largest error of the answer to the box; each further
    one to the centre of the largest 8-connected component of missed or of false pixels. Every answer is told all
    clicks so far, the box, and the logits of the answer before. Where nothing is wrong any more, no click is given and
    the answer stays.

    Parameters
    ----------
    respondent : Respondent
    truth : ndarray of shape (H, W), bool
        Not empty.
    clicks : int
    box : Box, optional
    policy : {"centre", "random"}
        "random": every click is uniform over all wrong pixels instead.
    rng : Generator, optional
        Used by "random" only.

    Yields
    ------
    Round
        One for the box, if there is one, then one for each click.
    """
    points, current, drawn = NO_CLICKS, np.zeros_like(truth), rng or named_rng("clicks")
    found: Prediction | None = None
    if box is not None:
        found = respondent.answer(None, box, None)
        current = found.mask
        yield Round(points, found)
    for _ in range(clicks):
        if found is None or not np.array_equal(current, truth):
            xy, label = next_point(truth, current, policy, drawn)
            points = _and(points, xy, label)
            found = respondent.answer(points, box, None if found is None else respondent.keep(found))
            current = found.mask
        yield Round(points, found)


def _and(points: Points, xy: NDArray[np.float32], label: int) -> Points:
    return Points(np.concatenate([points.xy, xy[None]]), np.append(points.labels, label))


@dataclass(frozen=True, eq=False)
class VolumeRound:
    """The mask (Z, Y, X) after a round, and the clicks in every slice that has any."""

    clicks: dict[int, Points]
    mask: Mask


@dataclass
class _Told:
    """What was said about one slice, and the answer to it."""

    points: Points = NO_CLICKS
    box: Box | None = None
    logits: NDArray[np.float32] | None = None
    mask: Mask | None = None

    def ask(self, respondent: Respondent) -> _Told:
        answer = respondent.answer(self.points, self.box, self.logits)
        self.logits, self.mask = respondent.keep(answer), answer.mask
        return self


@dataclass
class _Session:
    """One object of a volume. Slices that nobody spoke about follow the nearest one that was prompted."""

    respondents: Callable[[int], Respondent]
    first: int
    last: int
    shape: tuple[int, ...]
    told: dict[int, _Told] = field(default_factory=dict)
    swept: dict[tuple[int, bytes], _Told] = field(default_factory=dict)
    followed: dict[int, _Told] = field(default_factory=dict)

    def tell(self, z: int, box: Box | None = None, click: tuple[NDArray[np.float32], int] | None = None) -> None:
        if z not in self.told:
            before = self.followed.get(z)
            self.told[z] = _Told(box=box, logits=None if before is None else before.logits)
        told = self.told[z]
        if click is not None:
            told.points = _and(told.points, *click)
        told.ask(self.respondents(z))

    def mask(self) -> Mask:
        """Prompted slices as answered; the others boxed by the mask before them, from both sides of every gap."""
        found, self.followed = np.zeros(self.shape, dtype=bool), {}
        prompted = sorted(self.told)
        for z in prompted:
            found[z] = self.told[z].mask
        ends = [self.first - 1, *prompted, self.last + 1]
        for number, z in enumerate(prompted, start=1):
            below, above = ends[number - 1], ends[number + 1]
            lowest = below + 1 if number == 1 else (below + z) // 2 + 1
            highest = above - 1 if number == len(prompted) else (z + above) // 2
            self._sweep(found, z, range(z + 1, highest + 1))
            self._sweep(found, z, range(z - 1, lowest - 1, -1))
        return found

    def _sweep(self, found: Mask, start: int, slices: Iterable[int]) -> None:
        """Outwards, until the mask vanishes or leaks, as `samadapt.infer.propagate` does."""
        before = found[start]
        for z in slices:
            if not before.any():
                return
            answer = self._boxed(z, _grown(before))
            if answer.mask is None or answer.mask.sum() > LARGEST_GROWTH * before.sum():
                return
            found[z] = before = answer.mask
            self.followed[z] = answer

    def _boxed(self, z: int, box: Box) -> _Told:
        key = z, box.xyxy.tobytes()
        if key not in self.swept:
            self.swept[key] = _Told(box=box).ask(self.respondents(z))
        return self.swept[key]


def play_volume(
    respondents: Callable[[int], Respondent], truth: Mask, clicks: int, middle: tuple[int, Box]
) -> Iterator[VolumeRound]:
    """Session about one object of a volume, with a model that sees slices.

    The box of the middle slice comes first, then clicks into the centre of the largest error of the volume. A click
    changes the answer in its slice, which is told all its clicks and the logits of its last answer; the slices that
    nobody spoke about follow the nearest prompted one, each boxed by the mask before it. The first and last slice of
    the object are known, as in the challenge.

    Parameters
    ----------
    respondents : callable
        Respondent of slice z.
    truth : ndarray of shape (Z, Y, X), bool
    clicks : int
    middle : (int, Box)
        As `samadapt.prompts.middle_box` makes it.

    Yields
    ------
    VolumeRound
        One for the box, then one for each click.
    """
    present = np.flatnonzero(truth.any(axis=(1, 2)))
    session = _Session(respondents, int(present[0]), int(present[-1]), truth.shape)
    session.tell(middle[0], middle[1])
    current = session.mask()
    yield VolumeRound({}, current)
    for _ in range(clicks):
        if not np.array_equal(current, truth):
            (z, y, x), label = next_voxel(truth, current)
            session.tell(z, click=(np.array([x, y], dtype=np.float32), label))
            current = session.mask()
        yield VolumeRound({z: told.points for z, told in session.told.items() if len(told.points)}, current)


def _grown(mask: Mask) -> Box:
    height, width = mask.shape
    tight, margin = box_of(mask), MARGIN_PX
    right, bottom = min(tight.x1 + margin, width - 1), min(tight.y1 + margin, height - 1)
    return Box(max(tight.x0 - margin, 0), max(tight.y0 - margin, 0), right, bottom)
