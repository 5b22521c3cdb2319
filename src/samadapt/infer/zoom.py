"""Answers from a closer look: the part of the image around a prompt, encoded at the model's full size.

A box says where an object is and how large, so the model is shown a square around it. A click says only where: the
model first answers on the whole image and on ever smaller squares around the click, then is shown the square around
the most convincing of these answers. A correction looks at the square
around the previous mask and all clicks. How large the square is belongs to the checkpoint (`SamPromptable.zoom`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import interpolate, pad

from samadapt.core.prompts import Box, Points
from samadapt.infer.tight import fitted
from samadapt.infer.upscale import to_original
from samadapt.models.maps import join
from samadapt.prompts import Window, box_around, box_of, window_around

if TYPE_CHECKING:
    from samadapt.core.frames import Frame
    from samadapt.models.promptable import SamPromptable

OUTSIDE_LOGIT = -10.0
"""Logit of a pixel that the model was not shown."""
NEAREST_PX = 32
"""Side of the smallest square around a first click."""
WHOLE_FROM = 0.75
"""A square at least this share of the image is no closer look: the whole image is used."""
BATCH = 16


@dataclass(frozen=True, eq=False)
class Ask:
    """One prompt about one image.

    Attributes
    ----------
    pixels : ndarray of shape (H, W, C), float32 in 0..255
    points : Points, optional
    box : Box, optional
        Both in pixels of the image.
    mask : ndarray of shape (H, W), float32, optional
        Logits of an earlier answer; for a model that does not look closer also (h, w) in its mask frame.
    """

    pixels: NDArray[np.float32]
    points: Points | None = None
    box: Box | None = None
    mask: NDArray[np.float32] | None = None

    @property
    def hw(self) -> tuple[int, int]:
        """(H, W) of the image."""
        return int(self.pixels.shape[0]), int(self.pixels.shape[1])

    @property
    def kind(self) -> tuple[int, bool, bool]:
        """What it consists of; prompts of one kind can be decoded together."""
        return len(self.points or ()), self.box is not None, self.mask is not None


@dataclass(frozen=True, eq=False)
class Answer:
    """Candidates for one prompt.

    Attributes
    ----------
    window : Window
        The part of the image that was looked at.
    logits : Tensor of shape (M, h, w), float32
        In pixels of the window.
    low_res : Tensor of shape (M, side, side), float32
        The same in the mask frame of the window.
    iou : Tensor of shape (M,), float32
        Predicted.
    """

    window: Window
    logits: Tensor
    low_res: Tensor
    iou: Tensor

    def paste(self, hw: tuple[int, int]) -> NDArray[np.float32]:
        """(M, H, W) logits in the pixels of the image, `OUTSIDE_LOGIT` where nothing was looked at."""
        whole = np.full((len(self.logits), *hw), OUTSIDE_LOGIT, dtype=np.float32)
        whole[(slice(None), *self.window.slices)] = self.logits.cpu().numpy()
        return whole

    def best(self, hw: tuple[int, int]) -> NDArray[np.float32]:
        """(H, W) logits of the candidate with the highest predicted IoU."""
        chosen = int(self.iou.argmax())
        best: NDArray[np.float32] = replace(self, logits=self.logits[chosen : chosen + 1]).paste(hw)[0]
        return best


@dataclass(frozen=True, eq=False)
class View:
    """An encoded part of an image: its frame in the model's input, and its embedding with a batch axis of 1."""

    frame: Frame
    embedding: Any


