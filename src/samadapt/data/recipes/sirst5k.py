"""SIRST-5K: synthesised negatives around infrared small targets."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import ClassVar

from samadapt.data.recipes.base import RecipeInfo
from samadapt.data.recipes.folder import groups
from samadapt.data.recipes.nuaa_sirst import NuaaSirst


class Sirst5k(NuaaSirst):
    """`images/<id>.png` with `masks/<id>.png` and lists as DNANet keeps them (50_50/train.txt, 50_50/test.txt).

    The published lists are used where they are there; ``published=False`` draws the split instead.
    """

    info: ClassVar[RecipeInfo] = dataclasses.replace(
        NuaaSirst.info,
        name="sirst-5k",
        title="SIRST-5K, infrared small targets with synthesised negatives",
        citation="Lu et al. 2024, SIRST-5K: Exploring Massive Negatives Synthesis with Self-Supervised Learning for "
        "Robust Infrared Small Target Detection, IEEE TGRS, arXiv:2403.05416",
        url="https://github.com/luy0222/SIRST-5K",
        how_to_get="Follow the repository's links and unpack into a folder named SIRST-5K (or SIRST5K) that holds "
        "images/, masks/ and the lists.",
    )

    def matches(self, source: Path) -> bool:
        """True if the folder is named SIRST-5K and has images beside masks."""
        name = Path(source).name.lower().replace("-", "").replace("_", "")
        return "sirst5k" in name and next(groups(Path(source), self.settings), None) is not None
