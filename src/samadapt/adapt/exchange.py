"""Between layouts: original files, transformers folders, adapters; with a comparison after every step.

`convert` writes a model or an adapter in another layout, `merge` folds an adapter into its base, `unmerge` takes it out
again. What was written is read back and must answer as what was read.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from samadapt.adapt.exchange_config import ConvertConfig, MergeConfig, UnmergeConfig
from samadapt.core.errors import CheckpointError, ConfigError

if TYPE_CHECKING:
    from torch import Tensor

    from samadapt.models import SamPromptable

TOLERANCE = 1e-4
UNDO = ".undo"
"""Suffix of the folder beside a merged file from which `unmerge` restores the base."""


@dataclass(frozen=True)
class Exchanged:
    """What was written, and how far its answers are from those of what was read.

    Attributes
    ----------
    source, out : str
    layout : {"meta", "transformers", "adapter"}
    parameters : int
        Numbers written.
    largest_difference : float
        Of embedding, logits and predicted IoU, for a random image without prompt, with points and with a box.
    tolerance : float
        Above it nothing is accepted.
    notes : tuple of str
    """

    source: str
    out: str
    layout: str
    parameters: int
    largest_difference: float
    tolerance: float = TOLERANCE
    notes: tuple[str, ...] = ()


def convert(config: ConvertConfig | None = None, **fields: Any) -> Exchanged:
    """Write a model, or the adapter it carries, in another layout.

    Parameters
    ----------
    config : ConvertConfig, or its fields by name

    Returns
    -------
    Exchanged

    Raises
    ------
    ConfigError
        If source and layout do not go together.
    CheckpointError
        If the source cannot be loaded, or the result answers differently.
    """
    from samadapt.adapt.adaptation import adaptation_of
    from samadapt.adapt.checkpoint import save_adapter
    from samadapt.adapt.load import load_model

    settings = config or ConvertConfig(**fields)
    model = load_model(settings.source, settings.image_size, settings.adapter)
    _require_sam(model)
    adapted = adaptation_of(model) is not None
    if settings.to == "adapter":
        if not adapted:
            raise ConfigError(
                "the source carries no adapter", where=settings.source, remedy="Convert it to meta or transformers."
            )
        save_adapter(model, settings.out)
        return _checked(settings.source, model, load_model(settings.out), settings.out, "adapter")
    if adapted:
        raise ConfigError(
            "the source carries an adapter, which these layouts cannot hold",
            where=settings.source,
            remedy="Merge it first (samadapt merge), or convert with --to adapter.",
        )
    _write(model, settings.out, settings.to)
    return _checked(settings.source, model, load_model(settings.out), settings.out, settings.to)


def merge_files(config: MergeConfig | None = None, **fields: Any) -> Exchanged:
    """Fold an adapter into its base and write the result; keep what `unmerge` needs beside it.

    Parameters
    ----------
    config : MergeConfig, or its fields by name

    Returns
    -------
    Exchanged
        Differences between the adapted and the merged model.

    Raises
    ------
    ConfigError
        If the source carries no adapter, or one that cannot be folded.
    CheckpointError
        If something cannot be loaded, or the result answers differently.
    """
    from samadapt.adapt.adaptation import adaptation_of
    from samadapt.adapt.load import load_model
    from samadapt.adapt.merge import merge
    from samadapt.adapt.undo import keep_for_undo

    settings = config or MergeConfig(**fields)
    model = _load_adapted(settings)
    if adaptation_of(model) is None:
        raise ConfigError("the source carries no adapter", where=settings.source, remedy="Give an adapter folder.")
    _require_sam(model)
    undo = keep_for_undo(model, _base_of(settings, model), _undo_folder(settings.out))
    expected = answers(model)
    merge(model)
    _write(model, settings.out, settings.to)
    notes = (f"{undo} keeps the adapter and what it replaced: samadapt unmerge {settings.out}",)
    again = load_model(settings.out)
    return _compared(settings.source, expected, again, settings.out, settings.to, notes)


def unmerge(config: UnmergeConfig | None = None, **fields: Any) -> Exchanged:
    """Take an adapter out of a merged model: writes the base, and the adapter for it.

    Low-rank updates are subtracted, which is exact but for the rounding of float32; what the adapter had replaced is
    put back as it was.

    Parameters
    ----------
    config : UnmergeConfig, or its fields by name

    Returns
    -------
    Exchanged
        Differences between the merged model, and base and adapter together.

    Raises
    ------
    CheckpointError
        If the folder that `merge` left is missing or belongs to another file, or base and adapter answer differently.
    """
    from samadapt.adapt.load import load_model
    from samadapt.adapt.undo import restore

    settings = config or UnmergeConfig(**fields)
    merged = load_model(settings.source)
    folder = settings.undo or _undo_folder(settings.source)
    base = restore(merged, folder)
    _write(base.model, settings.out, settings.to)
    adapter = settings.out.with_name(f"{settings.out.stem}-adapter")
    base.save_adapter(adapter, settings.out)
    again = load_model(settings.out, adapter=adapter)
    rounding = "its file is not at hand" if base.rounding is None else f"{base.rounding:.1e}"
    notes = (f"adapter: {adapter}", f"largest difference of a weight from the original base: {rounding}")
    return _compared(str(settings.source), answers(merged), again, settings.out, settings.to, notes)


def answers(model: SamPromptable) -> list[Tensor]:
    """Embedding, logits and predicted IoU for a random image: without prompt, with points, with a box."""
    import torch

    from samadapt.models.maps import coarse

    size = model.image_size
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randn(1, model.inputs, size, size, generator=generator)
    points = torch.rand(1, 1, 2, 2, generator=generator) * size
    box = torch.tensor([[[0.2, 0.3, 0.7, 0.9]]]) * size
    model = model.eval()
    with torch.no_grad():
        embedding = model.encode(pixels)
        if model.encoder_only:
            return [coarse(embedding)]
        outputs = [
            model.decode_tokens(embedding),
            model.decode_tokens(embedding, points, torch.tensor([[[1, 0]]])),
            model.decode_tokens(embedding, boxes=box),
        ]
    return [coarse(embedding), *(part for output in outputs for part in output)]


def _checked(source: str, model: SamPromptable, again: SamPromptable, out: Path, layout: str) -> Exchanged:
    return _compared(source, answers(model), again, out, layout)


def _compared(
    source: str, expected: list[Tensor], again: SamPromptable, out: Path, layout: str, notes: tuple[str, ...] = ()
) -> Exchanged:
    found = answers(again)
    fits = [a.shape for a in expected] == [b.shape for b in found]
    difference = max(float((a - b).abs().max()) for a, b in zip(expected, found)) if fits else float("inf")
    if not difference <= TOLERANCE:
        raise CheckpointError(
            f"what was written answers differently (by {difference:.1e}, at most {TOLERANCE:.0e} is accepted)",
            where=out,
            remedy="Do not use it; please report which model this was.",
        )
    parameters = sum(parameter.numel() for parameter in again.parameters())
    return Exchanged(source, str(out), layout, parameters, difference, notes=notes)


def _write(model: SamPromptable, out: Path, layout: str) -> None:
    from samadapt.data.records import label_set_to_dict
    from samadapt.models.saving import save_original, save_transformers

    head: dict[str, Any] = {}
    if model.head is not None:
        if model.head.detail:
            raise ConfigError(
                "a prompt-free head with a detail branch has no place in these layouts",
                where=model.name,
                remedy="Use the adapter folder as it is.",
            )
        head = {"head": {"label_set": label_set_to_dict(model.head.label_set)} | model.head.facts()}
    (save_transformers if layout == "transformers" else save_original)(model, out, **head)


def _load_adapted(settings: MergeConfig) -> SamPromptable:
    """The adapter's folder on its own base, or a published file on the given one."""
    from samadapt.adapt.load import load_model

    if settings.onto is None:
        return load_model(settings.source)
    return load_model(settings.onto, settings.image_size, settings.source)


def _base_of(settings: MergeConfig, model: SamPromptable) -> SamPromptable:
    """The model before it was adapted."""
    from samadapt.adapt.checkpoint import read_adapter_info
    from samadapt.adapt.load import base_of, find_adapter, load_base

    folder = find_adapter(settings.source)
    if settings.onto is not None or folder is None:
        return load_base(settings.onto or settings.source, model.image_size)
    return base_of(read_adapter_info(folder), model.image_size, folder)


def _require_sam(model: SamPromptable) -> None:
    if not hasattr(model.sam, "mask_decoder"):
        raise ConfigError("a specialist has one layout only, its own", where=model.name)


def _undo_folder(out: Path) -> Path:
    return out.with_name(out.name + UNDO)
