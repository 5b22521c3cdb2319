"""Augmentation as a draw followed by a deterministic operation on image and labels together."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from samadapt.core.frames import Frame
from samadapt.core.rng import named_rng
from samadapt.train.config import AugmentConfig

if TYPE_CHECKING:
    from torch import Tensor

Axis = Literal["", "horizontal", "vertical"]


@dataclass(frozen=True)
class Draw:
    """What happens to one sample; the defaults change nothing.

    Attributes
    ----------
    quarter_turns : int
        Turns by 90 degrees, before the flip.
    flip : {"", "horizontal", "vertical"}
    rotate_deg : float
    scale : float
        Above 1 the object grows.
    shift_xy : tuple of float
        As shares of the image side.
    elastic : float
        Largest displacement as a share of the image side.
    gamma, contrast, brightness : float
        On display values in 0..255; brightness is added.
    noise_sd : float
        On display values.
    blur_sd : float
        In pixels of the original image.
    seed : int
        Of the noise and of the elastic field.
    """

    quarter_turns: int = 0
    flip: Axis = ""
    rotate_deg: float = 0.0
    scale: float = 1.0
    shift_xy: tuple[float, float] = (0.0, 0.0)
    elastic: float = 0.0
    gamma: float = 1.0
    contrast: float = 1.0
    brightness: float = 0.0
    noise_sd: float = 0.0
    blur_sd: float = 0.0
    seed: int = 0

    @property
    def is_spatial(self) -> bool:
        """True if pixels move."""
        moved = (self.quarter_turns, self.flip, self.rotate_deg, self.scale, self.shift_xy, self.elastic)
        return moved != (0, "", 0.0, 1.0, (0.0, 0.0), 0.0)


def draw(config: AugmentConfig, rng: np.random.Generator, *, has_sides: bool) -> Draw:
    """Parameters for one sample.

    Parameters
    ----------
    config : AugmentConfig
    rng : Generator
        Of this sample alone; see `samadapt.core.rng.named_rng`.
    has_sides : bool
        The labels tell left from right: neither flips nor quarter turns are drawn unless `allow_mirror`. The "safe"
        policy draws them with `allow_mirror` only, since organs without a twin have a side too.

    Returns
    -------
    Draw

    References
    ----------
    .. [1] "samed": hitachinsk/SAMed e351840, with probability 1/2 a quarter turn and a flip, else with probability
       1/2 a rotation by U{-20..19} degrees.
    """
    if config.policy == "none":
        return Draw()
    mirror = config.allow_mirror or not has_sides
    if config.policy == "samed":
        return _draw_samed(rng, mirror)
    return _draw_safe(config, rng, mirror=config.allow_mirror)


def _draw_samed(rng: np.random.Generator, mirror: bool) -> Draw:
    first, second = rng.random(2)
    if first > 0.5:
        turns, axis = int(rng.integers(4)), int(rng.integers(2))
        return Draw(quarter_turns=turns, flip="vertical" if axis == 0 else "horizontal") if mirror else Draw()
    return Draw(rotate_deg=float(rng.integers(-20, 20))) if second > 0.5 else Draw()


def _draw_safe(config: AugmentConfig, rng: np.random.Generator, *, mirror: bool) -> Draw:
    move, tone, noise, blur, bend = rng.random(5) < (0.7, 0.5, 0.2, 0.15, 0.3)
    values = rng.uniform(-1, 1, 7)
    degrees, size, x, y, gamma, contrast, brightness = (float(v) for v in values)
    noise_sd, blur_sd = (float(v) for v in rng.uniform(0, 1, 2))
    shift_xy = (x * config.shift, y * config.shift) if move else (0.0, 0.0)
    turns, flip = (int(n) for n in rng.integers((4, 2)))
    return Draw(
        quarter_turns=turns if mirror else 0,
        flip="horizontal" if mirror and flip else "",
        rotate_deg=degrees * config.rotate_deg if move else 0.0,
        scale=float((1 + config.scale) ** size) if move else 1.0,
        shift_xy=shift_xy,
        elastic=config.elastic if bend else 0.0,
        gamma=float((1 + config.gamma) ** gamma) if tone else 1.0,
        contrast=1 + contrast * config.contrast if tone else 1.0,
        brightness=brightness * config.contrast * 64 if tone else 0.0,
        noise_sd=noise_sd * config.noise if noise else 0.0,
        blur_sd=blur_sd * config.blur if blur else 0.0,
        seed=int(rng.integers(2**62)),
    )


def change_intensity(display: NDArray[np.float32], draw: Draw) -> NDArray[np.float32]:
    """Blur, gamma, contrast, brightness and noise.

    Parameters
    ----------
    display : ndarray of shape (H, W) or (H, W, C), float32
        In 0..255.
    draw : Draw

    Returns
    -------
    ndarray of the same shape, float32
        In 0..255; `display` itself where nothing is drawn.
    """
    out = display
    if draw.blur_sd > 0:
        from scipy import ndimage

        sigma = (draw.blur_sd, draw.blur_sd, 0)[: out.ndim]
        out = ndimage.gaussian_filter(out, sigma, truncate=3)
    if draw.gamma != 1:
        out = 255 * (np.clip(out, 0, 255) / np.float32(255)) ** np.float32(draw.gamma)
    if draw.contrast != 1 or draw.brightness:
        middle = out.mean(dtype=np.float64)
        out = out * np.float32(draw.contrast) + np.float32(middle * (1 - draw.contrast) + draw.brightness)
    if draw.noise_sd > 0:
        noise = named_rng("noise", draw.seed).standard_normal(out.shape, dtype=np.float32)
        out = out + np.float32(draw.noise_sd) * noise
    return out if out is display else np.clip(out, 0, 255).astype(np.float32, copy=False)


def coordinates(draw: Draw, size: int, resolution: int) -> NDArray[np.float32]:
    """Where every output pixel comes from.

    Parameters
    ----------
    draw : Draw
    size : int
        Side of the model's square, in pixels.
    resolution : int
        Side of the output that covers the same square.

    Returns
    -------
    ndarray of shape (resolution, resolution, 2), float32
        XY in model pixels, integers at pixel centres.
    """
    line = (np.arange(resolution, dtype=np.float64) + 0.5) * (size / resolution) - 0.5
    matrix = _matrix(draw, size)
    x = matrix[0, 0] * line[None] + matrix[0, 1] * line[:, None] + matrix[0, 2]
    y = matrix[1, 0] * line[None] + matrix[1, 1] * line[:, None] + matrix[1, 2]
    xy = np.stack([x, y], axis=-1).astype(np.float32)
    return xy + _elastic(draw, size, resolution) if draw.elastic > 0 else xy


def warp_image(pixels: Tensor, draw: Draw) -> Tensor:
    """Move the pixels of a preprocessed image, bilinearly, with the border repeated outwards.

    Parameters
    ----------
    pixels : Tensor of shape (C, S, S), float32
    draw : Draw

    Returns
    -------
    Tensor of the same shape; `pixels` itself where nothing moves.
    """
    if not draw.is_spatial:
        return pixels
    import torch
    import torch.nn.functional as F

    size = pixels.shape[-1]
    grid = (coordinates(draw, size, size) + 0.5) * np.float32(2 / size) - 1
    warped = F.grid_sample(
        pixels[None], torch.from_numpy(grid)[None], mode="bilinear", padding_mode="border", align_corners=False
    )
    return warped[0]


@dataclass(frozen=True, eq=False)
class Gather:
    """Nearest pixels of an original array for every pixel of a square output.

    Attributes
    ----------
    rows, columns : ndarray that broadcast to (R, R), int64
    inside : ndarray of shape (R, R), bool
        False where the output lies outside the image.
    """

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]
    inside: NDArray[np.bool_]

    def __call__(self, array: NDArray[np.generic], outside: int) -> NDArray[np.generic]:
        """(R, R) of the dtype of `array` (H, W), with `outside` beyond the image."""
        return np.where(self.inside, array[self.rows, self.columns], array.dtype.type(outside))


def gather(draw: Draw, frame: Frame, resolution: int) -> Gather:
    """How labels in original pixels are brought to the model's square: one nearest lookup, augmentation included.

    Parameters
    ----------
    draw : Draw
    frame : Frame
        Of the original image in the model's square.
    resolution : int
        Side of the output that covers the square.

    Returns
    -------
    Gather
    """
    if draw.is_spatial:
        xy = coordinates(draw, frame.size, resolution)
        x, y = xy[..., 0], xy[..., 1]
    else:
        line = (np.arange(resolution, dtype=np.float32) + np.float32(0.5)) * np.float32(frame.size / resolution) - 0.5
        x, y = line[None], line[:, None]
    columns, inside_x = _nearest(x, frame.offset_yx[1], frame.content_hw[1], frame.original_hw[1])
    rows, inside_y = _nearest(y, frame.offset_yx[0], frame.content_hw[0], frame.original_hw[0])
    return Gather(rows, columns, inside_x & inside_y)


def _nearest(
    model: NDArray[np.float32], offset: int, content: int, original: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    position = np.floor((model + np.float32(0.5 - offset)) * np.float32(original / content)).astype(np.int64)
    inside = (position >= 0) & (position < original)
    return np.clip(position, 0, original - 1), inside


def _matrix(draw: Draw, size: int) -> NDArray[np.float64]:
    """(2, 3) from output to input pixels: undo the shift, then scale and rotation, then the flip, then the turns."""
    centre = (size - 1) / 2
    angle = np.deg2rad(draw.rotate_deg)
    cos, sin = np.cos(angle) / draw.scale, np.sin(angle) / draw.scale
    linear = np.array([[cos, sin], [-sin, cos]])
    if draw.flip:
        linear = np.diag([-1, 1] if draw.flip == "horizontal" else [1, -1]) @ linear
    turn = np.array([[0, -1], [1, 0]])
    linear = np.linalg.matrix_power(turn, draw.quarter_turns % 4) @ linear
    moved = np.array([centre, centre]) + np.array(draw.shift_xy) * size
    return np.concatenate([linear, (centre - linear @ moved)[:, None]], axis=1)


def _elastic(draw: Draw, size: int, resolution: int) -> NDArray[np.float32]:
    """Smooth field of displacements, in model pixels, the same at every resolution."""
    import torch
    import torch.nn.functional as F

    coarse = named_rng("elastic", draw.seed).uniform(-1, 1, (1, 2, 7, 7)).astype(np.float32)
    field = F.interpolate(torch.from_numpy(coarse), size=(resolution, resolution), mode="bicubic", align_corners=False)
    return (field[0].permute(1, 2, 0) * (draw.elastic * size)).numpy()
