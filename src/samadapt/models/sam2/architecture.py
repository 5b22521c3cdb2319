"""The numbers that define a SAM 2 network, and how to read them off its tensors. Without torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from itertools import accumulate
from typing import Any, ClassVar, Self

from samadapt.core.errors import CheckpointError
from samadapt.models.convert import Shapes, count

STRIDE = 32
"""Pixels of an image side for each token of the coarsest stage."""

_BACKBONE = "vision_encoder.backbone."


@dataclass(frozen=True)
class TrackerArchitecture:
    """What SAM 2, SAM 3 and EdgeTAM share: the decoder, and the memory that carries masks through frames.

    Attributes
    ----------
    image_size : int
        Side of the square input in pixels. It leaves no trace in the tensors.
    patch_size : int
        Pixels for each token of the embedding.
    inputs : int
        Channels of the image, at least 3.
    channels : int
        Width of the embedding and of the decoder.
    decoder_depth, decoder_heads, decoder_mlp_dim, downsample, mask_tokens, iou_hidden, iou_depth, mask_channels : int
        As in `samadapt.models.architecture.Architecture`.
    memory_channels, memories, memory_layers, memory_mlp_dim : int
        Of the memory: width, frames remembered, layers of the attention and their perceptron; 0 in a file without it.
    fuser_layers, fuser_mlp_dim, fuser_kernel, mask_embed : int
        Of the memory encoder.
    occlusion, pointer_positions : bool
        What SAM 2.1 added: an embedding for hidden objects, and times for object pointers.
    memory_projection : bool
        False where the memory is as wide as the embedding: the original then has no layer between them.
    assumed : tuple of str
        What had to be taken from the published networks because no tensor tells.
    """

    preprocessing: ClassVar[str] = "sam2"
    """Name of the published way from an image to the input."""

    image_size: int = 1024
    patch_size: int = 16
    inputs: int = 3
    channels: int = 256
    decoder_depth: int = 2
    decoder_heads: int = 8
    decoder_mlp_dim: int = 2048
    downsample: int = 2
    mask_tokens: int = 4
    iou_hidden: int = 256
    iou_depth: int = 3
    mask_channels: int = 16
    memory_channels: int = 64
    memories: int = 7
    memory_layers: int = 4
    memory_mlp_dim: int = 2048
    fuser_layers: int = 2
    fuser_mlp_dim: int = 1024
    fuser_kernel: int = 7
    mask_embed: int = 256
    occlusion: bool = True
    pointer_positions: bool = True
    memory_projection: bool = True
    assumed: tuple[str, ...] = ()

    @property
    def grid(self) -> int:
        """Side of the embedding in tokens."""
        return self.image_size // self.patch_size

    @property
    def mask_size(self) -> int:
        """Side of the low-resolution masks."""
        return 4 * self.grid

    @property
    def memory(self) -> bool:
        """True if the network can carry masks from frame to frame."""
        return self.memory_channels > 0

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return {key: list(value) if isinstance(value, tuple) else value for key, value in asdict(self).items()}

    def updated(self, tree: dict[str, Any]) -> Self:
        """Network with the fields of `tree` (lists for tuples) in place of its own; other keys are ignored."""
        known = {field.name for field in fields(self)}
        given: dict[str, Any] = {}
        for key in known & tree.keys():
            given[key] = tuple(tree[key]) if isinstance(tree[key], list) else tree[key]
        return replace(self, **given)

    def resized(self, image_size: int | None, multiple: int, tokens: str) -> Self:
        """Same network for another image size, one of the multiples of `multiple` from twice it up.

        Raises
        ------
        CheckpointError
            If `image_size` is none of them; `tokens` says whose pixels it does not fit.
        """
        if image_size is None or image_size == self.image_size:
            return self
        if image_size < 2 * multiple or image_size % multiple:
            raise CheckpointError(
                f"image size {image_size} does not fit the {multiple} pixels of {tokens}",
                where="image_size",
                remedy=f"Choose a multiple of {multiple}, for example {16 * multiple} or {32 * multiple}.",
            )
        return replace(self, image_size=image_size)


@dataclass(frozen=True)
class Sam2Architecture(TrackerArchitecture):
    """Shape of a SAM 2 or 2.1 network; see `TrackerArchitecture` for the decoder and the memory.

    Attributes
    ----------
    widths, blocks, heads, windows : tuple of int
        Width, number of blocks, attention heads and window side of every stage of the Hiera encoder. Heads and windows
        leave no trace in the tensors, but for the first window.
    global_blocks : tuple of int
        Blocks that attend to the whole map; no trace either.
    background : tuple of int
        Size of the coarse position table.
    mlp_dim : int
        Of the first stage; the others are as many times their width.
    """

    widths: tuple[int, ...] = (96, 192, 384, 768)
    blocks: tuple[int, ...] = (1, 2, 7, 2)
    heads: tuple[int, ...] = (1, 2, 4, 8)
    windows: tuple[int, ...] = (8, 4, 14, 7)
    global_blocks: tuple[int, ...] = (5, 7, 9)
    background: tuple[int, ...] = (7, 7)
    mlp_dim: int = 384

    @property
    def size_name(self) -> str:
        """ "hiera-tiny", ..., "hiera-large", or width x blocks for any other network."""
        name = published_size(self.widths[0], self.blocks)
        return name or f"hiera-{self.widths[0]}x{sum(self.blocks)}"

    def at(self, image_size: int | None) -> Sam2Architecture:
        """Same network for another image size, a positive multiple of 32."""
        return self.resized(image_size, STRIDE, "SAM 2's coarsest tokens")


KNOWN: dict[str, Sam2Architecture] = {
    "hiera-tiny": Sam2Architecture(),
    "hiera-small": Sam2Architecture(blocks=(1, 2, 11, 2), global_blocks=(7, 10, 13)),
    "hiera-base-plus": Sam2Architecture(
        widths=(112, 224, 448, 896),
        blocks=(2, 3, 16, 3),
        heads=(2, 4, 8, 16),
        global_blocks=(12, 16, 20),
        background=(14, 14),
        mlp_dim=448,
    ),
    "hiera-large": Sam2Architecture(
        widths=(144, 288, 576, 1152),
        blocks=(2, 6, 36, 4),
        heads=(2, 4, 8, 16),
        windows=(8, 4, 16, 8),
        global_blocks=(23, 33, 43),
        mlp_dim=576,
    ),
    "hiera-test": Sam2Architecture(
        image_size=64,
        widths=(8, 16, 32, 64),
        blocks=(1, 1, 2, 1),
        global_blocks=(3,),
        mlp_dim=16,
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
"""The published networks by name, and one small enough for tests."""


def published_size(width: int, blocks: tuple[int, ...]) -> str:
    """Name of the network in `KNOWN` with these numbers, or ""."""
    return next((name for name, one in KNOWN.items() if (one.widths[0], one.blocks) == (width, blocks)), "")


def infer(shapes: Shapes) -> Sam2Architecture:
    """Network that a set of tensors (transformers' names) belongs to.

    Parameters
    ----------
    shapes : mapping of str to tuple of int

    Returns
    -------
    Sam2Architecture
        At 1024 pixels. Heads, windows and global blocks are those of the published network of this size; for any other
        size they follow its pattern (`assumed` says so).

    Raises
    ------
    CheckpointError
        If a tensor that is needed to tell is absent.
    """
    try:
        return Sam2Architecture(**_encoder(shapes), **infer_decoder(shapes), **infer_memory(shapes))
    except KeyError as error:
        raise CheckpointError(
            f"the file has no {error.args[0]}, so it is not a complete SAM 2 checkpoint",
            remedy="See `samadapt inspect FILE`.",
        ) from error


def _encoder(shapes: Shapes) -> dict[str, Any]:
    widths, blocks = _stages(shapes)
    known, window = KNOWN.get(published_size(widths[0], blocks)), shapes[f"{_BACKBONE}pos_embed_window"][-1]
    if known and known.windows[0] != window:
        known = None
    first_heads = next(n for n in range(max(1, widths[0] // 56), 0, -1) if widths[0] % n == 0)  # 56 to 96 wide
    return {
        "inputs": shapes[f"{_BACKBONE}patch_embed.projection.weight"][1],
        "widths": widths,
        "blocks": blocks,
        "heads": known.heads if known else tuple(first_heads * width // widths[0] for width in widths),
        "windows": known.windows if known else (window, max(window // 2, 1), 14, 7),
        "global_blocks": known.global_blocks if known else usual_global_blocks(blocks),
        "background": shapes[f"{_BACKBONE}pos_embed"][-2:],
        "mlp_dim": shapes[f"{_BACKBONE}blocks.0.mlp.proj_in.weight"][0],
        "channels": shapes["vision_encoder.neck.convs.0.weight"][0],
        "assumed": ("image size",) if known else ("image size", "heads", "windows", "global blocks"),
    }


def usual_global_blocks(blocks: tuple[int, ...]) -> tuple[int, ...]:
    """Where the published networks attend globally: the last block of the third stage and two before it, evenly.

    A stage's first block never does: it pools within windows.
    """
    first, last = sum(blocks[:2]), sum(blocks[:3]) - 1
    step = max(1, round(blocks[2] / 3.6))
    return tuple(block for block in (last - 2 * step, last - step, last) if block > first)


def _stages(shapes: Shapes) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Widths and numbers of blocks of all stages; a stage begins where the width grows."""
    depth = count(shapes, r"vision_encoder\.backbone\.blocks\.(\d+)\.")
    if not depth:
        raise KeyError(f"{_BACKBONE}blocks.0.attn.qkv.weight")
    outputs = [shapes[f"{_BACKBONE}blocks.{i}.attn.qkv.weight"][0] // 3 for i in range(depth)]
    widths = tuple(sorted(set(outputs)))
    blocks = tuple(outputs.count(width) for width in widths)
    starts = [0, *accumulate(blocks)][:-1]
    if len(widths) != 4 or [outputs[start] for start in starts] != list(widths):
        raise CheckpointError(f"blocks of widths {outputs} are no Hiera encoder of four stages")
    return widths, blocks


def infer_decoder(shapes: Shapes) -> dict[str, Any]:
    """What the tensors of the decoder tell, by the fields of `TrackerArchitecture`; KeyError without one."""
    tokens, channels = shapes["mask_decoder.mask_tokens.weight"]
    cross = shapes["mask_decoder.transformer.layers.0.cross_attn_token_to_image.q_proj.weight"][0]
    return {
        "decoder_depth": count(shapes, r"mask_decoder\.transformer\.layers\.(\d+)\."),
        "decoder_mlp_dim": shapes["mask_decoder.transformer.layers.0.mlp.proj_in.weight"][0],
        "downsample": channels // cross,
        "mask_tokens": tokens,
        "iou_hidden": shapes["mask_decoder.iou_prediction_head.proj_in.weight"][0],
        "iou_depth": 2 + count(shapes, r"mask_decoder\.iou_prediction_head\.layers\.(\d+)\."),
        "mask_channels": shapes["prompt_encoder.mask_embed.conv2.weight"][0],
    }


def infer_memory(shapes: Shapes, perceptron: str = "linear1") -> dict[str, Any]:
    """What the tensors of the memory tell, by the fields of `TrackerArchitecture`: zeros without one.

    `perceptron` is the name of the first layer of the attention's perceptrons.
    """
    layers = count(shapes, r"memory_attention\.layers\.(\d+)\.")
    if not layers:
        return {"memory_channels": 0, "memories": 0, "memory_layers": 0, "occlusion": False, "pointer_positions": False}
    fuser, projection = "memory_encoder.memory_fuser.layers.", "memory_encoder.projection.weight"
    memories, *_, memory = shapes["memory_temporal_positional_encoding"]
    return {
        "memory_channels": memory,
        "memories": memories,
        "memory_layers": layers,
        "memory_mlp_dim": shapes[f"memory_attention.layers.0.{perceptron}.weight"][0],
        "fuser_layers": count(shapes, r"memory_encoder\.memory_fuser\.layers\.(\d+)\."),
        "fuser_mlp_dim": shapes[f"{fuser}0.pointwise_conv1.weight"][0],
        "fuser_kernel": shapes[f"{fuser}0.depthwise_conv.weight"][-1],
        "mask_embed": shapes["memory_encoder.mask_downsampler.final_conv.weight"][0],
        "occlusion": "occlusion_spatial_embedding_parameter" in shapes,
        "pointer_positions": "temporal_positional_encoding_projection_layer.weight" in shapes,
        "memory_projection": projection in shapes or memory != shapes["no_memory_embedding"][-1],
    }
