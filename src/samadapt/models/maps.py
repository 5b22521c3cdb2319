"""The embedding of networks whose decoder also looks at finer maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class FeatureMaps:
    """Embedding of B images with finer maps beside it; indexed, moved and converted like the tensor it stands for.

    Attributes
    ----------
    image : Tensor of shape (B, C, h, w)
    finer : tuple of Tensor of shape (B, c, H, W)
        Finest first.
    """

    image: Tensor
    finer: tuple[Tensor, ...]

    @property
    def shape(self) -> torch.Size:
        """That of `image`."""
        return self.image.shape

    @property
    def device(self) -> torch.device:
        """Of all maps."""
        return self.image.device

    @property
    def dtype(self) -> torch.dtype:
        """Of `image`."""
        return self.image.dtype

    def __len__(self) -> int:
        return len(self.image)

    def __getitem__(self, images: Any) -> FeatureMaps:
        return self.map(lambda tensor: tensor[images])

    def map(self, change: Callable[[Tensor], Tensor]) -> FeatureMaps:
        """Maps after `change`."""
        return FeatureMaps(change(self.image), tuple(change(tensor) for tensor in self.finer))

    def float(self) -> FeatureMaps:
        """Maps in float32."""
        return self.map(Tensor.float)

    def detach(self) -> FeatureMaps:
        """Maps without a graph."""
        return self.map(Tensor.detach)

    def to(self, *args: Any, **kwargs: Any) -> FeatureMaps:
        """Maps on another device or in another precision, as `Tensor.to`."""
        return self.map(lambda tensor: tensor.to(*args, **kwargs))

    def repeat_interleave(self, repeats: int, dim: int = 0) -> FeatureMaps:
        """Every image `repeats` times."""
        return self.map(lambda tensor: tensor.repeat_interleave(repeats, dim))


def join(parts: Sequence[Tensor | FeatureMaps]) -> Tensor | FeatureMaps:
    """Embeddings of several batches as one, in contiguous memory."""
    image = torch.cat([coarse(part) for part in parts]).contiguous()
    finer = zip(*(part.finer for part in parts if isinstance(part, FeatureMaps)))
    levels = tuple(torch.cat(level).contiguous() for level in finer)
    return FeatureMaps(image, levels) if levels else image


def coarse(embedding: Tensor | FeatureMaps) -> Tensor:
    """The embedding alone, (B, C, h, w)."""
    return embedding.image if isinstance(embedding, FeatureMaps) else embedding
