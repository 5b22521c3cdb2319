"""Position tables for another image size."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

Mode = Literal["bilinear", "bicubic"]


def resample_positions(
    state: Mapping[str, Tensor], grid: int, global_blocks: tuple[int, ...], mode: Mode = "bilinear"
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Interpolate the tables whose length depends on the image size, and no others.

    These are the absolute position table and the relative positions of the blocks with global attention. The relative
    positions of windowed blocks depend on the window alone and stay.

    Parameters
    ----------
    state : mapping of str to Tensor
        Transformers' names.
    grid : int
        Tokens along one side at the wanted image size.
    global_blocks : tuple of int
    mode : {"bilinear", "bicubic"}
        For the absolute table; relative positions are always linear. The default is what SAMed does.

    Returns
    -------
    state : dict of str to Tensor
    resampled : tuple of str
        Names of the tables that changed.

    References
    ----------
    .. [1] Zhang and Liu 2023, SAMed, arXiv 2304.13785; hitachinsk/SAMed e351840, sam_lora_image_encoder.py.
    """
    result, changed = dict(state), []
    for name in _tables(global_blocks):
        table = result.get(name)
        if table is None:
            continue
        new = resize_table(table, grid, mode) if table.ndim == 4 else _relative(table, 2 * grid - 1)
        if new is not table:
            result[name] = new
            changed.append(name)
    return result, tuple(changed)


def _tables(global_blocks: tuple[int, ...]) -> list[str]:
    relative = [f"vision_encoder.layers.{i}.attn.rel_pos_{axis}" for i in global_blocks for axis in "hw"]
    return ["vision_encoder.pos_embed", *relative]


def resize_table(table: Tensor, grid: int, mode: Mode) -> Tensor:
    """Absolute positions (1, h, w, C) as (1, grid, grid, C)."""
    if table.shape[1:3] == (grid, grid):
        return table
    with torch.no_grad():
        new = F.interpolate(table.permute(0, 3, 1, 2).float(), (grid, grid), mode=mode, align_corners=False)
    return new.permute(0, 2, 3, 1).contiguous()


def _relative(table: Tensor, length: int) -> Tensor:
    """(L, C) to (length, C)."""
    if table.shape[0] == length:
        return table
    with torch.no_grad():
        new = F.interpolate(table.float().T[None], length, mode="linear", align_corners=False)
    return new[0].T.contiguous()
