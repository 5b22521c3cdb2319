"""The numbers that define a SAM network, without torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from samadapt.core.errors import CheckpointError

MASK_TOKENS = 4
"""Of a SAM: the single mask and three candidates. Any other number is that of classes and background."""


@dataclass(frozen=True)
class Architecture:
    """Shape of a SAM 1 network.

    Attributes
    ----------
    image_size : int
        Side of the square input in pixels, a multiple of `patch_size`.
    patch_size : int
    hidden, depth, heads, mlp_dim : int
        Of the vision transformer.
    window : int
        Side of the attention windows in tokens, in all blocks but `global_blocks`.
    global_blocks : tuple of int
    channels : int
        Width of the embedding and of the decoder.
    decoder_depth, decoder_heads, decoder_mlp_dim, downsample : int
        Of the two-way transformer; `downsample` divides the width in its cross attention.
    mask_tokens : int
        Masks the decoder can draw: token 0 is the single mask, the others the candidates.
    iou_hidden, iou_depth : int
        Of the head that predicts IoU.
    mask_channels : int
        Width of the mask prompt's convolutions.
    fine : int
        Width of the convolutional path beside the encoder (`samadapt.models.fine`); 0: none, as in SAM.
    refine : int
        Width of the network after the mask decoder (`samadapt.models.refine`), which needs a fine path; 0: none.
    inputs : int
        Channels of the image, at least 3.
    hq : bool
        True for SAM-HQ: one more token, which draws its mask from early features too.
    decoder_norm_eps : float
        1e-5 in the original code, 1e-6 in transformers' own conversions.
    ambiguous_windows : bool
        True if all relative positions were equally long, so that window and global blocks could not be told apart.
    """

    image_size: int = 1024
    patch_size: int = 16
    hidden: int = 768
    depth: int = 12
    heads: int = 12
    mlp_dim: int = 3072
    window: int = 14
    global_blocks: tuple[int, ...] = (2, 5, 8, 11)
    channels: int = 256
    decoder_depth: int = 2
    decoder_heads: int = 8
    decoder_mlp_dim: int = 2048
    downsample: int = 2
    mask_tokens: int = 4
    iou_hidden: int = 256
    iou_depth: int = 3
    mask_channels: int = 16
    fine: int = 0
    refine: int = 0
    inputs: int = 3
    hq: bool = False
    decoder_norm_eps: float = 1e-5
    ambiguous_windows: bool = False

    @property
    def grid(self) -> int:
        """Side of the embedding in tokens."""
        return self.image_size // self.patch_size

    @property
    def mask_size(self) -> int:
        """Side of the low-resolution masks: four pixels for each token."""
        return 4 * self.grid

    @property
    def size_name(self) -> str:
        """ "vit-b", "vit-l", "vit-h", or width x depth for any other network."""
        for name, known in KNOWN.items():
            if (known.hidden, known.depth, known.channels) == (self.hidden, self.depth, self.channels):
                return name
        return f"vit-{self.hidden}x{self.depth}"

    def at(self, image_size: int | None) -> Architecture:
        """Same network for another image size.

        Raises
        ------
        CheckpointError
            If `image_size` is not a positive multiple of the patch size.
        """
        if image_size is None or image_size == self.image_size:
            return self
        if image_size < 2 * self.patch_size or image_size % self.patch_size:
            raise CheckpointError(
                f"image size {image_size} does not fit patches of {self.patch_size} pixels",
                where="image_size",
                remedy=f"Choose a multiple of {self.patch_size}, for example 256, 512 or 1024.",
            )
        return replace(self, image_size=image_size)

    def told(self, facts: dict[str, Any]) -> Architecture:
        """Same network with what leaves no trace in the tensors; other facts are ignored.

        Parameters
        ----------
        facts : dict
            Of the names of the fields: `decoder_heads`, `decoder_norm_eps`, and, where windows could not be told from
            global attention, `window` and `global_blocks`.

        Raises
        ------
        CheckpointError
            If the heads do not divide the width of the attentions.
        """
        known: dict[str, Any] = {key: facts[key] for key in ("decoder_heads", "decoder_norm_eps") if key in facts}
        if self.ambiguous_windows and "global_blocks" in facts:
            known |= {"global_blocks": tuple(facts["global_blocks"]), "window": facts.get("window", self.window)}
            known["ambiguous_windows"] = False
        network, width = replace(self, **known), self.channels // self.downsample
        if not network.hq and width % network.decoder_heads:
            raise CheckpointError(
                f"{network.decoder_heads} heads do not divide the {width} channels of the decoder's cross attention",
                remedy='Write the number of heads into a JSON file beside the weights: {"architecture": '
                '{"decoder_heads": 4}}.',
            )
        return network

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return asdict(self) | {"global_blocks": list(self.global_blocks)}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Architecture:
        """Inverse of `as_dict`."""
        return cls(**(fields | {"global_blocks": tuple(fields["global_blocks"])}))


KNOWN: dict[str, Architecture] = {
    "vit-b": Architecture(),
    "vit-l": Architecture(hidden=1024, depth=24, heads=16, mlp_dim=4096, global_blocks=(5, 11, 17, 23)),
    "vit-h": Architecture(hidden=1280, depth=32, heads=16, mlp_dim=5120, global_blocks=(7, 15, 23, 31)),
    "tiny": Architecture(
        image_size=128,
        patch_size=8,
        hidden=128,
        depth=6,
        heads=4,
        mlp_dim=512,
        window=8,
        global_blocks=(1, 3, 5),
        channels=128,
        decoder_mlp_dim=256,
        iou_hidden=128,
        fine=24,
        refine=16,
    ),
    "test": Architecture(
        image_size=64,
        hidden=32,
        depth=2,
        heads=2,
        mlp_dim=64,
        window=2,
        global_blocks=(1,),
        channels=32,
        decoder_mlp_dim=32,
        iou_hidden=32,
    ),
}
KNOWN |= {f"hq-{name}": replace(KNOWN[name], hq=True) for name in ("vit-b", "vit-l", "vit-h", "test")}
"""Networks by name: the three of SAM, the packaged one, one small enough for tests, and those of SAM-HQ."""
