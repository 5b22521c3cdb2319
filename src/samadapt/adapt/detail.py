"""Detail branch: a small convolutional network beside the prompt-free head, from the pixels themselves.

A vision transformer sees an image in patches; borders finer than a patch must be put back by the mask decoder. The
branch is a U-Net whose deepest level also receives the image embedding. Its class logits are added to those of the
mask decoder, at the full size of the model's input, or are the whole answer.

References
----------
.. [1] Ronneberger et al. 2015, U-Net, arXiv:1505.04597.
.. [2] Ke et al. 2023, Segment Anything in High Quality, arXiv:2306.01567: early features beside SAM's decoder.
.. [3] Chen et al. 2023, Vision Transformer Adapter, arXiv:2205.08534: a convolutional branch beside a plain ViT.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from samadapt.core.errors import ConfigError

if TYPE_CHECKING:
    from samadapt.models import SamPromptable


class DetailBranch(nn.Module):
    """U-Net over the pixels, with the image embedding at its deepest level.

    Parameters
    ----------
    classes : int
        Channels of the answer.
    width : int
        Channels at the first level; doubled at every level, up to eight times as many.
    patch_size : int
        Of the image encoder: pixels of one token's side, a power of two.
    channels : int
        Of the image embedding.
    inputs : int
        Of the image.
    """

    def __init__(self, classes: int, width: int, patch_size: int, channels: int, inputs: int = 3) -> None:
        super().__init__()
        widths = [width * min(2**level, 8) for level in range(patch_size.bit_length())]
        self.embedding = nn.Sequential(nn.Conv2d(channels, widths[-1], 1), nn.GroupNorm(1, widths[-1]))
        self.down = nn.ModuleList(_Block(a, b) for a, b in zip([inputs, *widths[:-2]], widths[:-1]))
        self.bottom = _Block(widths[-2] + widths[-1], widths[-1])
        self.up = nn.ModuleList(_Block(a + b, b) for a, b in zip(widths[:0:-1], widths[-2::-1]))
        self.answer = nn.Conv2d(width, classes, 1)
        nn.init.zeros_(self.answer.weight)
        nn.init.zeros_(self.answer.bias)  # type: ignore[arg-type]

    def forward(self, pixel_values: Tensor, embedding: Tensor) -> Tensor:
        """Class logits to add to those of the decoder.

        Parameters
        ----------
        pixel_values : Tensor of shape (B, inputs, S, S)
        embedding : Tensor of shape (B, C, S / patch_size, S / patch_size)

        Returns
        -------
        Tensor of shape (B, classes, S, S)
            Zeros for a branch that has not learnt anything.
        """
        answer: Tensor = self.answer(self.features(pixel_values, embedding))
        return answer

    def features(self, pixel_values: Tensor, embedding: Tensor) -> Tensor:
        """What the answer is made from: (B, width, S, S) of the arguments of `forward`."""
        kept: list[Tensor] = []
        x: Tensor = pixel_values
        for block in self.down:
            kept.append(block(x))
            x = nn.functional.max_pool2d(kept[-1], 2)
        x = self.bottom(torch.cat([x, self.embedding(embedding)], dim=1))
        for block, skipped in zip(self.up, reversed(kept)):
            x = block(torch.cat([interpolate(x, scale_factor=2.0, mode="nearest"), skipped], dim=1))
        return x


class _Block(nn.Sequential):
    """Two 3 x 3 convolutions, each with instance norm and a leaky rectifier."""

    def __init__(self, before: int, after: int) -> None:
        layers: list[nn.Module] = []
        for channels in (before, after):
            layers += [
                nn.Conv2d(channels, after, 3, padding=1, bias=False),
                nn.InstanceNorm2d(after, affine=True),
                nn.LeakyReLU(0.01, inplace=True),
            ]
        super().__init__(*layers)


def branch_for(model: SamPromptable, classes: int, width: int) -> nn.Module:
    """A branch beside a model, with random weights from torch's generator.

    Raises
    ------
    ConfigError
        If the side of a patch is no power of two.
    """
    from samadapt.adapt.parts import placed

    patch = model.architecture.patch_size
    if patch & (patch - 1):
        raise ConfigError(
            f"a detail branch halves the image down to the tokens, which {patch} pixels each do not allow",
            where=model.name,
            remedy="Leave the detail branch out (task.detail=0).",
        )
    return placed(
        DetailBranch(classes, width, patch, model.architecture.channels, model.inputs), model.sam.mask_decoder
    )
