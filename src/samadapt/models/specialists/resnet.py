"""Residual networks whose last stage is dilated instead of halved. Tensor names are those of torchvision's files.

References
----------
.. [1] He et al. 2016, Deep Residual Learning for Image Recognition, CVPR.
"""

from __future__ import annotations

from torch import Tensor, nn

EXPANSION = 4
"""Width of a bottleneck's output over that of its middle."""


class Basic(nn.Module):
    """Two 3x3 convolutions."""

    def __init__(self, inputs: int, width: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = _conv3(inputs, width, stride, dilation)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv3(width, width, 1, dilation)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(inputs, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, width, H / stride, W / stride)."""
        out = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        added: Tensor = self.relu(out + self.downsample(x))
        return added


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions; the stride is that of the 3x3."""

    def __init__(self, inputs: int, width: int, stride: int, dilation: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = _conv3(width, width, stride, dilation)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, EXPANSION * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(EXPANSION * width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(inputs, EXPANSION * width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, H, W) to (B, 4 width, H / stride, W / stride)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn3(self.conv3(self.relu(self.bn2(self.conv2(out)))))
        added: Tensor = self.relu(out + self.downsample(x))
        return added


class ResNet(nn.Module):
    """Features at a quarter and at a sixteenth of the image.

    Parameters
    ----------
    name : {"resnet18", "resnet34", "resnet50"}
    inputs : int
        Channels of the image.

    Attributes
    ----------
    low, high : int
        Channels of the two outputs.
    """

    def __init__(self, name: str, inputs: int) -> None:
        super().__init__()
        block, counts = _KNOWN[name]
        expansion = EXPANSION if block is Bottleneck else 1
        self.conv1 = nn.Conv2d(inputs, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        width = 64
        for number, (count, stride, dilation) in enumerate(zip(counts, (1, 2, 2, 1), (1, 1, 1, 2)), start=1):
            middle = 64 << (number - 1)
            stage = [block(width, middle, stride, dilation)]
            width = middle * expansion
            stage += [block(width, middle, 1, dilation) for _ in range(count - 1)]
            self.add_module(f"layer{number}", nn.Sequential(*stage))
        self.low, self.high = 64 * expansion, width

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """(B, inputs, H, W) to (B, low, H / 4, W / 4) and (B, high, H / 16, W / 16)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        low: Tensor = self.get_submodule("layer1")(x)
        high = low
        for number in (2, 3, 4):
            high = self.get_submodule(f"layer{number}")(high)
        return low, high


_KNOWN: dict[str, tuple[type[Basic] | type[Bottleneck], tuple[int, ...]]] = {
    "resnet18": (Basic, (2, 2, 2, 2)),
    "resnet34": (Basic, (3, 4, 6, 3)),
    "resnet50": (Bottleneck, (3, 4, 6, 3)),
}


def _conv3(inputs: int, outputs: int, stride: int, dilation: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation, bias=False)


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))
