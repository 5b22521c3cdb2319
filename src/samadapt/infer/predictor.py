"""Encode an image once, then answer clicks, boxes and masks in its own pixels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
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

    from samadapt.models.promptable import SamPromptable

_CHUNK = 64


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
        self._frame: Frame | None = None
        self._embedding: Tensor | None = None

    @property
    def frame(self) -> Frame:
        """Mapping between the image and the model's input."""
        return self._ready()[0]

    @property
    def embedding(self) -> Tensor:
        """Embedding of the image, (1, C, h, w)."""
        return self._ready()[1]

    def set_image(self, image: Image | NDArray[Any] | str | Path) -> Predictor:
        """Encode an image; all following predictions are about it.

        Parameters
        ----------
        image : Image, ndarray of shape (H, W) or (H, W, 3) in 0..255, or path
            An `Image` (also a slice of a volume: `volume.slice(z)`) is mapped by its window.

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
        picture = _picture(image)
        hw = picture.shape[:2]
        with _evaluating(self.model):
            self._embedding = self.model.encode(self.model.preprocess(picture))
        self._frame = self.model.frame((int(hw[0]), int(hw[1])))
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
        mask : ndarray of shape (h, w), float32, optional
            One of `Prediction.low_res_logits` of an earlier answer.
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
        frame, _ = self._ready()
        prompts: dict[str, NDArray[Any]] = {}
        if points is not None:
            prompts |= _point_prompt(points, point_labels, frame)
        elif point_labels is not None:
            raise PromptError("point labels without points")
        if box is not None:
            prompts["boxes"] = _box_prompt(box, frame)[None, None]
        if mask is not None:
            prompts["masks"] = _mask_prompt(mask, self.model.mask_size)[None, None]
        if not prompts:
            raise PromptError("no prompt was given", remedy="Give points, a box, or the mask of an earlier answer.")
        return self._decode(prompts, multimask)[0]

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
        frame, _ = self._ready()
        array = np.asarray(boxes, dtype=np.float32)
        if array.ndim != 2 or array.shape[1:] != (4,):
            raise PromptError(f"boxes have shape (P, 4), not {array.shape}", remedy="One box is x0,y0,x1,y1.")
        found: list[Prediction] = []
        for start in range(0, len(array), _CHUNK):
            chunk = [_box_prompt(box, frame) for box in array[start : start + _CHUNK]]
            found += self._decode({"boxes": np.stack(chunk)[None]}, multimask)
        return found

    def _ready(self) -> tuple[Frame, Tensor]:
        if self._frame is None or self._embedding is None:
            raise PromptError("no image is set", remedy="Call set_image(image) before predict(...).")
        return self._frame, self._embedding

    def _decode(self, prompts: dict[str, NDArray[Any]], multimask: bool | None) -> list[Prediction]:
        """One `Prediction` for each of the P prompts; arrays are (1, P, ...) in model pixels."""
        import torch

        frame, embedding = self._ready()
        candidates = self.model.multimask if multimask is None else multimask
        tensors = {name: torch.from_numpy(array).to(embedding.device) for name, array in prompts.items()}
        with _evaluating(self.model):
            logits, iou = self.model.decode(embedding, multimask=candidates, **tensors)
            return [_prediction(one, scores, frame) for one, scores in zip(logits[0], iou[0])]


def _picture(image: Image | Volume | NDArray[Any] | str | Path) -> Image | NDArray[Any]:
    if isinstance(image, str | Path):
        from samadapt import io

        return _picture(io.open(image))
    if isinstance(image, Volume):
        raise ShapeMismatch(
            f"a volume of {len(image)} slices is no 2-D image",
            where=image.source,
            remedy="Choose a slice: set_image(volume.slice(z)).",
        )
    if not isinstance(image, Image | np.ndarray):
        raise ShapeMismatch(f"an image is an Image, an array or a path, not {type(image).__name__}")
    return image


def _point_prompt(points: ArrayLike, labels: ArrayLike | None, frame: Frame) -> dict[str, NDArray[Any]]:
    xy = _numbers(points, "points")
    if xy.ndim == 0 or xy.size == 0 or xy.size % 2:
        raise PromptError(f"points have shape (N, 2), not {xy.shape}")
    xy = xy.reshape(-1, 2)
    checked = Points(xy, np.ones(len(xy), dtype=np.int64) if labels is None else np.asarray(labels, dtype=np.int64))
    checked.require_inside(frame.original_hw)
    return {"points": frame.to_model(checked.xy)[None, None], "point_labels": checked.labels[None, None]}


def _box_prompt(box: ArrayLike, frame: Frame) -> NDArray[np.float32]:
    checked = Box.from_array(_numbers(box, "box"))
    checked.require_inside(frame.original_hw)
    return frame.box_to_model(checked.xyxy)


def _mask_prompt(mask: ArrayLike, side: int) -> NDArray[np.float32]:
    logits = _numbers(mask, "mask")
    if logits.shape != (side, side) or not np.isfinite(logits).all():
        raise PromptError(
            f"a mask prompt is a finite array of shape {(side, side)}, not {logits.shape}",
            remedy="Give low_res_logits[i] of an earlier prediction of this model.",
        )
    return logits


def _numbers(values: ArrayLike, what: str) -> NDArray[np.float32]:
    try:
        return np.array(values, dtype=np.float32)
    except (TypeError, ValueError) as error:
        raise PromptError(f"{what} must be numbers ({error})") from error


def _prediction(logits: Tensor, iou: Tensor, frame: Frame) -> Prediction:
    """Answer for one prompt from (M, h, w) logits and (M,) scores, best first."""
    from samadapt.infer.upscale import to_original

    order = iou.argsort(descending=True, stable=True)
    full = to_original(logits[order][None], frame)[0].cpu().numpy()
    return Prediction(full > 0, iou[order].cpu().numpy(), full, logits[order].cpu().numpy())


@contextmanager
def _evaluating(model: SamPromptable) -> Iterator[None]:
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
