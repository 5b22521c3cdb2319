"""Untrained models, for training from scratch and for tests."""

from __future__ import annotations

from samadapt.core.errors import CheckpointError
from samadapt.models import preprocess
from samadapt.models.architecture import KNOWN, Architecture
from samadapt.models.build import assemble
from samadapt.models.edgetam.architecture import KNOWN as KNOWN_EDGETAM
from samadapt.models.edgetam.architecture import EdgeTamArchitecture
from samadapt.models.preprocess import Preprocessing
from samadapt.models.promptable import SamPromptable
from samadapt.models.sam2.architecture import KNOWN as KNOWN_SAM2
from samadapt.models.sam2.architecture import Sam2Architecture
from samadapt.models.sam3.architecture import KNOWN as KNOWN_SAM3
from samadapt.models.sam3.architecture import Sam3Architecture

Network = Architecture | Sam2Architecture | Sam3Architecture | EdgeTamArchitecture
_NETWORKS: dict[str, Network] = {**KNOWN, **KNOWN_SAM2, **KNOWN_SAM3, **KNOWN_EDGETAM}


def fresh(
    architecture: str | Network = "tiny",
    *,
    image_size: int | None = None,
    preprocessing: str = "tiny",
    seed: int = 0,
    name: str = "",
) -> SamPromptable:
    """Model with random weights that depend on `seed` alone.

    Parameters
    ----------
    architecture : str, Architecture, Sam2Architecture, Sam3Architecture or EdgeTamArchitecture
        "tiny", "test" (a few thousand weights at 64 pixels), "vit-b", "vit-l", "vit-h"; for SAM 2 "hiera-test",
        "hiera-tiny", "hiera-small", "hiera-base-plus", "hiera-large"; for SAM 3 "sam3-test", "sam3"; for
        EdgeTAM "repvit-test", "repvit-m1"; or any other network.
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
        if architecture not in _NETWORKS:
            raise CheckpointError(
                f"no network is called {architecture!r}", remedy=f"Choose one of {', '.join(_NETWORKS)}."
            )
        name, architecture = name or f"fresh-{architecture}", _NETWORKS[architecture]
    plan = preprocess.get(preprocessing, architecture.at(image_size).image_size)
    model = _assemble(architecture.at(image_size), plan, name or "fresh", seed)
    model.base_hash = hash_model(model)
    return model


def _assemble(wanted: Network, plan: Preprocessing, name: str, seed: int) -> SamPromptable:
    if isinstance(wanted, Architecture):
        return assemble(wanted, {}, plan, name=name, allow=("missing",), seed=seed)
    if isinstance(wanted, EdgeTamArchitecture):
        from samadapt.models.edgetam.build import assemble as assemble_edgetam

        return assemble_edgetam(wanted, {}, plan, name=name, allow=("missing",), seed=seed)
    if isinstance(wanted, Sam3Architecture):
        from samadapt.models.sam3.build import assemble as assemble_sam3

        return assemble_sam3(wanted, {}, plan, name=name, allow=("missing",), seed=seed)
    from samadapt.models.sam2.build import assemble as assemble_sam2

    return assemble_sam2(wanted, {}, plan, name=name, allow=("missing",), seed=seed)


def hash_model(model: SamPromptable) -> str:
    """`hash_tensors` of a model's own weights."""
    from samadapt.models.build import canonical, hash_tensors

    return hash_tensors(canonical(model.sam.state_dict()))
