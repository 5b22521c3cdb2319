"""`load_model`: a base model, with an adapter if asked, from a name, a file, or what training left behind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from samadapt.adapt.specialist import find_specialist
from samadapt.config.channels import channel_names
from samadapt.core.errors import CheckpointError

if TYPE_CHECKING:
    from samadapt.adapt.checkpoint import AdapterInfo
    from samadapt.models import SamPromptable
    from samadapt.models.loading import Checkpoint
    from samadapt.models.stem import FurtherWeights


def load_model(
    name_or_path: str | Path,
    image_size: int | None = None,
    adapter: str | Path | None = None,
    *,
    channels: int | str | Sequence[str | int] | None = None,
    further: FurtherWeights = "zero",
) -> SamPromptable:
    """Load a promptable model.

    Parameters
    ----------
    name_or_path : str or path
        Name from the catalog, a checkpoint, an adapter folder, or the run folder of a training; the last two
        load their own base model. Files of SAM-Med2D and Medical SAM Adapter bring their adapters along. A specialist's
        run folder gives the specialist.
    image_size : int, optional
        Side of the model's input in pixels; None: that of the adapter, or of the checkpoint.
    adapter : path, optional
        Adapter folder or training run folder to put into the base model. A LoRA file of SAMed or SAMed_s is read too,
        and an image encoder of Medical SAM Adapter, to which the base lends its decoder.
    channels : int, str, or sequence of str or int, optional
        Channels of the image that the model is shown, by name or by number from 0: "nir,red,green". Three take the
        places of red, green and blue; more widen the first layer of a base model, the first three keeping its weights.
        A number N stands for the channels 0 to N - 1. None: colours, or what the adapter was trained with.
    further : {"zero", "mean"}
        Weights of the channels past the third: "zero", so that the model answers exactly as before until it learns, or
        the mean of those of the colours times 3 / N.

    Returns
    -------
    SamPromptable
        In evaluation mode, on the CPU.

    Raises
    ------
    CheckpointError
        If weights are missing, damaged, or of another model.
    AdapterMismatch
        If the adapter was made for another base model or image size.
    ConfigError
        If there are fewer than three channels.
    """
    names = channel_names(channels)
    model = _loaded(name_or_path, image_size, adapter)
    if names:
        from samadapt.data.channels import Channels
        from samadapt.models.stem import choose_channels

        _require_fitting(model, names)
        choose_channels(model, Channels(names, model.channels.known), further=further)
    return model


def _loaded(name_or_path: str | Path, image_size: int | None, adapter: str | Path | None) -> SamPromptable:
    specialist = find_specialist(name_or_path)
    if specialist is not None:
        return _specialist(specialist, image_size, adapter)
    own = None if Path(name_or_path).is_file() else find_adapter(name_or_path)
    if own is not None and adapter is not None:
        raise CheckpointError(
            "both the model and the adapter argument name an adapter", where=name_or_path, remedy="Give one of them."
        )
    if own is not None:
        return _with_adapter(None, image_size, own)
    if adapter is None:
        return _whole(name_or_path, image_size)
    if Path(adapter).is_file():
        return _with_published(name_or_path, image_size, Path(adapter))
    return _with_adapter(name_or_path, image_size, find_adapter(adapter) or Path(adapter))


def _require_fitting(model: SamPromptable, names: tuple[str, ...]) -> None:
    """Only a base model can be widened: an adapter learnt with the channels it has."""
    from samadapt.adapt.adaptation import adaptation_of

    if len(names) != model.inputs and adaptation_of(model) is not None:
        had = f" ({', '.join(model.channels.names)})" if model.channels else ""
        raise CheckpointError(
            f"the adapter learnt with {model.inputs} channels{had}, not with {len(names)}",
            where=model.name,
            remedy=f"Name {model.inputs}, or none.",
        )


def find_adapter(path: str | Path) -> Path | None:
    """Adapter folder at `path` or inside the run folder `path` (best before last); None if there is none."""
    from samadapt.adapt.checkpoint import INFO_FILE

    for folder in (Path(path), Path(path) / "adapter", Path(path) / "last"):
        if (folder / INFO_FILE).is_file():
            return folder
    return None


def find_weights(path: str | Path) -> Path | None:
    """Weights file in a run folder that trained a whole new model, or in its model folder; None elsewhere."""
    for folder in (Path(path) / "model", Path(path) / "model-last", Path(path)):
        files = [file for file in sorted(folder.glob("*.safetensors")) if file.with_suffix(".json").is_file()]
        if len(files) == 1:
            return files[0]
    return None


def _specialist(description: Path, image_size: int | None, adapter: str | Path | None) -> SamPromptable:
    from samadapt.adapt.specialist import load_specialist

    if adapter is not None:
        raise CheckpointError("a specialist takes no adapter", where=description)
    return load_specialist(description, image_size)


def _whole(name_or_path: str | Path, image_size: int | None) -> SamPromptable:
    """A model without a separate adapter; files of SAM-Med2D and Medical SAM Adapter carry theirs inside."""
    from samadapt.models.families import identify
    from samadapt.models.loading import find

    checkpoint = find(find_weights(name_or_path) or name_or_path)
    kind = identify(checkpoint.state).name
    if kind not in ("sam-med2d", "medical-sam-adapter"):
        return load_base(name_or_path, image_size, checkpoint)
    from samadapt.adapt.checkpoint import remember_source
    from samadapt.adapt.msa import load_msa
    from samadapt.adapt.published import load_sammed2d

    model = load_sammed2d(checkpoint, image_size) if kind == "sam-med2d" else load_msa(checkpoint, image_size)
    remember_source(model, name_or_path)
    return model


def load_base(
    name_or_path: str | Path,
    image_size: int | None,
    checkpoint: Checkpoint | None = None,
    lender: str | Path | None = None,
) -> SamPromptable:
    """The network alone, without adapters that its file may carry; `lender` gives an image encoder its decoder."""
    from samadapt.adapt.checkpoint import remember_source
    from samadapt.adapt.msa import with_decoder
    from samadapt.models.loading import done_without, find, from_checkpoint

    checkpoint = checkpoint or find(find_weights(name_or_path) or name_or_path)
    if lender is not None:
        checkpoint = with_decoder(checkpoint, lender)
    model = from_checkpoint(checkpoint, image_size, done_without(checkpoint.state))
    if checkpoint.head:
        from samadapt.adapt.semantic import SemanticHead
        from samadapt.data.records import label_set_from_dict

        labels = label_set_from_dict(checkpoint.head["label_set"])
        model.head = SemanticHead.from_facts(labels, checkpoint.head)
    remember_source(model, name_or_path)
    return model


def _with_adapter(base: str | Path | None, image_size: int | None, folder: Path) -> SamPromptable:
    from samadapt.adapt.checkpoint import load_adapter, read_adapter_info

    info = read_adapter_info(folder)
    size = image_size or info.image_size
    model = base_of(info, size, folder) if base is None else _given_base(base, info, size)
    load_adapter(model, folder)
    return model.eval()


def base_of(info: AdapterInfo, image_size: int, folder: Path) -> SamPromptable:
    """Base model of an adapter, from where it was found in training."""
    from samadapt.adapt.msa import LENDER

    source = info.base_source or info.base_name
    try:
        return load_base(source, image_size, lender=info.context.get(LENDER))
    except CheckpointError as error:
        raise CheckpointError(
            f"its base model {info.base_name} cannot be loaded: {error}",
            where=folder,
            remedy="Give the base model yourself: load_model(<base>, adapter=<this folder>).",
        ) from error


def _given_base(base: str | Path, info: AdapterInfo, image_size: int) -> SamPromptable:
    """The base that the caller names; of one that is made of two files, the one that `base` stands for."""
    from samadapt.adapt.msa import LENDER, lacks_decoder
    from samadapt.models.loading import find

    if LENDER not in info.context:
        return load_base(base, image_size)
    given = find(find_weights(base) or base)
    if lacks_decoder(given):
        return load_base(base, image_size, given, lender=info.context[LENDER])
    return load_base(info.base_source or info.base_name, image_size, lender=base)


def _with_published(base: str | Path, image_size: int | None, path: Path) -> SamPromptable:
    from samadapt.adapt.checkpoint import remember_source
    from samadapt.adapt.msa import load_msa
    from samadapt.adapt.published import load_samed
    from samadapt.models.families import MSA, identify
    from samadapt.models.loading import find

    checkpoint = find(path)
    if identify(checkpoint.state) is MSA:
        model = load_msa(checkpoint, image_size, base)
        remember_source(model, path)
        return model
    model = load_base(base, image_size)
    load_samed(model, path)
    return model.eval()
