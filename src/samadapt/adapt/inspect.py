"""What a file or folder is: a checkpoint with the adapters in it, or an adapter of ours."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from samadapt.adapt.checkpoint import WEIGHTS_FILE, AdapterInfo, read_adapter_info, read_weights, require_rank
from samadapt.adapt.load import find_adapter, find_weights
from samadapt.adapt.methods import inject
from samadapt.adapt.msa import LENDER, msa_adapters
from samadapt.adapt.published import lacking_updates, sammed2d_adapters
from samadapt.core.errors import CheckpointError, SamadaptError
from samadapt.models import SamPromptable, catalog, preprocess
from samadapt.models.architecture import Architecture
from samadapt.models.build import empty_sam
from samadapt.models.families import MSA, SAMED_LORA, identify
from samadapt.models.inspect import CARRIERS, Inspection, inspect_checkpoint, lacking, named_as_sam, network_of
from samadapt.models.loading import Checkpoint, find


def inspect_any(path: str | Path) -> Inspection:
    """Look at a checkpoint, an adapter folder or a run folder without building a model.

    Parameters
    ----------
    path : path
        Also a name of the catalog or a hub repository.

    Returns
    -------
    Inspection

    Raises
    ------
    CheckpointError
        If it cannot be read at all.
    """
    folder = None if Path(path).is_file() else find_adapter(path)
    if folder is not None:
        return _adapter(read_adapter_info(folder), folder)
    checkpoint = find(find_weights(path) or path)
    found, kind = inspect_checkpoint(checkpoint, path), identify(checkpoint.state)
    if kind is SAMED_LORA:
        absent = lacking_updates(checkpoint.state)
        return replace(found, missing=found.missing + ((lacking("the file itself", absent),) if absent else ()))
    return _with_carried(found, checkpoint) if kind in CARRIERS and found.size_name else found


def _with_carried(found: Inspection, checkpoint: Checkpoint) -> Inspection:
    """What is said of the network, and of the adapters that its file carries, which are tried on it without weights."""
    kind = identify(checkpoint.state)
    network = network_of(checkpoint, kind, named_as_sam(checkpoint.state, kind))
    assert isinstance(network, Architecture)
    empty = SamPromptable(empty_sam(network), network, preprocess.get("sam"), name=checkpoint.name)
    absent: list[str] = []
    try:
        config, adapters = msa_adapters(checkpoint) if kind is MSA else sammed2d_adapters(checkpoint)
        with torch.device("meta"):
            adaptation = inject(empty, config)
        own = adaptation.state_dict()
        absent = [key for key in own if ".adapter." in key and key not in adapters]
        adaptation.require_fit({**adapters, **{key: t for key, t in own.items() if ".adapter." not in key}})
    except SamadaptError as error:
        missing = found.missing + ((lacking("the adapters", absent),) if absent else ())
        return replace(found, missing=missing, problems=(*found.problems, error.what), loadable=False)
    return found


def _adapter(info: AdapterInfo, folder: Path) -> Inspection:
    kind = str(info.method.get("method", ""))
    source = info.base_source or info.base_name
    sources = [source, *([str(info.context[LENDER])] if LENDER in info.context else [])]
    absent = [one for one in sources if not Path(one).exists() and catalog.find(one) is None]
    classes = len(info.label_set) if info.label_set else 0
    problems = [f"the base model is not at {one}: give it with load_model(BASE, adapter=...)" for one in absent]
    try:
        require_rank(info, read_weights(folder / WEIGHTS_FILE), where=folder)
    except CheckpointError as error:
        problems.append(error.what)
    return Inspection(
        path=str(folder),
        family="samadapt-adapter",
        title=f"a samadapt adapter ({kind}) for {info.base_name}",
        size_name="",
        image_size=info.image_size,
        parameters=info.parameters,
        adapters=kind,
        adapter_size=int(info.method.get("rank", 0)),
        mask_tokens=classes + 1 if classes else 0,
        classes=classes,
        preprocessing=info.preprocessing,
        licence=catalog.licence_of(info.base_name, ""),
        missing=tuple(f"its base model {one}" for one in absent),
        assumed=(),
        loadable=not problems,
        problems=tuple(problems),
    )
