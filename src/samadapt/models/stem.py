"""The first layer for more than three channels, exact for the colours: what a network answers does not change.

A pretrained image encoder begins with one convolution over red, green and blue. Here further channels get weights of
their own beside it. The colours pass through the same convolution as before, and what the further channels add is zero
at first; both together are one convolution over all channels, which is also how the weights are written.

References
----------
.. [1] Carreira and Zisserman 2017, Quo Vadis, Action Recognition?, arXiv:1705.07750, section 2.4: pretrained filters
   for further inputs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from samadapt.config.channels import require_three
from samadapt.core.errors import CheckpointError, ConfigError
from samadapt.data.channels import Channels

if TYPE_CHECKING:
    from samadapt.models.promptable import SamPromptable

FurtherWeights = Literal["zero", "mean"]
COLOURS = 3


class WideConv(nn.Conv2d):
    """Convolution over three channels as it was, and over further ones with weights of their own.

    Parameters
    ----------
    narrow : nn.Conv2d
        Over three channels; its weight and bias become those of the new layer.
    inputs : int
        All channels, more than three.
    further : {"zero", "mean"}
        Weights of the further channels at first: nothing, or the mean of those of the colours times 3 / `inputs`.

    Attributes
    ----------
    extra : Parameter of shape (out, inputs - 3, k, k)
        Named apart from `weight`, so that it may learn alone. In a state dict both are one weight.
    """

    def __init__(self, narrow: nn.Conv2d, inputs: int, further: FurtherWeights = "zero") -> None:
        kernel, stride = (narrow.kernel_size[0], narrow.kernel_size[1]), (narrow.stride[0], narrow.stride[1])
        settings: dict[str, Any] = {"padding": narrow.padding, "bias": narrow.bias is not None, "device": "meta"}
        super().__init__(narrow.in_channels, narrow.out_channels, kernel, stride, **settings)
        self.weight, self.bias = narrow.weight, narrow.bias
        colours = narrow.weight.detach()
        first = torch.zeros_like(colours[:, :1]) if further == "zero" else colours.mean(1, True) * COLOURS / inputs
        self.extra = nn.Parameter(first.repeat(1, inputs - COLOURS, 1, 1))
        self.train(narrow.training)

    def forward(self, x: Tensor) -> Tensor:
        """(B, out, h, w) of (B, inputs, H, W)."""
        colours = super().forward(x[:, :COLOURS].contiguous())
        further = x[:, COLOURS:].contiguous().to(colours.dtype)
        return colours + conv2d(further, self.extra.to(colours.dtype), None, self.stride, self.padding)

    def joined(self) -> nn.Conv2d:
        """Plain convolution over all channels with the same weights."""
        kernel, stride = (self.kernel_size[0], self.kernel_size[1]), (self.stride[0], self.stride[1])
        inputs = COLOURS + self.extra.shape[1]
        settings: dict[str, Any] = {"padding": self.padding, "bias": self.bias is not None, "device": "meta"}
        plain = nn.Conv2d(inputs, self.out_channels, kernel, stride, **settings)
        plain.weight, plain.bias = nn.Parameter(self._whole().clone()), self.bias
        return plain.train(self.training)

    def _whole(self) -> Tensor:
        return torch.cat([self.weight.detach(), self.extra.detach().to(self.weight.dtype)], dim=1)

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        super()._save_to_state_dict(destination, prefix, keep_vars)
        del destination[f"{prefix}extra"]
        destination[f"{prefix}weight"] = self._whole()

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        whole = state_dict.pop(f"{prefix}weight", None)
        if whole is not None:
            state_dict[f"{prefix}weight"], state_dict[f"{prefix}extra"] = whole[:, :COLOURS], whole[:, COLOURS:]
        super()._load_from_state_dict(state_dict, prefix, *rest)
        if whole is not None:
            del state_dict[f"{prefix}extra"]
            state_dict[f"{prefix}weight"] = whole


def widen(model: SamPromptable, inputs: int, further: FurtherWeights = "zero") -> None:
    """Let a model see more channels than three, in place.

    Parameters
    ----------
    model : SamPromptable
        With three inputs.
    inputs : int
        Channels of the model's input, the colours included; 3 changes nothing.
    further : {"zero", "mean"}
        See `WideConv`. With "zero" the model answers, bit for bit, as before, whatever the further channels hold.

    Raises
    ------
    ConfigError
        If there are fewer than three.
    CheckpointError
        If the model has another number of inputs already, or is no SAM.
    """
    require_three(inputs)
    if inputs == model.inputs:
        return
    if model.inputs != COLOURS or not hasattr(model.sam, "vision_encoder"):
        raise CheckpointError(
            f"the model takes {model.inputs} channels and cannot be widened to {inputs}",
            where=model.name,
            remedy=f"Name {model.inputs} channels, or begin from a base model with three.",
        )
    for owner, name in _first_layers(model.sam):
        setattr(owner, name, WideConv(getattr(owner, name), inputs, further))
    _tell(model.sam, inputs)
    model.architecture = replace(model.architecture, inputs=inputs)
    model.preprocessing = model.preprocessing.wide(inputs)


def choose_channels(
    model: SamPromptable,
    channels: Channels,
    *,
    further: FurtherWeights = "zero",
    statistics: Mapping[str, Sequence[float]] | None = None,
) -> None:
    """Show a model named channels, in place: three in the place of the colours, or more through a wider first layer.

    Parameters
    ----------
    model : SamPromptable
    channels : Channels
        Nothing happens without names.
    further : {"zero", "mean"}
        See `WideConv`.
    statistics : mapping, optional
        "mean" and "std" of the further channels, see `samadapt.models.preprocess.Preprocessing.wide`.

    Raises
    ------
    ConfigError, CheckpointError
        As `widen`, or if the statistics are not those of as many channels.
    """
    if not channels:
        return
    widen(model, len(channels.names), further)
    model.channels = channels
    if statistics is not None and any(statistics.values()):
        model.preprocessing = model.preprocessing.wide(model.inputs, **statistics)


def describe_channels(model: SamPromptable) -> dict[str, Any]:
    """JSON-ready channels of a model, with mean and standard deviation of the further ones; empty for colours."""
    if not model.channels:
        return {}
    further = {key: list(getattr(model.preprocessing, key)[COLOURS:]) for key in ("mean", "std")}
    return model.channels.as_dict() | further


def restore_channels(model: SamPromptable, tree: Mapping[str, Any], where: object = None) -> None:
    """Inverse of `describe_channels`, in place; a model that was saved wide already gets names and statistics alone.

    Raises
    ------
    CheckpointError
        If the description is damaged or of another number of channels.
    """
    if not tree:
        return
    try:
        channels = Channels.from_dict(dict(tree))
        statistics = {key: tuple(map(float, tree[key])) for key in ("mean", "std")}
        choose_channels(model, channels, statistics=statistics)
    except (KeyError, TypeError, ValueError, ConfigError) as error:
        raise CheckpointError(f"the channels are not described as they should be: {error!r}", where=where) from error


def join_stem(model: SamPromptable) -> None:
    """Make each widened first layer one plain convolution, in place; answers stay the same up to rounding."""
    for owner, name in _first_layers(model.sam):
        layer = getattr(owner, name)
        if isinstance(layer, WideConv):
            setattr(owner, name, layer.joined())


def stem_names(model: SamPromptable) -> list[str]:
    """Parameters of the channels that a first layer was widened by; empty for a model as it was loaded."""
    wide = [name for name, module in model.named_modules() if isinstance(module, WideConv)]
    return [f"{name}.extra" for name in wide]


def _first_layers(sam: Any) -> Iterator[tuple[nn.Module, str]]:
    """(module, attribute) of the convolutions that see the pixels."""
    encoder = getattr(sam, "vision_encoder", None)
    if encoder is not None:
        patches = _patches(encoder)
        yield patches, "projection" if hasattr(patches, "projection") else "c"
    if getattr(sam, "fine", None) is not None:
        yield sam.fine.stem, "conv"


def _patches(encoder: Any) -> Any:
    """Module with the first convolution: over patches, which SAM 3 keeps under its embeddings, or of RepViT's stem."""
    backbone = getattr(encoder, "backbone", encoder)
    if hasattr(backbone, "timm_model"):
        return backbone.timm_model.stem.conv1
    return backbone.embeddings.patch_embeddings if hasattr(backbone, "embeddings") else backbone.patch_embed


def _tell(sam: Any, inputs: int) -> None:
    """Write the number of inputs where transformers looks for it."""
    encoder = sam.vision_encoder
    _patches(encoder).num_channels = inputs
    vision = sam.config.vision_config
    getattr(vision, "backbone_config", vision).num_channels = inputs
