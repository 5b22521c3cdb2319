"""Predictions of one case under every prompt policy, kept as small crops."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from samadapt import prompts as prompting
from samadapt.core.prompts import Prompt, PromptSet
from samadapt.infer.upscale import to_original
from samadapt.infer.zoom import Ask, Viewer, answer
from samadapt.study.answers import Answer, judge
from samadapt.study.prompting import box_of_row, key_of, numbers_of

if TYPE_CHECKING:
    from samadapt.core.frames import Frame
    from samadapt.core.image import Image
    from samadapt.data.store import Store
    from samadapt.models.promptable import SamPromptable

UNITED = -1
"""Object number of a label whose objects are scored as one."""

Condition = tuple[str, str, str]
"""(prompts, method, choice)."""


@dataclass(frozen=True, eq=False)
class Crop:
    """The set pixels of one predicted mask: slice, top left corner, and the mask inside its own box."""

    z: int
    y: int
    x: int
    mask: NDArray[np.bool_]

    @classmethod
    def of(cls, mask: NDArray[np.bool_], z: int) -> Crop:
        """Crop a (H, W) mask to its box; an empty mask keeps one false pixel."""
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not len(rows):
            return cls(z, 0, 0, np.zeros((1, 1), dtype=bool))
        y, x = int(rows[0]), int(columns[0])
        return cls(z, y, x, mask[y : rows[-1] + 1, x : columns[-1] + 1].copy())

    def paint(self, canvas: NDArray[np.bool_]) -> None:
        """Set its pixels in a (Z, H, W) canvas."""
        height, width = self.mask.shape
        canvas[self.z, self.y : self.y + height, self.x : self.x + width] |= self.mask


@dataclass
class CasePredictions:
    """All crops of a case: condition -> (label, object) -> crops; every answer; and the model seconds spent."""

    crops: dict[Condition, dict[tuple[int, int], list[Crop]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(list))
    )
    answers: list[Answer] = field(default_factory=list)
    seconds: float = 0.0

    def add(self, condition: Condition, row: Any, mask: NDArray[np.bool_], instances: bool) -> None:
        """Keep one mask under its label, and its object number where objects are scored apart (else -1)."""
        key = (int(row["label"]), int(row["object"]) if instances else UNITED)
        self.crops[condition][key].append(Crop.of(mask, int(row["z"])))


def predict_case(
    model: SamPromptable,
    store: Store,
    case: int,
    prompt_sets: Mapping[str, PromptSet],
    *,
    instances: bool,
    batch_size: int,
) -> CasePredictions:
    """Masks of every object of a case for every prompt set, with both mask choices, and the ellipse baseline.

    Parameters
    ----------
    prompt_sets : mapping of policy to PromptSet
    instances : bool
        Score each object by itself; otherwise objects of one label are united over the whole case.
    batch_size : int
        Slices encoded at once.
    """
    found = CasePredictions()
    slices = [int(z) for z in np.unique(store.objects["z"][store.objects_of(case)])]
    for start in range(0, len(slices), batch_size):
        batch = slices[start : start + batch_size]
        images = [store.image(case, z) for z in batch]
        views = [_Slice(store, numbers_of(store, case, z), i.shape, instances) for z, i in zip(batch, images)]
        if prompt_sets:
            for view in views:
                view.add_baseline(found)
        began = time.perf_counter()
        eye = _CloseEye(model, images) if model.zoom else _WholeEye(model, images)
        found.seconds += time.perf_counter() - began
        for policy, prompt_set in prompt_sets.items():
            _add_answers(found, eye, views, policy, prompt_set)
    return found


def _add_answers(
    found: CasePredictions, eye: _WholeEye | _CloseEye, views: list[_Slice], policy: str, prompt_set: PromptSet
) -> None:
    prompts = [[prompt_set.items[key_of(view.store, number)] for number in view.numbers] for view in views]
    answers = eye.answers(prompts)
    for view in views:
        for number in view.numbers:
            began = time.perf_counter()
            candidates, scores = next(answers)
            found.seconds += time.perf_counter() - began
            view.add(found, policy, number, candidates, scores)


@dataclass(frozen=True, eq=False)
class _Slice:
    """The objects of one slice and how their masks are kept."""

    store: Store
    numbers: range
    hw: tuple[int, int]
    instances: bool

    def add_baseline(self, found: CasePredictions) -> None:
        for number in self.numbers:
            ellipse = prompting.ellipse_in(box_of_row(self.store, number), self.hw)
            found.add(("box", "ellipse", "baseline"), self.store.objects[number], ellipse, self.instances)

    def add(
        self,
        found: CasePredictions,
        policy: str,
        number: int,
        candidates: NDArray[np.bool_],
        scores: NDArray[np.float32],
    ) -> None:
        row, truth = self.store.objects[number], self.store.mask(number)
        found.answers += judge(key_of(self.store, number), policy, candidates, scores, truth)
        found.add((policy, "model", "predicted"), row, candidates[scores.argmax()], self.instances)
        found.add((policy, "model", "oracle"), row, best_by_truth(candidates, truth), self.instances)


Candidates = tuple[NDArray[np.bool_], NDArray[np.float32]]
"""Masks (M, H, W) of one object and their predicted IoU (M,)."""


class _WholeEye:
    """A model that sees whole images: each is encoded once, for all prompts."""

    def __init__(self, model: SamPromptable, images: list[Image]) -> None:
        self.model, self.images = model, images
        with torch.inference_mode():
            self.embeddings = model.encode(model.preprocess(images))

    def answers(self, prompts: list[list[Prompt]]) -> Iterator[Candidates]:
        """Candidates object by object, image by image."""
        for place, (image, asked) in enumerate(zip(self.images, prompts)):
            masks, scores = decode_prompts(self.model, self.embeddings[place : place + 1], asked, image.shape)
            yield from zip(masks, scores)


class _CloseEye:
    """A model that looks closer at what it is asked about."""

    def __init__(self, model: SamPromptable, images: list[Image]) -> None:
        self.viewer = Viewer(model, keep=4 * len(images))
        self.pixels = [model.pixels(image) for image in images]

    def answers(self, prompts: list[list[Prompt]]) -> Iterator[Candidates]:
        """Candidates object by object, image by image."""
        asks = [Ask(pixels, p.points, p.box) for pixels, asked in zip(self.pixels, prompts) for p in asked]
        with torch.inference_mode():
            found = answer(self.viewer, asks, multimask=self.viewer.model.multimask)
        for ask, one in zip(asks, found):
            yield one.paste(ask.hw) > 0, one.iou.cpu().numpy()


@torch.inference_mode()
def decode_prompts(
    model: SamPromptable, embedding: torch.Tensor, prompts: list[Prompt], hw: tuple[int, int], chunk: int = 32
) -> tuple[NDArray[np.bool_], NDArray[np.float32]]:
    """Masks (P, M, H, W) and predicted IoU (P, M) of many prompts on one image.

    Parameters
    ----------
    embedding : Tensor of shape (1, C, h, w)
    prompts : list of Prompt
        All of one kind: boxes, or the same number of points.
    """
    frame = model.frame(hw)
    masks, scores = [], []
    for start in range(0, len(prompts), chunk):
        arguments = to_tensors(prompts[start : start + chunk], frame, embedding.device)
        output = model.decode(embedding, **arguments, multimask=model.multimask)
        masks.append((to_original(output.low_res_logits[0].float(), frame) > 0).cpu().numpy())
        scores.append(output.iou[0].float().cpu().numpy())
    return np.concatenate(masks), np.concatenate(scores)


def to_tensors(prompts: list[Prompt], frame: Frame, device: torch.device) -> dict[str, Any]:
    """Keyword arguments of `decode` for prompts of one kind, in model pixels, with a batch axis of 1."""
    arguments: dict[str, Any] = {}
    boxes = [p.box.xyxy for p in prompts if p.box is not None]
    points = [p.points for p in prompts if p.points is not None]
    if boxes:
        arguments["boxes"] = torch.from_numpy(frame.box_to_model(np.stack(boxes)))[None].to(device)
    if points:
        xy = frame.to_model(np.stack([p.xy for p in points]))
        arguments["points"] = torch.from_numpy(xy)[None].to(device)
        arguments["point_labels"] = torch.from_numpy(np.stack([p.labels for p in points]))[None].to(device)
    return arguments


def best_by_truth(candidates: NDArray[np.bool_], truth: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The candidate (M, H, W) with the highest Dice against the truth: the oracle."""
    overlap = (candidates & truth).sum(axis=(1, 2))
    dice = 2 * overlap / np.maximum(candidates.sum(axis=(1, 2)) + truth.sum(), 1)
    best: NDArray[np.bool_] = candidates[int(dice.argmax())]
    return best
