"""Untrained models, for training from scratch and for tests."""

from __future__ import annotations

from samadapt.core.errors import CheckpointError
from samadapt.models import preprocess
from samadapt.models.architecture import KNOWN, Architecture
from samadapt.models.build import assemble
from samadapt.models.promptable import SamPromptable


def fresh(
    architecture: str | Architecture = "tiny",
    *,
    image_size: int | None = None,
    preprocessing: str = "tiny",
    seed: int = 0,
    name: str = "",
) -> SamPromptable:
    """Model with random weights that depend on `seed` alone.

    Parameters
    ----------
    architecture : str or Architecture
        "tiny", "test" (a few thousand weights at 64 pixels), "vit-b", "vit-l", "vit-h", or any other network.
    image_size : int, optional
        In pixels; the architecture's own by default.
    preprocessing : str
        See `samadapt.models.preprocess.get`.
    seed : int
    name : str
        Name of the model; "fresh-" and the architecture's by default.

    Returns
    -------
    SamPromptable

    Raises
    ------
    CheckpointError
        If the name is unknown or the image size does not fit.
    """
    if isinstance(architecture, str):
        if architecture not in KNOWN:
            raise CheckpointError(f"no network is called {architecture!r}", remedy=f"Choose one of {', '.join(KNOWN)}.")
        name, architecture = name or f"fresh-{architecture}", KNOWN[architecture]
    wanted = architecture.at(image_size)
    plan = preprocess.get(preprocessing, wanted.image_size)
    model = assemble(wanted, {}, plan, name=name or "fresh", allow=("missing",), seed=seed)
    model.base_hash = hash_model(model)
    return model


def hash_model(model: SamPromptable) -> str:
    """`hash_tensors` of a model's own weights."""
    from samadapt.models.build import canonical, hash_tensors

    return hash_tensors(canonical(model.sam.state_dict()))
