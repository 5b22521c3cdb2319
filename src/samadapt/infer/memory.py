"""Masks carried through the slices of a volume or the frames of a film by the memory of SAM 2, SAM 3 or EdgeTAM.

Frames that were prompted are encoded first, then the memory runs to the last frame and back to the first.

References
----------
.. [1] Ravi et al. 2024, SAM 2: Segment Anything in Images and Videos, arXiv:2408.00714; facebookresearch/sam2 2b90b9f.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from samadapt.core.errors import CheckpointError, PromptError, ShapeMismatch
from samadapt.core.frames import Frame
from samadapt.core.image import Image, Volume
from samadapt.core.prompts import Prompt
from samadapt.infer.upscale import to_original
from samadapt.models.sam2.promptable import Sam2Promptable

FramePrompt = Prompt | NDArray[np.bool_]
_OBJECT = 1


@dataclass(frozen=True)
class PixelPrompt:
    """What is said about the object in one frame, in model pixels: a mask, or points.

    Attributes
    ----------
    mask : Tensor of shape (S, S), optional
        1 inside the object.
    points : Tensor of shape (N, 2), optional
        XY.
    labels : Tensor of shape (N,), optional
        1 object, 0 background, 2 and 3 the corners of a box.
    """

    mask: Tensor | None = None
    points: Tensor | None = None
    labels: Tensor | None = None

    def __post_init__(self) -> None:
        if (self.mask is None) == (self.points is None) or (self.points is None) != (self.labels is None):
            raise PromptError("a prompt for the memory is a mask, or points with their labels")


def track(
    model: Any, frames: Volume | Sequence[Image | NDArray[Any]], prompts: Mapping[int, FramePrompt]
) -> dict[int, NDArray[np.bool_]]:
    """Segment one object in all slices of a volume or all frames, from prompts on some of them.

    Parameters
    ----------
    model : Sam2Promptable
        With memory.
    frames : Volume, or sequence of Image or ndarray (H, W) or (H, W, 3) of one size
        As `SamPromptable.preprocess` takes them.
    prompts : mapping of int to Prompt or ndarray of shape (H, W), bool
        By slice or frame, in original pixels. A whole mask is taken as it is; a `Prompt` gives a box, points, or both.

    Returns
    -------
    dict of int to ndarray of shape (H, W), bool
        Masks of all frames, in order.

    Raises
    ------
    CheckpointError
        If the model has no memory.
    PromptError
        If there is no prompt, or one names no frame, lies outside or is empty.
    ShapeMismatch
        If frames differ in size.
    """
    sam2 = _require_memory(model)
    hw = _common_size(frames)
    frame = sam2.frame(hw)
    pixel_prompts = {index: _to_pixels(prompt, frame) for index, prompt in prompts.items()}
    read = frames.slice if isinstance(frames, Volume) else frames.__getitem__
    inputs = _Frames(len(frames), lambda index: sam2.preprocess(read(index))[0])
    logits = _run(sam2, inputs, pixel_prompts)
    full = (to_original(one[None, None], frame)[0, 0] for one in logits)
    found = {index: (one > 0).cpu().numpy() for index, one in enumerate(full)}
    return found | {index: prompt for index, prompt in prompts.items() if isinstance(prompt, np.ndarray)}


def track_pixels(model: Any, pixel_values: Tensor, prompts: Mapping[int, PixelPrompt]) -> Tensor:
    """As `track`, for frames that are prepared already.

    Parameters
    ----------
    model : Sam2Promptable
        With memory.
    pixel_values : Tensor of shape (T, C, S, S)
        As `preprocess` makes them, S the model's image size.
    prompts : mapping of int to PixelPrompt

    Returns
    -------
    Tensor of shape (T, S / 4, S / 4), float32
        Low-resolution logits of every frame; a frame that was prompted with a mask gives it back as -10 and 10.

    Raises
    ------
    CheckpointError
        If the model has no memory, or was loaded for another image size.
    PromptError
        If there is no prompt, or one names no frame.
    """
    sam2 = _require_memory(model)
    side = sam2.image_size
    wanted = (sam2.inputs, side, side)
    if pixel_values.ndim != 4 or pixel_values.shape[1:] != wanted:
        raise CheckpointError(
            f"frames of shape {tuple(pixel_values.shape)} do not fit a memory of {side} pixels",
            where=sam2.name,
            remedy=f"Give frames of {wanted}, or load the model with image_size={pixel_values.shape[-1]}.",
        )
    return _run(sam2, _Frames(len(pixel_values), pixel_values.__getitem__), prompts)


class _Frames:
    """Frames by index, prepared when they are asked for; what transformers' session keeps as a dict."""

    def __init__(self, count: int, read: Callable[[int], Tensor]) -> None:
        self._count, self._read = count, read

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> Tensor:
        return self._read(index)