class Viewer:
    """Encodes parts of images, each once while it is remembered.

    Parameters
    ----------
    model : SamPromptable
    keep : int
        Parts that are remembered.
    """

    def __init__(self, model: SamPromptable, keep: int = 64) -> None:
        self.model, self.keep = model, keep
        self._views: OrderedDict[tuple[int, Window], tuple[NDArray[np.float32], View]] = OrderedDict()

    def views(self, places: Sequence[tuple[NDArray[np.float32], Window]]) -> list[View]:
        """Views of (pixels, window) pairs, in their order; what is new is encoded in batches."""
        found: dict[tuple[int, Window], View] = {}
        fresh: dict[tuple[int, Window], NDArray[np.float32]] = {}
        for pixels, window in places:
            key = (id(pixels), window)
            if key in self._views:
                self._views.move_to_end(key)
                found[key] = self._views[key][1]
            else:
                fresh[key] = pixels
        for key, view in zip(fresh, self._encode([(p, key[1]) for key, p in fresh.items()])):
            found[key] = view
            self._views[key] = (fresh[key], view)  # holding the pixels keeps their id from being given away
        while len(self._views) > self.keep:
            self._views.popitem(last=False)
        return [found[id(pixels), window] for pixels, window in places]

    def _encode(self, places: list[tuple[NDArray[np.float32], Window]]) -> Iterable[View]:
        for start in range(0, len(places), BATCH):
            crops = [np.ascontiguousarray(pixels[w.slices]) for pixels, w in places[start : start + BATCH]]
            pixel_values = torch.cat([self.model.preprocessing.apply(crop)[None] for crop in crops])
            embeddings = self.model.encode(pixel_values.to(self.model.device))
            for place, crop in enumerate(crops):
                frame = self.model.frame((crop.shape[0], crop.shape[1]))
                yield View(frame, embeddings[place : place + 1])


def answer(viewer: Viewer, asks: Sequence[Ask], *, multimask: bool) -> list[Answer]:
    """Answer prompts about any images from close by.

    Parameters
    ----------
    viewer : Viewer
        Of the model; without gradients and in evaluation mode, as the caller arranges.
    asks : sequence of Ask
    multimask : bool
        Several candidates each, instead of one.

    Returns
    -------
    list of Answer
        In the order of `asks`.
    """
    zoom = viewer.model.zoom
    lone = [i for i, ask in enumerate(asks) if zoom and ask.points is not None and ask.box is None and ask.mask is None]
    first = dict(zip(lone, _first_answers(viewer, [asks[i] for i in lone])))
    looks: list[tuple[Ask, Window]] = []
    for i, ask in enumerate(asks):
        seen = replace(ask, mask=first[i].best(ask.hw)) if i in first else ask
        window = close_window(seen, zoom)
        looks.append((ask if i in first and window == whole_window(ask.hw) else seen, window))
    return _decode(viewer, looks, multimask=multimask)


def _first_answers(viewer: Viewer, asks: Sequence[Ask]) -> list[Answer]:
    """What clicks alone seem to mean: of the whole image and the squares around them, the most convincing answer."""
    looks = [(ask, window) for ask in asks for window in click_windows(ask)]
    found = iter(_decode(viewer, looks, multimask=True))
    firsts = [[judged(next(found), ask.hw) for _ in click_windows(ask)] for ask in asks]
    return [max(answers, key=lambda answer: float(answer.iou.max())) for answers in firsts]


def click_windows(ask: Ask) -> list[Window]:
    """The whole image, and squares of a half, a quarter and so on of its longer side around all clicks."""
    windows, side = [whole_window(ask.hw)], max(ask.hw) / 2
    around = box_around(None, None if ask.points is None else ask.points.xy)
    while around is not None and side >= NEAREST_PX and side >= 2 * max(around.x1 - around.x0, around.y1 - around.y0):
        windows.append(window_around(around, ask.hw, 1.0, least_px=round(side)))
        side /= 2
    return windows


def judged(answer: Answer, hw: tuple[int, int]) -> Answer:
    """The answer with its predicted IoU less the share of the window's inner border that each mask crosses."""
    window, mask = answer.window, answer.logits > 0
    sides = [
        (window.y0 > 0, mask[:, 0]),
        (window.y1 < hw[0], mask[:, -1]),
        (window.x0 > 0, mask[:, :, 0]),
        (window.x1 < hw[1], mask[:, :, -1]),
    ]
    crossed = [side.float().mean(1) for inner, side in sides if inner]
    return replace(answer, iou=answer.iou - torch.stack(crossed).sum(0)) if crossed else answer


def whole_window(hw: tuple[int, int]) -> Window:
    """The whole of an (H, W) image."""
    return Window(0, 0, *hw)


