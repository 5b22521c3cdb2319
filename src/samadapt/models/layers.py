"""Layers that the convolutional parts share."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import leaky_relu


class ConvLayer(nn.Module):
    """Convolution, instance norm, leaky rectifier."""

    def __init__(self, before: int, after: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, kernel, stride, padding=kernel // 2, bias=False)
        self.layer_norm = nn.InstanceNorm2d(after, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, after, H / stride, W / stride)."""
        return leaky_relu(self.layer_norm(self.conv(x)), 0.01)