def _run(model: Sam2Promptable, frames: _Frames, prompts: Mapping[int, PixelPrompt]) -> Tensor:
    """(T, h, w) logits of all frames: prompted ones first, then forwards and backwards from the first of them."""
    strangers = [index for index in prompts if not 0 <= index < len(frames)]
    if not prompts or strangers:
        raise PromptError(
            f"there is no frame {strangers[0]} among {len(frames)}" if strangers else "no frame has a prompt",
            remedy="Give at least one frame a mask, a box or a point.",
        )
    session = _session(model, frames)
    training = model.sam.training
    model.sam.eval()
    try:
        found = {index: _prompted(model, session, index, prompts[index]) for index in sorted(prompts)}
        for reverse in (False, True):
            steps = model.sam.propagate_in_video_iterator(session, start_frame_idx=min(prompts), reverse=reverse)
            found |= {step.frame_idx: step.pred_masks[0, 0] for step in steps if step.frame_idx not in prompts}
    finally:
        model.sam.train(training)
    return torch.stack([found[index] for index in range(len(frames))]).float().clone()


def _session(model: Sam2Promptable, frames: _Frames) -> Any:
    side, device = model.image_size, model.device
    places = {"inference_device": device, "inference_state_device": device, "video_storage_device": device}
    session = model.session(video_height=side, video_width=side, dtype=torch.float32, **places)
    session.processed_frames = frames
    session.obj_id_to_idx(_OBJECT)
    return session


def _prompted(model: Sam2Promptable, session: Any, index: int, prompt: PixelPrompt) -> Tensor:
    """(h, w) logits of a prompted frame, which the session remembers."""
    if prompt.mask is not None:
        session.add_mask_inputs(0, index, prompt.mask.float()[None, None])
    elif prompt.points is not None and prompt.labels is not None:
        clicks = {"point_coords": prompt.points.float()[None, None], "point_labels": prompt.labels.int()[None, None]}
        session.add_point_inputs(0, index, clicks)
    session.obj_with_new_inputs.append(_OBJECT)
    logits: Tensor = model.sam(session, frame_idx=index).pred_masks[0, 0]
    return logits


def _to_pixels(prompt: FramePrompt, frame: Frame) -> PixelPrompt:
    if isinstance(prompt, np.ndarray):
        return PixelPrompt(mask=_mask_to_model(prompt, frame))
    corners = np.zeros((0, 2), dtype=np.float32) if prompt.box is None else prompt.box.xyxy.reshape(2, 2)
    xy, labels = corners, np.arange(2, 2 + len(corners))
    if prompt.box is not None:
        prompt.box.require_inside(frame.original_hw)
    if prompt.points is not None:
        prompt.points.require_inside(frame.original_hw)
        xy, labels = np.concatenate([xy, prompt.points.xy]), np.concatenate([labels, prompt.points.labels])
    if not len(xy):
        raise PromptError("a prompt has neither box nor points", remedy="Give a mask as an (H, W) array of bool.")
    return PixelPrompt(points=torch.from_numpy(frame.to_model(xy)), labels=torch.from_numpy(labels))


def _mask_to_model(mask: NDArray[np.bool_], frame: Frame) -> Tensor:
    """(S, S) of an (H, W) mask: resized with antialiasing and thresholded at half, as the original does."""
    if mask.shape != frame.original_hw or mask.dtype != np.bool_ or not mask.any():
        raise PromptError(
            f"a mask prompt is a bool array of shape {frame.original_hw} with an object in it, "
            f"not {mask.dtype} of shape {mask.shape}"
        )
    content = torch.from_numpy(mask)[None, None].float()
    if mask.shape != frame.content_hw:
        content = F.interpolate(content, frame.content_hw, mode="bilinear", align_corners=False, antialias=True)
    (h, w), (top, left) = frame.content_hw, frame.offset_yx
    square = F.pad(content, (left, frame.size - w - left, top, frame.size - h - top))
    return (square[0, 0] >= 0.5).float()


def _common_size(frames: Volume | Sequence[Image | NDArray[Any]]) -> tuple[int, int]:
    if isinstance(frames, Volume):
        return frames.shape[1:]
    sizes = {(int(one.shape[0]), int(one.shape[1])) for one in frames}
    if len(sizes) != 1:
        raise ShapeMismatch(f"frames must be of one size, not of {sorted(sizes) or 'none'}")
    return sizes.pop()


def _require_memory(model: Any) -> Sam2Promptable:
    if not isinstance(model, Sam2Promptable):
        raise CheckpointError(
            "only SAM 2, SAM 3 and EdgeTAM have a memory",
            where=getattr(model, "name", None),
            remedy="Use samadapt.infer.propagate.propagate, which carries the box of the mask.",
        )
    model.require_memory()
    return model
