"""Encode an image once, then answer clicks, boxes and masks in its own pixels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from samadapt.core.errors import PromptError, ShapeMismatch
from samadapt.core.frames import Frame
from samadapt.core.image import Image, Volume
from samadapt.core.prediction import Prediction
from samadapt.core.prompts import Box, Points

if TYPE_CHECKING:
    from torch import Tensor

    from samadapt.infer.zoom import Answer, Ask, View, Viewer
    from samadapt.models.promptable import SamPromptable

KEPT_VIEWS = 16
"""Parts of the image that stay encoded."""


class Predictor:
    """Interactive segmentation of one image at a time.

    Parameters
    ----------
    model : SamPromptable
        Its weights and its train or eval state are left as they are.

    Examples
    --------
    >>> predictor = Predictor(load_model("tiny")).set_image("cell.png")  # doctest: +SKIP
    >>> mask = predictor.predict(points=[[40, 52]]).mask  # doctest: +SKIP
    """

    def __init__(self, model: SamPromptable) -> None:
        if model.head is not None:
            raise PromptError(
                "this model is prompt-free and takes no box or point",
                where=model.name,
                remedy="Use samadapt.infer.semantic.segment, or load the base model without this adapter.",
            )
        self.model = model
        self._image: _Encoded | None = None

    @property
    def frame(self) -> Frame:
        """Mapping between the image and the model's input."""
        return self._ready().view.frame

    @property
    def embedding(self) -> Tensor:
        """Embedding of the image, (1, C, h, w)."""
        embedding: Tensor = self._ready().view.embedding
        return embedding

    def set_image(self, image: Image | NDArray[Any] | str | Path) -> Predictor:
        """Encode an image; all following predictions are about it.

        Parameters
        ----------
        image : Image, ndarray of shape (H, W) or (H, W, C) in 0..255, or path
            An `Image` (also a slice of a volume: `volume.slice(z)`) is mapped by its window. Of more than three
            channels the model must know which it is shown (`load_model(..., channels=...)`).

        Returns
        -------
        Predictor
            Itself.

        Raises
        ------
        ShapeMismatch, NonFiniteValues, DataError
            If it is not a 2-D image of finite numbers in 0..255.
        FileFormatError
            If the file cannot be read.
        """
        from samadapt.infer.zoom import Viewer, whole_window

        pixels, viewer = self.model.pixels(picture_of(image)), Viewer(self.model, KEPT_VIEWS)
        with evaluating(self.model):
            (view,) = viewer.views([(pixels, whole_window((pixels.shape[0], pixels.shape[1])))])
        self._image = _Encoded(pixels, view, viewer)
        return self

    def predict(
        self,
        points: ArrayLike | None = None,
        point_labels: ArrayLike | None = None,
        box: ArrayLike | None = None,
        mask: NDArray[np.float32] | None = None,
        multimask: bool | None = None,
    ) -> Prediction:
        """Masks of one object.

        Parameters
        ----------
        points : array-like of shape (N, 2), optional
            XY in original pixels; an integer is a pixel centre.
        point_labels : array-like of shape (N,), optional
            1 object, 0 background; all 1 by default.
        box : array-like of shape (4,), optional
            XYXY in original pixels, maximum inclusive.
        mask : ndarray of shape (h, w) or (H, W), float32, optional
            One of `Prediction.low_res_logits` or, better for a model that looks closer, of `Prediction.logits`, of an
            earlier answer.
        multimask : bool, optional
            Several candidates instead of one mask. By default what the model was trained for: True but for MedSAM.

        Returns
        -------
        Prediction
            Candidates in order of falling predicted IoU.

        Raises
        ------
        PromptError
            If no image is set, there is no prompt, or a prompt is reversed, malformed or outside the image.
        """
        image = self._ready()
        if points is None and point_labels is not None:
            raise PromptError("point labels without points")
        if points is None and box is None and mask is None:
            raise PromptError("no prompt was given", remedy="Give points, a box, or the mask of an earlier answer.")
        from samadapt.infer.zoom import Ask

        ask = Ask(
            image.pixels,
            None if points is None else _points(points, point_labels, image.hw),
            None if box is None else _box(box, image.hw),
            None if mask is None else self._mask(mask, image),
        )
        return self._answer([ask], multimask)[0]

    def predict_boxes(self, boxes: ArrayLike, multimask: bool | None = None) -> list[Prediction]:
        """Masks of several objects, one box each.

        Parameters
        ----------
        boxes : array-like of shape (P, 4)
            XYXY in original pixels, maximum inclusive.
        multimask : bool, optional
            See `predict`.

        Returns
        -------
        list of Prediction
            In the order of the boxes.

        Raises
        ------
        PromptError
            If no image is set, or a box is reversed, malformed or outside the image.
        """
        from samadapt.infer.zoom import Ask

        image = self._ready()
        array = np.asarray(boxes, dtype=np.float32)
        if array.ndim != 2 or array.shape[1:] != (4,):
            raise PromptError(f"boxes have shape (P, 4), not {array.shape}", remedy="One box is x0,y0,x1,y1.")
        return self._answer([Ask(image.pixels, box=_box(box, image.hw)) for box in array], multimask)

    def _mask(self, mask: ArrayLike, image: _Encoded) -> NDArray[np.float32]:
        """Logits of a mask prompt: in the image, or in the mask frame for a model that sees whole images only."""
        side = self.model.mask_size
        logits = _numbers(mask, "mask")
        if logits.shape not in ((side, side), image.hw) or not np.isfinite(logits).all():
            raise PromptError(
                f"a mask prompt is a finite array of shape {(side, side)} or {image.hw}, not {logits.shape}",
                remedy="Give low_res_logits[i] or logits[i] of an earlier prediction of this model.",
            )
        if logits.shape == image.hw or not self.model.zoom:
            return logits
        import torch

        from samadapt.infer.upscale import to_original

        return to_original(torch.from_numpy(logits)[None, None], image.view.frame)[0, 0].numpy()

    def _ready(self) -> _Encoded:
        if self._image is None:
            raise PromptError("no image is set", remedy="Call set_image(image) before predict(...).")
        return self._image

    def _answer(self, asks: list[Ask], multimask: bool | None) -> list[Prediction]:
        from samadapt.infer.zoom import answer

        image = self._ready()
        candidates = self.model.multimask if multimask is None else multimask
        with evaluating(self.model):
            answers = answer(image.viewer, asks, multimask=candidates)
            return [_prediction(one, image, self.model.mask_size) for one in answers]


