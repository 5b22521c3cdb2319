"""Prompt-free head: one mask token for background and each class, all returned, no prompt.

References
----------
.. [1] Zhang and Liu 2023, SAMed, arXiv:2304.13785; hitachinsk/SAMed e351840.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from samadapt.core.errors import ConfigError
from samadapt.core.grid import Grid
from samadapt.core.image import LabelSet
from samadapt.data.slicing import PLANES, SliceAxis, is_even, plane_of, wanted_plane
from samadapt.models.architecture import Architecture
from samadapt.models.fine import fine_path
from samadapt.models.maps import coarse

if TYPE_CHECKING:
    from samadapt.models import SamPromptable

IGNORED = -100
"""Class index of pixels that belong to no class: the `ignore_index` of torch's losses."""


_FACTS: Final = {"context": int, "detail": int, "decoder": bool, "slice_axis": str, "planes": int}


@dataclass(frozen=True)
class SemanticHead:
    """Meaning of the mask tokens of an adapted model.

    Attributes
    ----------
    label_set : LabelSet
        Channel 0 is background, channel k the k-th label in ascending order of value.
    context : int
        Slices of a volume in one input: 1, or 3 for the slice between its neighbours.
    detail : int
        Width of the convolutional branch beside the mask decoder (`samadapt.adapt.detail`); 0: none, as in SAMed.
    decoder : bool
        The mask decoder answers too; False: the detail branch alone.
    slice_axis : {"", "axial", "coronal", "sagittal", "auto"}
        Direction of the slices in training (`samadapt.data.slicing`), in which all volumes are cut; "": as they come.
    planes : int
        3: volumes of even spacing are also cut along the two other axes, and the three answers averaged; 1: not so.
    """

    label_set: LabelSet
    context: int = 1
    detail: int = 0
    decoder: bool = True
    slice_axis: SliceAxis | Literal[""] = ""
    planes: int = 1

    @classmethod
    def from_facts(cls, label_set: LabelSet, facts: Mapping[str, Any]) -> SemanticHead:
        """Head of a checkpoint, from what `facts` gave; what is not named is as in SAMed."""
        known = {name: kind(facts[name]) for name, kind in _FACTS.items() if name in facts}
        return cls(label_set, **known)

    def facts(self) -> dict[str, Any]:
        """What a checkpoint must say of it beside the labels, JSON-ready."""
        told = {name: getattr(self, name) for name in _FACTS}
        return {name: value for name, value in told.items() if name == "context" or value != getattr(type(self), name)}

    @property
    def channels(self) -> int:
        """Number of classes with background, N + 1."""
        return len(self.label_set) + 1

    @property
    def values(self) -> tuple[int, ...]:
        """Label value of each channel; 0 for background."""
        return (0, *self.label_set.values)

    def planes_for(self, grid: Grid) -> tuple[str, ...]:
        """Planes along which a volume is cut, that of training first."""
        own = wanted_plane(grid, self.slice_axis) if self.slice_axis else plane_of(grid)
        if self.planes == 1 or not is_even(grid):
            return (own,)
        return (own, *(plane for plane in PLANES if plane != own))

    def resolution(self, model: SamPromptable) -> int:
        """Side of the logits in pixels: that of the input with a detail branch, else of the decoder's masks."""
        return model.image_size if self.detail else model.mask_size

    def logits(self, model: SamPromptable, embedding: Any, pixel_values: Tensor | None) -> Tensor:
        """Class logits without any prompt.

        Parameters
        ----------
        model : SamPromptable
        embedding : Tensor of shape (B, C, h, w), float, or FeatureMaps
            From `model.encode`.
        pixel_values : Tensor of shape (B, inputs, S, S), float, or None
            What was encoded; a detail branch needs it.

        Returns
        -------
        Tensor of shape (B, N + 1, R, R), float32
            R is `resolution(model)`.
        """
        if model.detail is None:
            return model.decode_tokens(embedding).low_res_logits[:, 0]
        assert pixel_values is not None
        detail: Tensor = model.detail(pixel_values, coarse(embedding)).float()
        if not self.decoder:
            return detail
        logits = model.decode_tokens(embedding).low_res_logits[:, 0]
        return detail + F.interpolate(logits, size=pixel_values.shape[-2:], mode="bilinear", align_corners=False)

    def class_indices(self, labels: Tensor) -> Tensor:
        """Channel of each pixel of a label map.

        Parameters
        ----------
        labels : Tensor of any shape, integer
            Values of the label set, 0 background.

        Returns
        -------
        Tensor of the same shape, int64
            0..N, or -100 for the label set's `ignore` value and for values outside the set.
        """
        known = torch.tensor(self.values, device=labels.device)
        place = torch.searchsorted(known, labels.long()).clamp_max(len(known) - 1)
        return torch.where(known[place] == labels, place, IGNORED)

    def label_values(self, classes: Tensor) -> Tensor:
        """Label values (int64) of a map of channels, the inverse of `class_indices`."""
        return torch.tensor(self.values, device=classes.device)[classes]


