"""DeepLabV3+ with separable convolutions over a dilated residual network.

Widths, rates and norms are those of segmentation_models_pytorch, which MedSAM's comparison used, without its dropout.

References
----------
.. [1] Chen et al. 2018, Encoder-Decoder with Atrous Separable Convolution, ECCV.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from samadapt.models.specialists.resnet import ResNet

WIDTH, LOW_WIDTH, RATES = 256, 48, (12, 24, 36)


class DeepLabV3Plus(nn.Module):
    """Pyramid of dilated convolutions at a sixteenth of the image, joined by features at a quarter of it.

    Parameters
    ----------
    inputs, outputs : int
        Channels.
    backbone : {"resnet18", "resnet34", "resnet50"}
    """

    def __init__(self, inputs: int, outputs: int, backbone: str) -> None:
        super().__init__()
        self.backbone = ResNet(backbone, inputs)
        self.pyramid = nn.Sequential(Pyramid(self.backbone.high), *_separable(WIDTH, WIDTH))
        self.low = nn.Sequential(*_plain(self.backbone.low, LOW_WIDTH))
        self.joined = nn.Sequential(*_separable(WIDTH + LOW_WIDTH, WIDTH))
        self.classifier = nn.Conv2d(WIDTH, outputs, 1)

    def features(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, 256, H / 4, W / 4)."""
        low, high = self.backbone(x)
        wide = _enlarge(self.pyramid(high), low.shape[-2:])
        joined: Tensor = self.joined(torch.cat([wide, self.low(low)], dim=1))
        return joined

    def classify(self, features: Tensor, hw: tuple[int, int]) -> Tensor:
        """Logits (B, outputs, H, W) of features."""
        return _enlarge(self.classifier(features), hw)


class Pyramid(nn.Module):
    """One pixel, three dilated neighbourhoods and the whole image, side by side."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList([nn.Sequential(*_plain(inputs, WIDTH))])
        self.branches.extend(nn.Sequential(*_separable(inputs, WIDTH, rate)) for rate in RATES)
        self.whole = nn.Sequential(nn.AdaptiveAvgPool2d(1), *_plain(inputs, WIDTH))
        self.project = nn.Sequential(*_plain((len(RATES) + 2) * WIDTH, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) to (B, 256, h, w)."""
        parts = [branch(x) for branch in self.branches]
        parts.append(_enlarge(self.whole(x), x.shape[-2:]))
        mixed: Tensor = self.project(torch.cat(parts, dim=1))
        return mixed


def _plain(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    return nn.Conv2d(inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)


def _separable(inputs: int, outputs: int, rate: int = 1) -> tuple[nn.Module, ...]:
    depthwise = nn.Conv2d(inputs, inputs, 3, padding=rate, dilation=rate, groups=inputs, bias=False)
    return depthwise, *_plain(inputs, outputs)


def _enlarge(x: Tensor, hw: tuple[int, int] | torch.Size) -> Tensor:
    return interpolate(x, size=tuple(hw), mode="bilinear", align_corners=False)
