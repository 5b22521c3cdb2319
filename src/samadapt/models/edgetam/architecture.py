"""The numbers that define an EdgeTAM, and how to read them off its tensors. Without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from samadapt.core.errors import CheckpointError
from samadapt.models.convert import Shapes, count
from samadapt.models.sam2.architecture import STRIDE, TrackerArchitecture, infer_decoder

_BODY = "vision_encoder.backbone.timm_model."


@dataclass(frozen=True)
class EdgeTamArchitecture(TrackerArchitecture):
    """Shape of an EdgeTAM's image part; see `TrackerArchitecture` for the decoder. The memory is left out.

    Attributes
    ----------
    widths, blocks : tuple of int
        Width and number of blocks of each stage of the encoder; a stage's downsampling counts as none.
    """

    memory_channels: int = 0
    widths: tuple[int, ...] = (48, 96, 192, 384)
    blocks: tuple[int, ...] = (2, 2, 14, 2)

    @property
    def size_name(self) -> str:
        """ "repvit-m1", or width x blocks for any other network."""
        known = KNOWN["repvit-m1"]
        same = (self.widths, self.blocks) == (known.widths, known.blocks)
        return "repvit-m1" if same else f"repvit-{self.widths[0]}x{sum(self.blocks)}"

    def at(self, image_size: int | None) -> EdgeTamArchitecture:
        """Same network for another image size, a positive multiple of 32."""
        return self.resized(image_size, STRIDE, "EdgeTAM's coarsest tokens")


KNOWN: dict[str, EdgeTamArchitecture] = {
    "repvit-m1": EdgeTamArchitecture(),
    "repvit-test": EdgeTamArchitecture(
        image_size=64,
        widths=(8, 16, 24, 32),
        blocks=(1, 2, 3, 1),
        channels=32,
        decoder_mlp_dim=32,
        iou_hidden=32,
    ),
}
"""The published network by name, and one small enough for tests."""


def infer(shapes: Shapes) -> EdgeTamArchitecture:
    """Network that a set of tensors (transformers' names) belongs to, at 1024 pixels.

    Parameters
    ----------
    shapes : mapping of str to tuple of int

    Raises
    ------
    CheckpointError
        If a tensor that is needed to tell is absent.
    """
    try:
        return EdgeTamArchitecture(**_encoder(shapes), **infer_decoder(shapes), assumed=("image size",))
    except KeyError as error:
        raise CheckpointError(
            f"the file has no {error.args[0]}, so it is not a complete EdgeTAM checkpoint",
            remedy="See `samadapt inspect FILE`.",
        ) from error


def _encoder(shapes: Shapes) -> dict[str, Any]:
    stages = [f"{_BODY}stages_{stage}.blocks." for stage in range(4)]
    return {
        "inputs": shapes[f"{_BODY}stem.conv1.c.weight"][1],
        "widths": tuple(shapes[f"{stage}0.token_mixer.conv.c.weight"][0] for stage in stages),
        "blocks": tuple(count(shapes, stage.replace(".", r"\.") + r"(\d+)\.") for stage in stages),
        "channels": shapes["vision_encoder.neck.convs.0.weight"][0],
    }