def add_head(
    model: SamPromptable,
    label_set: LabelSet,
    *,
    context: int = 1,
    detail: int = 0,
    decoder: bool = True,
    slice_axis: SliceAxis | Literal[""] = "",
    planes: int = 1,
    seed: int = 0,
) -> SemanticHead:
    """Give a model one mask token for background and each label, in place.

    Mask tokens, hypernetworks and IoU head are made anew with SAM's own initial values (normal tokens, PyTorch's
    linear layers) and will learn. A refiner, which redraws the masks of prompts, is taken away, and so is a fine path
    where the mask decoder, which reads it, does not answer; the rest of the model is left alone.

    Parameters
    ----------
    model : SamPromptable
    label_set : LabelSet
        Of N labels, at least one.
    context, decoder, slice_axis, planes : int, bool, str, int
        See `SemanticHead`.
    detail : int
        Width of the detail branch, which starts with answers of zero; 0: no branch.
    seed : int
        Of the initial values.

    Returns
    -------
    SemanticHead
        Also at `model.head`.

    Raises
    ------
    ConfigError
        If the label set is empty, the model is a SAM-HQ, or its patches have no place for a detail branch; without
        decoder and branch nothing would answer.
    """
    from samadapt.adapt.detail import branch_for
    from samadapt.adapt.seeded import seeded

    _require_place(model, label_set, detail, decoder)
    with seeded("semantic head", len(label_set), seed):
        _replace_tokens(model.sam.mask_decoder, len(label_set) + 1)
        if detail:
            model.detail = branch_for(model, len(label_set) + 1, detail)
    model.head = head = SemanticHead(label_set, context, detail, decoder, slice_axis, planes)
    _note_network(model)
    return head


def _require_place(model: SamPromptable, label_set: LabelSet, detail: int, decoder: bool) -> None:
    """Raise `ConfigError` where a head would have nothing to tell apart, or nothing to answer with."""
    if not len(label_set):
        raise ConfigError("a semantic head needs at least one label", where=model.name)
    if not (decoder or detail):
        raise ConfigError("a head without the mask decoder needs a detail branch", remedy="Set task.detail=24.")
    if getattr(model.architecture, "hq", False):
        raise ConfigError(
            "a SAM-HQ has one mask of high quality for all tokens, so its tokens cannot become classes",
            where=model.name,
            remedy="Train it with prompts (--task box or interactive), or give the SAM of the same size.",
        )


def _note_network(model: SamPromptable) -> None:
    """Tell the architecture of the tokens, and of what went; without the mask decoder nothing reads a fine path."""
    head = model.head
    network = replace(model.architecture, mask_tokens=head.channels)
    if isinstance(network, Architecture):
        network = replace(network, refine=0, fine=network.fine if head.decoder else 0)
    if not head.decoder and fine_path(model.sam) is not None:
        del model.sam.fine
    model.architecture = network


def _replace_tokens(decoder: Any, count: int) -> None:
    from transformers.models.sam.modeling_sam import SamFeedForward

    from samadapt.adapt.parts import placed

    config, width = decoder.config, decoder.hidden_size
    iou = (width, config.iou_head_hidden_dim, count, config.iou_head_depth)
    networks = [SamFeedForward(width, width, width // 8, 3) for _ in range(count)]
    decoder.output_hypernetworks_mlps = placed(nn.ModuleList(networks), decoder)
    decoder.mask_tokens = placed(nn.Embedding(count, width), decoder)
    decoder.iou_prediction_head = placed(SamFeedForward(*iou), decoder)
    if hasattr(decoder, "refine"):
        del decoder.refine
    decoder.num_mask_tokens, decoder.num_multimask_outputs = count, count - 1
    config.num_multimask_outputs = count - 1
