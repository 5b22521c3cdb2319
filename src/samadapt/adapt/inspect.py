"""What a file or folder is: a checkpoint, or an adapter of ours."""

from __future__ import annotations

from pathlib import Path

from samadapt.adapt.checkpoint import AdapterInfo, read_adapter_info
from samadapt.adapt.load import find_adapter, find_weights
from samadapt.adapt.msa import LENDER
from samadapt.models import catalog
from samadapt.models.inspect import Inspection, inspect


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
    if folder is None:
        return inspect(find_weights(path) or path)
    return _adapter(read_adapter_info(folder), folder)


def _adapter(info: AdapterInfo, folder: Path) -> Inspection:
    kind = str(info.method.get("method", ""))
    source = info.base_source or info.base_name
    sources = [source, *([str(info.context[LENDER])] if LENDER in info.context else [])]
    absent = [one for one in sources if not Path(one).exists() and catalog.find(one) is None]
    classes = len(info.label_set) if info.label_set else 0
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
        loadable=not absent,
        problems=tuple(f"the base model is not at {one}: give it with load_model(BASE, adapter=...)" for one in absent),
    )
