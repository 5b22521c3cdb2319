"""A plain 2-D U-Net.

References
----------
.. [1] Ronneberger et al. 2015, U-Net, MICCAI; with the instance norm and leaky units of nnU-Net (Isensee et al. 2021,
   Nature Methods 18:203), without its deep supervision.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class UNet(nn.Module):
    """Two convolutions at every level, halved by pooling, doubled by transposed convolutions.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    width : int
        Channels of the first level, doubled at every level.
    depth : int
        How often the image is halved.
    """

    def __init__(self, inputs: int, outputs: int, width: int, depth: int) -> None:
        super().__init__()
        widths = [width << level for level in range(depth + 1)]
        self.down = nn.ModuleList(_double(a, b) for a, b in zip([inputs, *widths], widths))
        self.up = nn.ModuleList(nn.ConvTranspose2d(2 * w, w, 2, 2) for w in reversed(widths[:-1]))
        self.merge = nn.ModuleList(_double(2 * w, w) for w in reversed(widths[:-1]))
        self.classifier = nn.Conv2d(width, outputs, 1)

    def features(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, width, H, W)."""
        skips: list[Tensor] = []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else nn.functional.max_pool2d(x, 2))
            skips.append(x)
        for enlarge, block, skip in zip(self.up, self.merge, reversed(skips[:-1])):
            x = block(torch.cat([skip, enlarge(x)], dim=1))
        return x

    def classify(self, features: Tensor, hw: tuple[int, int]) -> Tensor:
        """Logits (B, outputs, H, W) of features."""
        logits: Tensor = self.classifier(features)
        return logits


def _double(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(*_single(inputs, outputs), *_single(outputs, outputs))


def _single(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    # The norm takes the bias away.
    convolution = nn.Conv2d(inputs, outputs, 3, padding=1, bias=False)
    return convolution, nn.InstanceNorm2d(outputs, affine=True), nn.LeakyReLU(0.01, inplace=True)