@dataclass(frozen=True, eq=False)
class _Encoded:
    """The image being asked about, (H, W, C) in 0..255, its view as a whole, and all views."""

    pixels: NDArray[np.float32]
    view: View
    viewer: Viewer

    @property
    def hw(self) -> tuple[int, int]:
        return int(self.pixels.shape[0]), int(self.pixels.shape[1])


def picture_of(image: Image | Volume | NDArray[Any] | str | Path) -> Image | NDArray[Any]:
    if isinstance(image, str | Path):
        from samadapt import io

        return picture_of(io.open(image))
    if isinstance(image, Volume):
        raise ShapeMismatch(
            f"a volume of {len(image)} slices is no 2-D image",
            where=image.source,
            remedy="Choose a slice: set_image(volume.slice(z)).",
        )
    if not isinstance(image, Image | np.ndarray):
        raise ShapeMismatch(f"an image is an Image, an array or a path, not {type(image).__name__}")
    return image


def _points(points: ArrayLike, labels: ArrayLike | None, hw: tuple[int, int]) -> Points:
    xy = _numbers(points, "points")
    if xy.ndim == 0 or xy.size == 0 or xy.size % 2:
        raise PromptError(f"points have shape (N, 2), not {xy.shape}")
    xy = xy.reshape(-1, 2)
    checked = Points(xy, np.ones(len(xy), dtype=np.int64) if labels is None else np.asarray(labels, dtype=np.int64))
    checked.require_inside(hw)
    return checked


def _box(box: ArrayLike, hw: tuple[int, int]) -> Box:
    checked = Box.from_array(_numbers(box, "box"))
    checked.require_inside(hw)
    return checked


def _numbers(values: ArrayLike, what: str) -> NDArray[np.float32]:
    try:
        return np.array(values, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise PromptError(f"{what} must be numbers ({error})") from error


def _prediction(answer: Answer, image: _Encoded, side: int) -> Prediction:
    """Candidates of one answer, best first."""
    import torch

    from samadapt.infer.zoom import to_mask_frame, whole_window

    order = answer.iou.argsort(descending=True, stable=True).cpu()
    full = answer.paste(image.hw)[order.numpy()]
    whole = answer.window == whole_window(image.hw)
    low = answer.low_res.cpu()[order] if whole else to_mask_frame(torch.from_numpy(full), image.view.frame, side)
    return Prediction(full > 0, answer.iou.cpu()[order].numpy(), full, low.numpy())


@contextmanager
def evaluating(model: SamPromptable) -> Iterator[None]:
    """No gradients and evaluation mode inside; every module's own mode restored after."""
    import torch

    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        for module in training:
            module.training = True
