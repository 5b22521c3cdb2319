"""Preparing a CT: ours against MedSAM's own way.

MedSAM's script [1]_ clips and rescales, then for every slice with a label repeats it to three channels, resizes to
1024 x 1024 with scikit-image (order 3, anti-aliasing), rescales to 0..1 and saves float64 .npy; labels with order 0.
Their side is measured on a few slices and compared per slice; ours on the whole volume, all slices, with areas,
boxes, checksums, index and fsync.

.. [1] github.com/bowang-lab/MedSAM, pre_CT_MR.py and pre_grey_rgb.py (followed, not copied).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import alternate, compare, peak_memory_mib, record
from phantom import ORGANS, ct
from samadapt.core.image import LabelMap, LabelSet, Volume
from samadapt.data.prepare import prepare
from samadapt.data.recipes.base import CaseSource, Found, LoadedCase, RecipeInfo

SIDE = 1024
PEAK = """
import sys
sys.path.insert(0, sys.argv[1])
from phantom import PhantomRecipe
from samadapt.data.prepare import prepare
recipe = PhantomRecipe([(1000, 512, 512)])
prepare(recipe=recipe, source=".", out=sys.argv[2], workers=1, window=sys.argv[3])
"""


class Loaded:
    """Recipe of one case that is in memory already, so that both sides start from the same array."""

    info = RecipeInfo("loaded", "", "", "", "", "", "CT")

    def __init__(self, case: LoadedCase) -> None:
        self._case = case

    def matches(self, source: object) -> bool:
        return False

    def find(self, source: object, **options: object) -> Found:
        labels = LabelSet.from_names({i: f"organ {i}" for i in range(1, ORGANS + 1)})
        return Found([CaseSource("ct", "ct", None, "CT", lambda: self._case)], labels)


def medsam_slices(voxels: NDArray[Any], labels: NDArray[Any], slices: list[int], out: Path) -> int:
    """Their way for some slices; returns the bytes written."""
    from skimage import transform

    clipped = np.clip(voxels, -160, 240).astype(np.float64)
    clipped = ((clipped - clipped.min()) / (clipped.max() - clipped.min()) * 255.0).astype(np.uint8)
    written = 0
    for z in slices:
        rgb = np.repeat(clipped[z][:, :, None], 3, axis=-1)
        image = transform.resize(rgb, (SIDE, SIDE), order=3, preserve_range=True, mode="constant", anti_aliasing=True)
        image = (image - image.min()) / np.clip(image.max() - image.min(), 1e-8, None)
        truth = transform.resize(
            labels[z], (SIDE, SIDE), order=0, preserve_range=True, mode="constant", anti_aliasing=False
        ).astype(np.uint8)
        for kind, array in (("imgs", image), ("gts", truth)):
            path = out / f"{kind}-{z:03d}.npy"
            np.save(path, array)
            written += path.stat().st_size
    return written


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--slices", type=int, default=100, help="slices of the CT")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--without-memory", action="store_true", help="skip the 1000-slice volume")
    arguments = parser.parse_args()
    case = ct((arguments.slices, 512, 512))
    assert isinstance(case.image, Volume)
    assert isinstance(case.label, LabelMap)
    theirs_slices = [arguments.slices // 2 + k for k in range(3)]
    sizes: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        figures = measure(case, theirs_slices, Path(folder), sizes, arguments.rounds)
        if not arguments.without_memory:
            for window in ("auto", "percentile"):
                out = str(Path(folder) / f"large-{window}")
                figures[f"peak_memory_mib_{window}"] = peak_memory_mib(PEAK, str(Path(__file__).parent), out, window)
    targets = {"ratio": (">=", 50.0), "disk_ratio": (">=", 30.0)}
    targets |= {key: ("<=", 1500.0) for key in figures if key.startswith("peak_memory")}
    record("prepare", figures, targets)


def measure(case: LoadedCase, slices: list[int], folder: Path, sizes: dict[str, float], rounds: int) -> dict[str, Any]:
    """Time and disk per slice of both ways."""
    voxels, labels = case.image.voxels, case.label.values  # type: ignore[union-attr]
    near = np.s_[slices[0] : slices[-1] + 1]
    run = iter(range(1000))

    def ours() -> None:
        store = prepare(recipe=Loaded(case), source=".", out=folder / f"store{next(run)}", workers=1)
        files = [p for p in store.path.rglob("*") if p.is_file()]
        sizes["ours"] = sum(p.stat().st_size for p in files) / len(store.slices)

    def theirs() -> None:
        count = len(slices)
        sizes["theirs"] = medsam_slices(voxels[near], labels[near], list(range(count)), folder) / count

    seconds = alternate({"ours": ours, "medsam": theirs}, rounds)
    seconds = {
        "ours": [s / len(voxels) for s in seconds["ours"]],
        "medsam": [s / len(slices) for s in seconds["medsam"]],
    }
    figures: dict[str, Any] = compare(seconds, "ours", "medsam")
    figures |= {"ours_bytes_a_slice": sizes["ours"], "medsam_bytes_a_slice": sizes["theirs"]}
    figures["disk_ratio"] = sizes["theirs"] / sizes["ours"]
    return figures


if __name__ == "__main__":
    main()
