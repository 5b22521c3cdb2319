"""What Medical SAM Adapter changed of SAM's encoder besides its adapters, undone.

Its relative positions are called rel_h and rel_w, so SAM's own are dropped in silence and start at zero. Its absolute
table stays that of 1024 pixels and is interpolated, bicubically, in every forward pass.

References
----------
.. [1] Wu et al. 2023, Medical SAM Adapter, arXiv:2304.12620; MedicineToken/Medical-SAM-Adapter 4dcdc63.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

from samadapt.models.architecture import Architecture
from samadapt.models.resample import resize_table

NO_DECODER = ("mask_decoder.*", "prompt_encoder.*", "shared_image_embedding.*")
"""What a file of the image encoder alone lacks."""

TABLE = "vision_encoder.pos_embed"
_RELATIVE = re.compile(r"\.attn\.rel_([hw])$")


def plain(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors of such a file (transformers' names) as SAM has them.

    Parameters
    ----------
    state : mapping of str to Tensor

    Returns
    -------
    dict of str to Tensor
        Relative positions by SAM's names; the absolute table at the size that the relative positions of global blocks
        belong to. Adapters are kept as they are.
    """
    renamed = {_RELATIVE.sub(r".attn.rel_pos_\1", key): value for key, value in state.items()}
    sides = {(len(value) + 1) // 2 for key, value in renamed.items() if key.endswith(".attn.rel_pos_h")}
    if sides and TABLE in renamed:
        table = renamed[TABLE]
        renamed[TABLE] = resize_table(table, _grid(sides, table.shape[1]), "bicubic")
    return renamed


def _grid(sides: Iterable[int], table: int) -> int:
    """Tokens along one side of the image, from the sides that relative positions belong to.

    Those are the image's and the window's. An image of the table's size is told by it; else the window is that of all
    published networks, or the smaller one.
    """
    found = set(sides)
    if table in found:
        return table
    return max(found - {Architecture.window} or found)
