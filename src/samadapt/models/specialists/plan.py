"""The numbers that define a specialist, without torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from samadapt.core.errors import CheckpointError, ConfigError

FAMILY = "specialist"
"""Family of all of them in the catalog."""

NAMES = ("unet", "deeplabv3plus")
"""Networks by name; `samadapt train --model NAME` makes one from nothing."""

BACKBONES = ("resnet18", "resnet34", "resnet50")


@dataclass(frozen=True)
class Plan:
    """Shape of a specialist.

    Attributes
    ----------
    network : {"unet", "deeplabv3plus"}
    outputs : int
        Classes with background; 1 for the object in a box.
    inputs : int
        3, or 4 with the box as a channel.
    image_size : int
        Side of the square input in pixels, a multiple of `multiple`.
    width, depth : int
        Channels of the U-Net's first level (doubled at every level) and how often it halves the image.
    backbone : {"resnet18", "resnet34", "resnet50"}
        Of DeepLabV3+.
    """

    network: str
    outputs: int
    inputs: int = 3
    image_size: int = 224
    width: int = 24
    depth: int = 3
    backbone: str = "resnet50"

    @property
    def multiple(self) -> int:
        """What the side of the input must be a multiple of."""
        return 1 << self.depth if self.network == "unet" else 16

    @property
    def mask_size(self) -> int:
        """Side of the masks: logits are as large as the input."""
        return self.image_size

    @property
    def takes_box(self) -> bool:
        """True if the fourth channel is the box of an object."""
        return self.inputs == 4

    @property
    def size_name(self) -> str:
        """Width and depth, or the backbone."""
        return f"{self.width}x{self.depth}" if self.network == "unet" else self.backbone

    def check(self) -> Plan:
        """Itself.

        Raises
        ------
        ConfigError
            If the network is unknown or the numbers do not fit.
        """
        if self.network not in NAMES:
            raise ConfigError(f"no specialist is called {self.network!r}", remedy=f"Known: {', '.join(NAMES)}.")
        if self.backbone not in BACKBONES:
            raise ConfigError(f"no backbone is called {self.backbone!r}", remedy=f"Known: {', '.join(BACKBONES)}.")
        smallest = 2 * self.multiple
        if self.image_size < smallest or self.image_size % self.multiple:
            raise ConfigError(
                f"image size {self.image_size} does not fit {self.network}",
                where="image_size",
                remedy=f"Choose a multiple of {self.multiple} from {smallest} on.",
            )
        return self

    def at(self, image_size: int | None) -> Plan:
        """Same network for another image size."""
        return self if image_size is None else replace(self, image_size=image_size).check()

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready fields."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Plan:
        """Inverse of `as_dict`.

        Raises
        ------
        CheckpointError
            If fields are missing, unknown or do not fit.
        """
        try:
            return cls(**fields).check()
        except (TypeError, ConfigError) as error:
            raise CheckpointError(f"not the plan of a specialist: {error}") from error
