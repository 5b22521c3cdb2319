"""Files of Medical SAM Adapter, with their adapters at work.

References
----------
.. [1] Wu et al. 2023, Medical SAM Adapter, arXiv:2304.12620; MedicineToken/Medical-SAM-Adapter 4dcdc63.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from samadapt.adapt.config import AdapterConfig
from samadapt.adapt.parts import ENCODER
from samadapt.adapt.published import inject_carried, inner_ratio
from samadapt.core.errors import AdapterMismatch
from samadapt.core.manifest import file_hash
from samadapt.models.convert import to_meta, to_transformers
from samadapt.models.loading import Checkpoint, done_without, find, from_checkpoint
from samadapt.models.promptable import SamPromptable

LENDER = "decoder_of"
"""Where an adapter folder says whose decoder its image encoder borrows."""

_ADAPTER = re.compile(r"image_encoder\.blocks\.(\d+)\.(\w+)_Adapter\.D_fc([12])\.(\w+)")
_HOSTS = {"Space": "attn", "MLP": "mlp"}  # the depth adapter works in the 3-D mode alone
_PARTS = {"1": "down", "2": "up"}


def load_msa(
    source: str | Path | Checkpoint, image_size: int | None = None, base: str | Path | Checkpoint | None = None
) -> SamPromptable:
    """Load a file of Medical SAM Adapter (2-D mode), its adapters included.

    Parameters
    ----------
    source : path or Checkpoint
        File, or its tensors already read: the whole network, or its image encoder, under SAM's names but for
        `rel_h` and `rel_w`, with `Space_Adapter`, `MLP_Adapter` and `Depth_Adapter` in every block.
    image_size : int, optional
        In pixels; None: that of the file's relative positions.
    base : path or Checkpoint, optional
        SAM whose prompt encoder and decoder are used where the file holds the image encoder alone. Without it such a
        model encodes, but does not decode.

    Returns
    -------
    SamPromptable
        With the adaptation "adapter" at work, its norm after the padding of windows as in the published code.
        `report.unexpected` names the adapters, those of the 3-D mode included, which are not used.

    Raises
    ------
    CheckpointError
        If the file is damaged, or adapters are missing or do not fit.
    AdapterMismatch
        If the base's decoder is of another width than the file's encoder.
    """
    checkpoint = source if isinstance(source, Checkpoint) else find(source)
    whole = checkpoint if base is None else with_decoder(checkpoint, base)
    model = from_checkpoint(whole, image_size, done_without(whole.state))
    config, adapters = msa_adapters(checkpoint)
    adaptation = inject_carried(model, config, adapters, checkpoint.where)
    if Path(str(checkpoint.where)).is_file():
        model.adapter_hash = file_hash(Path(str(checkpoint.where)))
    if whole is not checkpoint:
        adaptation.context[LENDER] = _name_of(base)
    return model.eval()


def msa_adapters(checkpoint: Checkpoint) -> tuple[AdapterConfig, dict[str, Tensor]]:
    """Method and adapters of a file, by our names.

    Raises
    ------
    CheckpointError
        If adapters of the blocks differ in width.
    """
    adapters = _converted(checkpoint.state)
    return AdapterConfig(ratio=inner_ratio(adapters, ".down.weight", checkpoint.where), late_norm=True), adapters


def lacks_decoder(checkpoint: Checkpoint) -> bool:
    """True if a file holds the image encoder alone."""
    return not any(key.startswith("mask_decoder.") for key in checkpoint.state)


def with_decoder(checkpoint: Checkpoint, base: str | Path | Checkpoint) -> Checkpoint:
    """The file's encoder with the decoder of `base`; a file that has its own keeps it.

    Raises
    ------
    AdapterMismatch
        If the base's decoder is of another width than the file's encoder.
    """
    if not lacks_decoder(checkpoint):
        return checkpoint
    given = base if isinstance(base, Checkpoint) else find(base)
    original = to_meta(to_transformers(given.state))
    decoder = {key: value for key, value in original.items() if not key.startswith("image_encoder.")}
    tokens = decoder.get("mask_decoder.mask_tokens.weight")
    width = len(checkpoint.state["image_encoder.neck.0.weight"])
    if tokens is None or tokens.shape[1] != width:
        found = "no decoder" if tokens is None else f"a decoder of width {tokens.shape[1]}"
        raise AdapterMismatch(
            f"the image encoder has an embedding of width {width}, but {given.name} has {found}",
            where=checkpoint.where,
            remedy="Give the SAM it was trained from.",
        )
    return replace(checkpoint, state=dict(checkpoint.state) | decoder)


def _name_of(base: str | Path | Checkpoint | None) -> str:
    """What finds the base again."""
    if isinstance(base, Checkpoint):
        return base.name
    return str(Path(base).resolve()) if base is not None and Path(base).exists() else str(base)


def _converted(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Adapters of the 2-D mode by our names."""
    found = {}
    for key, tensor in state.items():
        match = _ADAPTER.fullmatch(key)
        if match and match[2] in _HOSTS:
            name = f"{ENCODER}layers.{match[1]}.{_HOSTS[match[2]]}.adapter.{_PARTS[match[3]]}.{match[4]}"
            found[name] = tensor.to(torch.float32)
    return found
