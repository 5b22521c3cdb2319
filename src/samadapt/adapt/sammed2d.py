"""Channel gate and convolution beside the MLP of every image encoder block.

    x = x + mlp(norm2 x) + adapter(norm2 x)

References
----------
.. [1] Cheng et al. 2023, SAM-Med2D, arXiv:2308.16184; OpenGVLab/SAM-Med2D bfd2b93.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn import functional as F

from samadapt.adapt.adaptation import Method
from samadapt.adapt.attach import adapter_names, attach_beside
from samadapt.adapt.config import SamMed2dConfig
from samadapt.adapt.parts import decoder_parts, encoder_blocks

if TYPE_CHECKING:
    from samadapt.models import SamPromptable


class GatedConv(nn.Module):
    """x (B, H, W, d) to norm(x + conv(gate * x)), same shape.

    The gate (B, d) is a squeeze-and-excitation of x; conv halves the map (3 x 3, stride 2) and doubles it again
    (4 x 4 transposed, stride 2). No layer has a bias. An odd map is cropped back to its size.

    Parameters
    ----------
    width : int
        d.
    inner : int
        Width of the gate.
    zero_init : bool
        Start with an output of zero, through the weight of the norm; otherwise the published Kaiming values.
    """

    def __init__(self, width: int, inner: int, *, zero_init: bool = False) -> None:
        super().__init__()
        self.squeeze, self.excite = nn.Linear(width, inner, bias=False), nn.Linear(inner, width, bias=False)
        self.shrink = nn.Conv2d(width, width, 3, stride=2, padding=1, bias=False)
        self.grow = nn.ConvTranspose2d(width, width, 4, stride=2, padding=1, bias=False)
        self.norm = nn.LayerNorm(width)
        for conv in (self.shrink, self.grow):
            nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
        if zero_init:
            nn.init.zeros_(self.norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        x = x.permute(0, 3, 1, 2)  # (B, d, H, W)
        height, width = x.shape[2:]
        gate = self.excite(F.relu(self.squeeze(x.mean(dim=(2, 3))))).sigmoid()  # (B, d)
        y = F.relu(self.grow(F.relu(self.shrink(gate[:, :, None, None] * x))))
        out: Tensor = self.norm((x + y[:, :, :height, :width]).permute(0, 2, 3, 1))
        return out


def insert(model: SamPromptable, config: SamMed2dConfig) -> None:
    """Attach one adapter to the MLP of each chosen block."""
    for _, block in encoder_blocks(model, config.blocks):
        width = block.layer_norm2.normalized_shape[0]
        inner = max(1, int(width * config.ratio))
        attach_beside(block.mlp, GatedConv(width, inner, zero_init=config.zero_init))


def trainable(model: SamPromptable, config: SamMed2dConfig) -> list[str]:
    """The adapters, and decoder and prompt encoder as configured."""
    return adapter_names(model) + decoder_parts(model, config)


METHOD = Method(SamMed2dConfig, insert, trainable)
