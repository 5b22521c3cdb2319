"""Float32 matrix products, faster and a little less exact."""

from __future__ import annotations

from typing import Literal


def set_matmul_precision(precision: Literal["highest", "high", "medium"] = "medium") -> None:
    """Let PyTorch round the inputs of float32 matrix products, for the whole process.

    On many CPUs "medium" chooses a faster library at full precision; on GPUs and on CPUs with bfloat16 units it
    computes in TF32 or bfloat16. Nothing in samadapt calls this by itself: it would change results unasked.

    Parameters
    ----------
    precision : {"highest", "high", "medium"}
        "highest" is PyTorch's default.
    """
    import torch

    torch.set_float32_matmul_precision(precision)
