"""From a displayable image to the tensor a checkpoint was trained on. Every checkpoint has its own way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from samadapt.core.errors import CheckpointError, ConfigError, ShapeMismatch
from samadapt.core.frames import Frame, longest_side

if TYPE_CHECKING:
    from torch import Tensor

Resize = Literal["longest", "stretch", "stretch-nearest", "none"]
Scale = Literal["0-255", "0-1", "min-max"]

_IMAGENET_MEAN = (123.675, 116.28, 103.53)
_IMAGENET_STD = (58.395, 57.12, 57.375)


@dataclass(frozen=True)
class Preprocessing:
    """What a checkpoint expects of its input.

    Attributes
    ----------
    name : str
    size : int
        Side of the square input.
    resize : {"longest", "stretch", "stretch-nearest", "none"}
        Keep the aspect and pad, stretch with interpolation, stretch with the nearest pixel, or refuse any other size.
    interpolation : str
        "pil-bilinear", "bilinear" (antialiased, PyTorch), "cubic-antialiased" (as scikit-image's resize of order 3),
        "cubic" (as scipy's zoom of order 3) or "nearest" (as OpenCV: the pixel at the floor of the scaled index).
    scale : {"0-255", "0-1", "min-max"}
        Range before mean and std; "min-max" is that of each image after resizing.
    mean, std : tuple of float
        For each of three or more inputs, in the units of `scale`.
    channels : {"rgb", "bgr"}
        Order of the first three that the network sees. Mean and std apply to positions, not to colours.
    padding : {"corner", "centre"}
        Where the content lies in the square. Zeros, after normalising.
    zoom : float
        Promptable models: side of the square around an object that the model is shown, as a multiple of the object's
        box (`samadapt.infer.zoom`); 0: always the whole image.
    half_pixel : bool
        Prompts scale exactly as the image does, which SAM's do not (`samadapt.core.frames.Frame`).
    """

    name: str
    size: int
    resize: Resize = "longest"
    interpolation: str = "pil-bilinear"
    scale: Scale = "0-255"
    mean: tuple[float, ...] = _IMAGENET_MEAN
    std: tuple[float, ...] = _IMAGENET_STD
    channels: Literal["rgb", "bgr"] = "rgb"
    padding: Literal["corner", "centre"] = "corner"
    zoom: float = 0.0
    half_pixel: bool = False

    def at(self, size: int) -> Preprocessing:
        """Same way for another input size."""
        return replace(self, size=size)

    def fitted(self, size: int, inputs: int) -> Preprocessing:
        """Same way for another input size and, where there are more channels than it knows, for those."""
        sized = self.at(size)
        return sized if sized.inputs == inputs else sized.wide(inputs)

    @property
    def inputs(self) -> int:
        """Channels it takes."""
        return len(self.mean)

    def wide(self, inputs: int, mean: Sequence[float] = (), std: Sequence[float] = ()) -> Preprocessing:
        """Same way for more channels, the first three of which are treated as before.

        Parameters
        ----------
        inputs : int
            Channels, at least 3.
        mean, std : sequence of float
            Of the further channels, in the units of `scale`; by default the means of those of the first three.

        Raises
        ------
        ConfigError
            If there are not as many as further channels, or a deviation is not above zero.
        """
        further = inputs - 3
        means, stds = (
            tuple(map(float, given)) or (sum(own[:3]) / 3,) * further
            for given, own in ((mean, self.mean), (std, self.std))
        )
        if len(means) != further or len(stds) != further or min(stds, default=1.0) <= 0:
            raise ConfigError(
                f"{further} further channels need as many means and positive deviations, not {means} and {stds}",
                where="channels",
            )
        return replace(self, mean=(*self.mean[:3], *means), std=(*self.std[:3], *stds))

    def frame(self, hw: tuple[int, int]) -> Frame:
        """Where an (H, W) image comes to lie in the square.

        Raises
        ------
        ShapeMismatch
            If the size is empty, or `resize` is "none" and it is not the model's.
        """
        h, w = int(hw[0]), int(hw[1])
        if min(h, w) < 1:
            raise ShapeMismatch(f"an image of {h} x {w} pixels is empty")
        content = self._content((h, w))
        top, left = ((self.size - n) // 2 for n in content) if self.padding == "centre" else (0, 0)
        return Frame((h, w), content, self.size, (top, left), self.half_pixel)

    def apply(self, display: NDArray[np.float32]) -> Tensor:
        """Tensor of one image.

        Parameters
        ----------
        display : ndarray of shape (H, W, C), float32 in 0..255
            C is `inputs`.

        Returns
        -------
        Tensor of shape (C, size, size), float32

        Raises
        ------
        ShapeMismatch
            If the image has another number of channels.
        """
        import torch

        from samadapt.models.resize import resize_array

        self._require_inputs(display.shape[2])
        frame = self.frame(display.shape[:2])
        resized = resize_array(display, frame.content_hw, self.interpolation)
        chw = torch.from_numpy(np.ascontiguousarray(resized.transpose(2, 0, 1), dtype=np.float32))
        return self.normalise(chw[None], frame)[0]

    def apply_batch(self, display: Tensor) -> Tensor:
        """Tensor of several images of one size, on their device.

        Parameters
        ----------
        display : Tensor of shape (B, C, H, W) in 0..255
            C is `inputs`.

        Returns
        -------
        Tensor of shape (B, C, size, size), float32
        """
        import torch

        from samadapt.models.resize import resize_tensor

        if display.ndim != 4 or display.shape[1] != self.inputs:
            c = self.inputs
            raise ShapeMismatch(f"image tensors are ({c}, H, W) or (B, {c}, H, W), not {tuple(display.shape)}")
        hw = (int(display.shape[2]), int(display.shape[3]))
        frame = self.frame(hw)
        if hw == frame.content_hw:
            return self.normalise(display.float(), frame)
        if self.interpolation == "bilinear":
            return self.normalise(resize_tensor(display.float(), frame.content_hw), frame)
        arrays = display.detach().float().cpu().permute(0, 2, 3, 1).numpy()
        return torch.stack([self.apply(array) for array in arrays]).to(display.device)

    def normalise(self, content: Tensor, frame: Frame) -> Tensor:
        """Scale, normalise and pad images that already have their final size.

        Parameters
        ----------
        content : Tensor of shape (B, C, h, w) in 0..255, float32
        frame : Frame
            Of these images.

        Returns
        -------
        Tensor of shape (B, C, size, size)
        """
        from torch.nn.functional import pad

        if self.channels == "bgr":
            content = content[:, [2, 1, 0, *range(3, content.shape[1])]]
        if self.scale == "0-1":
            content = content / 255.0
        elif self.scale == "min-max":
            content = _stretched(content)
        mean, std = (content.new_tensor(values)[:, None, None] for values in (self.mean, self.std))
        normal = (content - mean) / std
        (h, w), (top, left) = frame.content_hw, frame.offset_yx
        if (h, w) == (self.size, self.size):
            return normal
        return pad(normal, (left, self.size - w - left, top, self.size - h - top))

    def _require_inputs(self, channels: int) -> None:
        if channels != self.inputs:
            raise ShapeMismatch(
                f"this model takes {self.inputs} channels, not {channels}",
                remedy="Name the channels of the image in their order: --channels, or load_model(..., channels=...).",
            )

    def _content(self, hw: tuple[int, int]) -> tuple[int, int]:
        square = (self.size, self.size)
        if self.resize == "none" and hw != square:
            raise ShapeMismatch(f"this model takes images of {square} pixels only, not {hw}")
        if self.resize == "longest":
            h, w = longest_side(hw, self.size)
            return max(h, 1), max(w, 1)
        if self.padding == "centre" and max(hw) < self.size:
            return hw
        return square


def _stretched(content: Tensor) -> Tensor:
    """(B, C, h, w) to 0..1: the first three channels by their common range, each further one by its own."""
    import torch

    parts = [content[:, :3], *(content[:, c : c + 1] for c in range(3, content.shape[1]))]
    lows = [part.amin(dim=(1, 2, 3), keepdim=True) for part in parts]
    ranges = [(part.amax(dim=(1, 2, 3), keepdim=True) - low).clamp(min=1e-8) for part, low in zip(parts, lows)]
    return torch.cat([(part - low) / size for part, low, size in zip(parts, lows, ranges)], dim=1)


_ZEROS, _HALVES, _ONES = (0.0, 0.0, 0.0), (0.5, 0.5, 0.5), (1.0, 1.0, 1.0)

_KNOWN: dict[str, Preprocessing] = {
    entry.name: entry
    for entry in (
        Preprocessing("sam", 1024),
        Preprocessing("medsam", 1024, "stretch", "cubic-antialiased", "min-max", _ZEROS, _ONES),
        Preprocessing("sammed2d", 256, "stretch-nearest", "nearest", channels="bgr", padding="centre"),
        Preprocessing("samed", 512, "stretch", "cubic", "0-1", _ZEROS, _ONES),
        Preprocessing("msa", 1024, "stretch", "pil-bilinear", "0-1", _ZEROS, _ONES),
        Preprocessing("sam2", 1024, "stretch", "bilinear"),
        Preprocessing("sam3", 1008, "stretch", "bilinear", "0-1", _HALVES, _HALVES),
        Preprocessing("tiny", 128, "longest", "bilinear", zoom=2.0, half_pixel=True),
    )
}


def names() -> tuple[str, ...]:
    """Names that `get` knows."""
    return tuple(_KNOWN)


def get(name: str, size: int | None = None) -> Preprocessing:
    """Preprocessing by name.

    Parameters
    ----------
    name : {"sam", "medsam", "sammed2d", "samed", "msa", "sam2", "sam3", "tiny"}
        "sam": longest side with PIL's bilinear, ImageNet mean and std. "medsam": stretched with cubic splines and
        antialiasing, each image to [0, 1]. "sammed2d": nearest pixel, or centred if both sides are smaller, BGR with
        RGB's mean and std. "samed": stretched with cubic splines, [0, 1]. "msa": stretched with
        PIL's bilinear, [0, 1]. "sam2": stretched with PyTorch's
        antialiased bilinear, ImageNet mean and std. "sam3": so too, to [-1, 1]. "tiny": as "sam" with PyTorch's
        antialiased bilinear, and a closer look at what is asked about.
    size : int, optional
        Side of the square; that of the published checkpoint by default.

    Raises
    ------
    CheckpointError
        If the name is unknown.

    References
    ----------
    .. [1] facebookresearch/segment-anything dca509f, utils/transforms.py and modeling/sam.py.
    .. [2] bowang-lab/MedSAM 3e56a52, MedSAM_Inference.py; without its rounding to 8 bits, which training did not do.
    .. [3] OpenGVLab/SAM-Med2D bfd2b93, DataLoader.py.
    .. [4] hitachinsk/SAMed e351840, datasets/dataset_synapse.py.
    .. [5] facebookresearch/sam2 2b90b9f, sam2/utils/transforms.py.
    .. [6] MedicineToken/Medical-SAM-Adapter 4dcdc63, utils.py (2-D sets).
    .. [7] facebookresearch/sam3, sam3/model/utils/sam1_utils.py (2de76d5).
    """
    if name not in _KNOWN:
        raise CheckpointError(
            f"no preprocessing is called {name!r}", where="preprocessing", remedy=f"Choose one of {', '.join(_KNOWN)}."
        )
    known = _KNOWN[name]
    return known if size is None else known.at(size)
