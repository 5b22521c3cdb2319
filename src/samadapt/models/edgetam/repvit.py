"""RepViT, the convolutional image encoder of EdgeTAM, with the names that timm gives its tensors.

Norms keep the statistics they were published with, in training too: an adapter or a decoder that learns on top then
finds the same encoder again.

References
----------
.. [1] Wang et al. 2024, RepViT: Revisiting Mobile CNN From ViT Perspective, CVPR, arXiv:2307.09283; the variant of
   THU-MIG/RepViT that timm calls `legacy` (repvit_m1).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class FixedNorm(nn.Module):
    """Batch norm by statistics that do not change."""

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w), as many."""
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=1e-5)


class ConvNorm(nn.Module):
    """Convolution without bias, then norm; padded to keep the size at stride 1."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> None:
        super().__init__()
        self.c = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False)
        self.bn = FixedNorm(outputs)

    def forward(self, x: Tensor) -> Tensor:
        normal: Tensor = self.bn(self.c(x))
        return normal


class TokenMixer(nn.Module):
    """Depthwise convolutions of 3 x 3 and 1 x 1, and the input itself, added."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv, self.conv1 = ConvNorm(width, width, 3, groups=width), ConvNorm(width, width, groups=width)

    def forward(self, x: Tensor) -> Tensor:
        mixed: Tensor = self.conv(x) + self.conv1(x) + x
        return mixed


class SqueezeExcite(nn.Module):
    """Channels weighed by what their means say."""

    def __init__(self, width: int) -> None:
        super().__init__()
        inner = max(8, (width // 4 + 4) // 8 * 8)
        self.fc1, self.fc2 = nn.Conv2d(width, inner, 1), nn.Conv2d(inner, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        gates = self.fc2(F.relu(self.fc1(x.mean((2, 3), keepdim=True))))
        weighed: Tensor = x * gates.sigmoid()
        return weighed


class ChannelMixer(nn.Module):
    """Perceptron over the channels of each pixel, twice as wide inside."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = ConvNorm(width, 2 * width), ConvNorm(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        mixed: Tensor = self.conv2(F.gelu(self.conv1(x)))
        return mixed


class Block(nn.Module):
    """Token mixer, weights of channels in every other block, and channel mixer around which the input is added."""

    def __init__(self, width: int, squeeze: bool) -> None:
        super().__init__()
        self.token_mixer = TokenMixer(width)
        self.se = SqueezeExcite(width) if squeeze else nn.Identity()
        self.channel_mixer = ChannelMixer(width)

    def forward(self, x: Tensor) -> Tensor:
        x = self.se(self.token_mixer(x))
        mixed: Tensor = x + self.channel_mixer(x)
        return mixed


class Downsample(nn.Module):
    """Half the side, and the next stage's width."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.pre_block = Block(inputs, squeeze=False)
        self.spatial_downsample = ConvNorm(inputs, inputs, 3, stride=2, groups=inputs)
        self.channel_downsample = ConvNorm(inputs, outputs)
        self.ffn = ChannelMixer(outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.channel_downsample(self.spatial_downsample(self.pre_block(x)))
        halved: Tensor = x + self.ffn(x)
        return halved


class Stage(nn.Module):
    """Downsampling, if the width changes, and blocks."""

    def __init__(self, inputs: int, width: int, blocks: int, *, first: bool) -> None:
        super().__init__()
        self.downsample = nn.Identity() if first else Downsample(inputs, width)
        self.blocks = nn.Sequential(*(Block(width, squeeze=index % 2 == 0) for index in range(blocks)))

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.downsample(x))
        return x


class Stem(nn.Module):
    """A quarter of the side by two convolutions."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.conv1, self.conv2 = ConvNorm(inputs, width // 2, 3, stride=2), ConvNorm(width // 2, width, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        quarter: Tensor = self.conv2(F.gelu(self.conv1(x)))
        return quarter


class RepVit(nn.Module):
    """Maps of four stages, at a quarter to a thirty-second of the side.

    Parameters
    ----------
    inputs : int
        Channels of the image.
    widths, blocks : sequence of int
        Of every stage.
    """

    def __init__(self, inputs: int, widths: Sequence[int], blocks: Sequence[int]) -> None:
        super().__init__()
        self.stem = Stem(inputs, widths[0])
        before = [widths[0], *widths[:-1]]
        for index, (narrow, width, depth) in enumerate(zip(before, widths, blocks, strict=True)):
            self.add_module(f"stages_{index}", Stage(narrow, width, depth, first=index == 0))
        self.stages = len(widths)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Maps (B, width, S / stride, S / stride) of pixels (B, inputs, S, S), the finest first."""
        x, maps = self.stem(x), []
        for index in range(self.stages):
            x = self.get_submodule(f"stages_{index}")(x)
            maps.append(x)
        return maps


class RepVitBackbone(nn.Module):
    """`RepVit` in the place of transformers' Hiera backbone."""

    def __init__(self, inputs: int, widths: Sequence[int], blocks: Sequence[int]) -> None:
        super().__init__()
        self.timm_model = RepVit(inputs, widths, blocks)

    def forward(self, pixel_values: Tensor, **_options: Any) -> Any:
        """transformers' Sam2HieraDetModelOutput with maps (B, h, w, width), the finest first."""
        from transformers.models.sam2.modeling_sam2 import Sam2HieraDetModelOutput

        maps = tuple(one.permute(0, 2, 3, 1) for one in self.timm_model(pixel_values))
        return Sam2HieraDetModelOutput(last_hidden_state=maps[-1], intermediate_hidden_states=maps)