def close_window(ask: Ask, zoom: float) -> Window:
    """Where to look: a square around the box, or around the previous mask and all clicks."""
    whole = whole_window(ask.hw)
    if zoom <= 0:
        return whole
    around = ask.box
    if around is None and ask.mask is not None and (ask.mask > 0).any():
        around = box_of(ask.mask > 0)
    if around is None:
        return whole
    around = box_around(around, None if ask.points is None else ask.points.xy) or around
    window = window_around(around, ask.hw, zoom)
    return whole if max(window.hw) >= WHOLE_FROM * max(ask.hw) else window


def to_mask_frame(logits: Tensor, frame: Frame, side: int) -> Tensor:
    """Logits of an image as a mask prompt, the inverse of `to_original`.

    Parameters
    ----------
    logits : Tensor of shape (M, H, W), float32
        In pixels of the image of `frame`.
    frame : Frame
    side : int
        Of the model's mask frame.

    Returns
    -------
    Tensor of shape (M, side, side), float32
        `OUTSIDE_LOGIT` beyond the image.
    """
    content = interpolate(logits[None], frame.content_hw, mode="bilinear", antialias=True)
    (h, w), (top, left) = frame.content_hw, frame.offset_yx
    sides = (left, frame.size - w - left, top, frame.size - h - top)
    square = pad(content, sides, value=OUTSIDE_LOGIT)
    return interpolate(square, (side, side), mode="bilinear", antialias=True)[0]


def _decode(viewer: Viewer, looks: Sequence[tuple[Ask, Window]], *, multimask: bool) -> list[Answer]:
    """Answers of prompts at given windows; equal kinds are decoded together."""
    answers: dict[int, Answer] = {}
    for start in range(0, len(looks), BATCH):
        part = looks[start : start + BATCH]
        views = viewer.views([(ask.pixels, window) for ask, window in part])
        kinds = [ask.kind for ask, _ in part]
        for kind in dict.fromkeys(kinds):
            rows = [i for i, other in enumerate(kinds) if other == kind]
            together = _decode_kind(viewer.model, [part[i] for i in rows], [views[i] for i in rows], multimask)
            answers |= {start + i: one for i, one in zip(rows, together)}
    return [answers[i] for i in range(len(looks))]


def _decode_kind(
    model: SamPromptable, looks: list[tuple[Ask, Window]], views: list[View], multimask: bool
) -> list[Answer]:
    parts = [_tensors(ask, window, view.frame, model.mask_size) for (ask, window), view in zip(looks, views)]
    prompts = {name: torch.stack([part[name] for part in parts])[:, None].to(model.device) for name in parts[0]}
    output = model.decode(join([view.embedding for view in views]), multimask=multimask, **prompts)
    logits, ious = output.low_res_logits[:, 0].float(), output.iou[:, 0].float()
    if model.zoom and "boxes" in prompts:
        logits, ious = fitted(logits, ious, _sides(prompts["boxes"][:, 0], model))
    return [
        Answer(window, to_original(low[None], view.frame)[0], low, iou)
        for (_, window), view, low, iou in zip(looks, views, logits, ious)
    ]


def _sides(boxes: Tensor, model: SamPromptable) -> Tensor:
    """Sides of boxes (n, 4) in model pixels, in pixels of the masks."""
    half = torch.tensor([-0.5, -0.5, 0.5, 0.5], device=boxes.device)
    return (boxes + half + 0.5) * (model.mask_size / model.image_size) - 0.5


def _tensors(ask: Ask, window: Window, frame: Frame, side: int) -> dict[str, Tensor]:
    """Prompt in model pixels of one view, without batch axes."""
    found: dict[str, Tensor] = {}
    if ask.points is not None:
        found["points"] = torch.from_numpy(frame.to_model(window.shift(ask.points.xy)))
        found["point_labels"] = torch.from_numpy(ask.points.labels)
    if ask.box is not None:
        found["boxes"] = torch.from_numpy(frame.box_to_model(window.shift_box(ask.box).xyxy))
    if ask.mask is not None and ask.mask.shape != ask.hw:
        found["masks"] = torch.from_numpy(ask.mask)
    elif ask.mask is not None:
        cut = torch.from_numpy(np.ascontiguousarray(ask.mask[window.slices]))
        found["masks"] = to_mask_frame(cut[None], frame, side)[0]
    return found
