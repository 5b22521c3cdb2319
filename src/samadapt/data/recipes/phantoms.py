"""Generated CT phantoms: FLARE22's layout, and never mistaken for it in a report."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import ClassVar

from samadapt.data.recipes.base import RecipeInfo
from samadapt.data.recipes.flare22 import Flare22
from samadapt.data.recipes.nnunet import NnUnet

FORMAT = "samadapt-phantoms"
MULTIPHASE_FORMAT = "samadapt-multiphase"


class Phantoms(Flare22):
    """What `samadapt synth` writes: FLARE22's layout with a cases.json that says the cases are generated."""

    info: ClassVar[RecipeInfo] = dataclasses.replace(
        Flare22.info,
        name="phantoms",
        title="Generated CT phantoms with 13 organs, in FLARE22's layout",
        licence="none needed: generated",
        citation="samadapt (see CITATION.cff)",
        url="",
        how_to_get="samadapt synth --out FOLDER",
    )

    def matches(self, source: Path) -> bool:
        """True if cases.json says that the cases are phantoms."""
        return _format_of(source) == FORMAT


class MultiphasePhantoms(NnUnet):
    """What `samadapt synth --kind multiphase` writes: nnU-Net's layout with a cases.json that says so."""

    info: ClassVar[RecipeInfo] = dataclasses.replace(
        Phantoms.info,
        name="multiphase-phantoms",
        title="Generated CT phantoms of livers with tumours in four contrast phases, in nnU-Net's layout",
        how_to_get="samadapt synth --kind multiphase --out FOLDER",
    )

    def matches(self, source: Path) -> bool:
        """True if cases.json says that the cases are multi-phase phantoms."""
        return _format_of(source) == MULTIPHASE_FORMAT


def _format_of(source: Path) -> str:
    try:
        said = json.loads((Path(source) / "cases.json").read_text(encoding="utf-8")).get("format")
    except (OSError, ValueError, AttributeError):
        return ""
    return str(said)
