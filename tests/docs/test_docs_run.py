"""Every block of README and documentation runs, on tiny generated data."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from blocks import blocks_of, run_page

from fake.writing import disc, noisy, png
from samadapt import io
from samadapt.data.phantoms import write_flare22

ROOT = Path(__file__).resolve().parents[2]
# Page to blocks that run and blocks that do not: a block cannot be lost in silence.
PAGES = {
    "README.md": {"bash": 3, "python": 2, "not run": 1},
    "docs/index.md": {"not run": 1},
    "docs/tutorials/first-segmentation.md": {"bash": 5, "python": 2},
    "docs/tutorials/adapt.md": {"bash": 8, "python": 1},
    "docs/tutorials/measure.md": {"bash": 8, "python": 2},
    "docs/how-to/own-data.md": {"bash": 4, "json": 1, "not run": 3},
    "docs/how-to/corpus.md": {"bash": 2, "yaml": 1},
    "docs/how-to/published-datasets.md": {"not run": 3},
    "docs/how-to/published-trainings.md": {"not run": 2},
    "docs/how-to/doctor.md": {"bash": 2, "python": 1},
    "docs/how-to/samed.md": {"bash": 3, "python": 2, "yaml": 2},
    "docs/how-to/cached-embeddings.md": {"bash": 2, "not run": 1},
    "docs/how-to/specialists.md": {"bash": 4, "not run": 1},
    "docs/how-to/studies.md": {"bash": 3, "yaml": 1, "not run": 2},
    "docs/how-to/nnunet.md": {"bash": 2, "not run": 3},
    "docs/how-to/channels.md": {"bash": 3, "python": 2, "not run": 1},
    "docs/how-to/weights.md": {"python": 1, "bash": 1, "json": 1, "not run": 7},
    "docs/how-to/everything.md": {"bash": 1, "python": 1},
    "docs/how-to/offline.md": {"bash": 1, "not run": 3},
    "docs/how-to/several-processes.md": {"bash": 1, "not run": 3},
    "docs/how-to/score.md": {"bash": 2},
    "docs/how-to/compare.md": {"bash": 1, "not run": 1},
    "docs/how-to/resume.md": {"bash": 7},
    "docs/how-to/scaling.md": {"bash": 1},
    "docs/how-to/few-cases.md": {"bash": 1},
    "docs/how-to/sweep.md": {"bash": 3},
    "docs/how-to/recipe.md": {"python": 2},
    "docs/reference/python.md": {"python": 1},
    "docs/explanation/metrics.md": {"python": 2},
    "docs/explanation/randomness.md": {"python": 1},
    "docs/explanation/generated-scenes.md": {"bash": 1, "python": 1, "not run": 1},
}


def polyps(folder: Path) -> None:
    for number in range(1, 11):
        mask = disc((64, 64), (30, 28 + number % 5), 12)
        png(folder / "polyps" / "images" / f"{number}.png", noisy((64, 64, 3), number))
        png(folder / "polyps" / "masks" / f"{number}.png", (mask * 255).astype(np.uint8))


# FLARE22's organs under the numbers of the Synapse set.
SYNAPSE = {1: 6, 2: 2, 3: 1, 4: 11, 5: 8, 6: 9, 7: 12, 8: 13, 9: 4, 10: 5, 11: 7, 12: 0, 13: 3}


def synapse(folder: Path) -> None:
    write_flare22(folder / "phantoms", 6, 0, shape=(8, 64, 64))
    table = np.array([0, *SYNAPSE.values()], np.uint8)
    images = sorted((folder / "phantoms" / "images").iterdir())
    for number, path in zip((1, 2, 5, 6, 7, 9), images, strict=True):
        label = io.open_label(folder / "phantoms" / "labels" / path.name.replace("_0000", ""))
        io.save_image(io.open(path), folder / "synapse" / "img" / f"img{number:04d}.nii.gz")
        named = replace(label, values=table[label.values])
        io.save_label(named, folder / "synapse" / "label" / f"label{number:04d}.nii.gz")


def two_sets(folder: Path) -> None:
    polyps(folder)
    write_flare22(folder / "phantoms", 3, 0, shape=(8, 64, 64))


def scans(folder: Path) -> None:
    for number in range(4):
        png(folder / "scans" / f"scan_{number:02d}.png", noisy((40, 40), number))
        if number:
            mask = disc((40, 40), (20, 20), 5 + number)
            png(folder / "scans" / f"scan_{number:02d}_truth.png", (mask * 255).astype(np.uint8))


BEFORE = {
    "docs/how-to/own-data.md": polyps,
    "docs/how-to/corpus.md": two_sets,
    "docs/how-to/samed.md": synapse,
    "docs/how-to/recipe.md": scans,
}


@pytest.mark.parametrize("name", PAGES)
def test_every_block_of_a_page_runs(name, workplace):
    BEFORE.get(name, lambda _: None)(workplace)
    known = set(sys.modules)
    assert dict(run_page(ROOT / name, workplace)) == PAGES[name]
    for module in set(sys.modules) - known:
        if str(getattr(sys.modules[module], "__file__", "")).startswith(str(workplace)):
            del sys.modules[module]


def test_every_page_with_code_is_in_the_table():
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    with_code = {
        str(page.relative_to(ROOT)) for page in pages if any(b.language in ("bash", "python") for b in blocks_of(page))
    }
    assert with_code == set(PAGES)


def test_readme_has_three_short_jobs():
    blocks = [b for b in blocks_of(ROOT / "README.md") if b.language == "bash" and not b.reason]
    commands = [{line.split()[1] for line in b.code.splitlines()} for b in blocks]
    assert [next(iter(c & {"predict", "evaluate", "train"}), "") for c in commands[:2]] == ["predict", "evaluate"]
    assert "train" in commands[2]
    assert all(len(b.code.splitlines()) <= 4 for b in blocks)
