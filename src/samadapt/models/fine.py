"""SAM with a fine path: convolutions over the pixels whose maps join the mask decoder's upscaling.

A small vision transformer sees an image in patches of 8 or 16 pixels and learns borders slowly. The fine path sees the
pixels themselves at the resolution of the masks, receives the image embedding, and adds its maps to the decoder's
upscaled ones, as SAM 2 adds those of its first stages. It is computed once an image; a prompt costs no more.

References
----------
.. [1] Ravi et al. 2024, SAM 2, arXiv:2408.00714; facebookresearch/sam2 2b90b9f, modeling/sam/mask_decoder.py.
.. [2] Ke et al. 2023, Segment Anything in High Quality, arXiv:2306.01567.
.. [3] Lin et al. 2017, Feature Pyramid Networks, arXiv:1612.03144.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from torch.nn.functional import interpolate
from transformers import SamModel

from samadapt.models.layers import ConvLayer
from samadapt.models.refine import Refiner


class FinePath(nn.Module):
    """Two maps finer than the embedding.

    Parameters
    ----------
    width : int
        Channels at the resolution of the masks; twice as many at half of it.
    patch_size : int
        Of the image encoder, a multiple of 4: the masks have four pixels for each token.
    channels : int
        C, of the embedding.
    inputs : int
        Channels of the image.
    """

    def __init__(self, width: int, patch_size: int, channels: int, inputs: int = 3) -> None:
        super().__init__()
        stride = patch_size // 4
        self.stem = ConvLayer(inputs, width, 2 * stride - 1, stride)
        self.first = ConvLayer(width, width)
        self.reduce = ConvLayer(width, 2 * width, 3, 2)
        self.second = ConvLayer(2 * width, 2 * width)
        self.tokens = nn.Conv2d(channels, 2 * width, 1)
        self.join_tokens = ConvLayer(2 * width, 2 * width)
        self.lateral = nn.Conv2d(2 * width, width, 1)
        self.join_first = ConvLayer(width, width)
        self.finest = nn.Conv2d(width, channels // 8, 1)
        self.finer = nn.Conv2d(2 * width, channels // 4, 1)

    def forward(self, pixel_values: Tensor, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Maps for the decoder.

        Parameters
        ----------
        pixel_values : Tensor of shape (B, inputs, S, S)
        embedding : Tensor of shape (B, C, h, w)

        Returns
        -------
        finest : Tensor of shape (B, C / 8, 4 h, 4 w)
        finer : Tensor of shape (B, C / 4, 2 h, 2 w)
        """
        first = self.first(self.stem(pixel_values))
        second = self.second(self.reduce(first))
        second = self.join_tokens(second + _twice(self.tokens(embedding)))
        first = self.join_first(first + _twice(self.lateral(second)))
        return self.finest(first), self.finer(second)


class FineSamModel(SamModel):  # type: ignore[misc]
    """transformers' SamModel with a fine path beside its image encoder, and perhaps a refiner in its mask decoder.

    Parameters
    ----------
    config : transformers.SamConfig
        With `fine_width` and `refine_width` beside the fields of SAM; the latter may be 0, for no refiner.
    """

    def __init__(self, config: Any) -> None:
        super().__init__(config)
        vision = config.vision_config
        self.fine = FinePath(config.fine_width, vision.patch_size, vision.output_channels, vision.num_channels)
        if config.refine_width:
            masks = config.mask_decoder_config.num_multimask_outputs + 1
            self.mask_decoder.refine = Refiner(config.refine_width, vision.output_channels // 8, masks)


def _twice(x: Tensor) -> Tensor:
    return interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)


def fine_path(sam: Any) -> FinePath | None:
    """The fine path of a network, if it has one."""
    path: FinePath | None = getattr(sam, "fine", None)
    return path


def encoder_parts(sam: Any) -> list[nn.Module]:
    """What is computed once an image: the image encoder, and the fine path where there is one."""
    path = fine_path(sam)
    return [sam.vision_encoder] if path is None else [sam.vision_encoder, path]
