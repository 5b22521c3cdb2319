"""The numbers that define an EdgeTAM, and how to read them off its tensors. Without torch."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import Any

from samadapt.core.errors import CheckpointError
from samadapt.models.convert import Shapes, count
from samadapt.models.sam2.architecture import STRIDE, TrackerArchitecture, infer_decoder, infer_memory

_BODY = "vision_encoder.backbone.timm_model."
_PERCEIVER = "spatial_perceiver."


@dataclass(frozen=True)
class EdgeTamArchitecture(TrackerArchitecture):
    """Shape of an EdgeTAM; see `TrackerArchitecture` for the decoder and most of the memory.

    Attributes
    ----------
    widths, blocks : tuple of int
        Width and number of blocks of each stage of the encoder; a stage's downsampling counts as none.
    global_latents, window_latents : int
        Tokens that the perceiver makes of the memory of a frame: some that look at all of it, and one for each window
        of a square grid; 0 in a file without memory.
    perceiver_layers, perceiver_mlp_dim : int
        Of the perceiver.
    """

    memory_layers: int = 2
    occlusion: bool = False
    pointer_positions: bool = False
    widths: tuple[int, ...] = (48, 96, 192, 384)
    blocks: tuple[int, ...] = (2, 2, 14, 2)
    global_latents: int = 256
    window_latents: int = 256
    perceiver_layers: int = 2
    perceiver_mlp_dim: int = 256

    @property
    def size_name(self) -> str:
        """ "repvit-m1", or width x blocks for any other network."""
        known = KNOWN["repvit-m1"]
        same = (self.widths, self.blocks) == (known.widths, known.blocks)
        return "repvit-m1" if same else f"repvit-{self.widths[0]}x{sum(self.blocks)}"

    @property
    def memory_windows(self) -> int:
        """Windows along a side of the embedding, each of which the memory keeps as one token."""
        return isqrt(self.window_latents)

    @property
    def memory_fits(self) -> bool:
        """True if the embedding can be cut into those windows, at this image size."""
        return self.memory and self.grid % self.memory_windows == 0

    def at(self, image_size: int | None) -> EdgeTamArchitecture:
        """Same network for another image size, a positive multiple of 32; the memory may not fit it."""
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
        memory_channels=16,
        memory_layers=1,
        memory_mlp_dim=32,
        fuser_layers=1,
        fuser_mlp_dim=32,
        mask_embed=32,
        global_latents=6,
        window_latents=4,
        perceiver_layers=1,
        perceiver_mlp_dim=24,
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
        If a tensor that is needed to tell is absent, or the memory's windows are no square.
    """
    try:
        parts = _encoder(shapes) | infer_decoder(shapes) | _memory(shapes)
        return EdgeTamArchitecture(**parts, assumed=("image size",))
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


def _memory(shapes: Shapes) -> dict[str, Any]:
    found = infer_memory(shapes, perceptron="mlp.up_proj")
    if not found["memory_channels"]:
        return found | {"global_latents": 0, "window_latents": 0, "perceiver_layers": 0}
    windows = shapes[f"{_PERCEIVER}latents_2d"][0]
    if isqrt(windows) ** 2 != windows:
        raise CheckpointError(f"{windows} tokens of the memory's windows lie on no square grid, as EdgeTAM's do")
    return found | {
        "global_latents": shapes[f"{_PERCEIVER}latents_1d"][0],
        "window_latents": windows,
        "perceiver_layers": count(shapes, r"spatial_perceiver\.layers\.(\d+)\."),
        "perceiver_mlp_dim": shapes[f"{_PERCEIVER}layers.0.mlp.up_proj.weight"][0],
    }
