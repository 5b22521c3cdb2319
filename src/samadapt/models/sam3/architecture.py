"""The numbers that define the promptable part of a SAM 3, and how to read them off its tensors. Without torch."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import Any, ClassVar

from samadapt.core.errors import CheckpointError
from samadapt.models.convert import Shapes, count
from samadapt.models.sam2.architecture import TrackerArchitecture, infer_decoder, infer_memory

_BACKBONE, _NECK = "vision_encoder.backbone.", "vision_encoder.neck.fpn_layers."
_HEAD = 64
"""Width of an attention head in the published network."""
_SCALES = (4.0, 2.0, 1.0, 0.5)
"""Size of the neck's maps in tokens of the encoder; the decoder reads the first three."""


@dataclass(frozen=True)
class Sam3Architecture(TrackerArchitecture):
    """Shape of a SAM 3's promptable part; see `TrackerArchitecture` for the decoder and the memory.

    Attributes
    ----------
    hidden, depth, heads, mlp_dim : int
        Width, number of blocks, attention heads and width of the perceptrons of the image encoder. Heads leave no trace
        in the tensors.
    window : int
        Side in tokens of the windows that blocks attend in; no trace either.
    global_blocks : tuple of int
        Blocks that attend to the whole map; no trace either.
    positions : int
        Side in tokens of the table of positions, which is laid out over the image like tiles.
    levels : int
        Maps that the neck makes: 4, or 3 without the coarsest, which the decoder does not read.
    rope_theta : float
        Base of the rotary frequencies; no trace.
    """

    preprocessing: ClassVar[str] = "sam3"

    image_size: int = 1008
    patch_size: int = 14
    hidden: int = 1024
    depth: int = 32
    heads: int = 16
    mlp_dim: int = 4736
    window: int = 24
    global_blocks: tuple[int, ...] = (7, 15, 23, 31)
    positions: int = 24
    levels: int = 4
    rope_theta: float = 10_000.0

    @property
    def size_name(self) -> str:
        """ "sam3", or width x blocks for any other network."""
        known = KNOWN["sam3"]
        same = (self.hidden, self.depth) == (known.hidden, known.depth)
        return "sam3" if same else f"sam3-{self.hidden}x{self.depth}"

    @property
    def scales(self) -> tuple[float, ...]:
        """Size of every map of the neck in tokens of the encoder."""
        return _SCALES[: self.levels]

    def at(self, image_size: int | None) -> Sam3Architecture:
        """Same network for another image size, a multiple of the patch size.

        Positions are tiled and the rotary positions of global blocks scaled, so no tensor depends on it.
        """
        return self.resized(image_size, self.patch_size, "SAM 3's patches")


KNOWN: dict[str, Sam3Architecture] = {
    "sam3": Sam3Architecture(),
    "sam3-test": Sam3Architecture(
        image_size=112,
        hidden=32,
        depth=4,
        heads=2,
        mlp_dim=48,
        window=4,
        global_blocks=(1, 3),
        positions=4,
        channels=32,
        decoder_mlp_dim=32,
        iou_hidden=32,
        memory_channels=16,
        memory_layers=1,
        memory_mlp_dim=32,
        fuser_layers=1,
        fuser_mlp_dim=32,
        mask_embed=32,
    ),
}
"""The published network by name, and one small enough for tests."""


def infer(shapes: Shapes) -> Sam3Architecture:
    """Network that a set of tensors (transformers' names without prefixes) belongs to.

    Parameters
    ----------
    shapes : mapping of str to tuple of int

    Returns
    -------
    Sam3Architecture
        What no tensor tells is that of the published network or, for another size, follows it: heads of 64, windows
        and a third of the image as large as the table of positions, the last block of each quarter global. `assumed`
        names it.

    Raises
    ------
    CheckpointError
        If a tensor that is needed to tell is absent, or the neck is another one.
    """
    try:
        encoder, memory = _encoder(shapes), infer_memory(shapes)
        return Sam3Architecture(**encoder, **infer_decoder(shapes), **memory)
    except KeyError as error:
        raise CheckpointError(
            f"the file has no {error.args[0]}, so it does not hold the promptable part of a SAM 3",
            remedy="Give the full facebook/sam3, or a folder of Sam3TrackerModel; see `samadapt inspect FILE`.",
        ) from error


def _encoder(shapes: Shapes) -> dict[str, Any]:
    hidden, inputs, patch, _ = shapes[f"{_BACKBONE}embeddings.patch_embeddings.projection.weight"]
    side = isqrt(shapes[f"{_BACKBONE}embeddings.position_embeddings"][1])
    depth = count(shapes, r"vision_encoder\.backbone\.layers\.(\d+)\.")
    known = KNOWN["sam3"]
    published = (hidden, depth) == (known.hidden, known.depth)
    return {
        "image_size": 3 * side * patch,
        "patch_size": patch,
        "inputs": inputs,
        "hidden": hidden,
        "depth": depth,
        "heads": max(hidden // _HEAD, 1),
        "mlp_dim": shapes[f"{_BACKBONE}layers.0.mlp.fc1.weight"][0],
        "window": side,
        "global_blocks": usual_global_blocks(depth),
        "positions": side,
        "levels": _levels(shapes),
        "channels": shapes[f"{_NECK}0.proj1.weight"][0],
        "assumed": ("image size",) if published else ("image size", "heads", "windows", "global blocks"),
    }


def usual_global_blocks(depth: int) -> tuple[int, ...]:
    """Where the published network attends globally: in the last block of each quarter."""
    return tuple(sorted({(quarter * depth) // 4 - 1 for quarter in range(1, 5)} - {-1}))


def _levels(shapes: Shapes) -> int:
    """Maps of the neck, after checking that their sizes are those of SAM 3: two enlargements, one, none."""
    levels = count(shapes, r"vision_encoder\.neck\.fpn_layers\.(\d+)\.")
    if not levels:
        raise KeyError(f"{_NECK}0.proj1.weight")
    found = [sum(f"{_NECK}{i}.scale_layers.{j}.weight" in shapes for j in (0, 2)) for i in range(levels)]
    if found != [2, 1, 0, 0][:levels] or levels < 3:
        raise CheckpointError(
            f"a neck whose {levels} maps enlarge the encoder's {found} times is not that of SAM 3 (2, 1, 0 times)"
        )
    return levels
