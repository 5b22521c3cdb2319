"""nnU-Net itself on an exported store: planned, trained for two short epochs, its predictions scored."""

from __future__ import annotations

import csv
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest

from fake.writing import disc, noisy, png
from samadapt.data.nnunet_raw import export_nnunet
from samadapt.data.phantoms import write_flare22
from samadapt.data.prepare import prepare

# Without their dependencies: torch is here already, and torchvision is not wanted.
PACKAGES = [
    "nnunetv2>=2.8",
    "dynamic-network-architectures>=0.4.4,<0.5",
    "acvl-utils>=0.2.6,<0.3",
    "batchgenerators",
    "batchgeneratorsv2",
    "connected-components-3d",
    "fft-conv-pytorch",
    "unittest2",
    "future",
    "timm",
    "tqdm",
    "scikit-learn",
    "scikit-image",
    "pandas",
    "graphviz",
    "requests",
    "seaborn",
    "yacs",
    "einops",
    "joblib",
    "threadpoolctl",
    "imageio",
    "lazy_loader",
    "networkx",
    "pytz",
    "tzdata",
    "certifi",
    "urllib3",
    "idna",
    "python-dateutil",
    "cloudpickle",
    "narwhals",
]

# 250 iterations of large batches an epoch are for a graphics card.
TRAINER = """
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer


class nnUNetTrainerFew(nnUNetTrainer):
    def __init__(self, plans, configuration, fold, dataset_json, device):
        plans["configurations"][configuration]["batch_size"] = 4
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.num_epochs, self.num_iterations_per_epoch, self.num_val_iterations_per_epoch = 2, 4, 1
"""


@pytest.fixture(scope="module")
def nnunet(request, tmp_path_factory) -> Path:
    """Folder of programs of an environment that has nnU-Net, or a skip that says why there is none."""
    if "slow" not in request.config.option.markexpr:
        pytest.skip("installs and trains nnU-Net: runs with make test-slow")
    folder = tmp_path_factory.mktemp("nnunet") / "venv"
    venv.create(folder, with_pip=True)
    site = next(folder.glob("lib/python*/site-packages"))
    (site / "shared.pth").write_text(sysconfig.get_path("purelib"))
    python = folder / "bin" / "python"
    install = [python, "-m", "pip", "install", "-q", "--no-deps", *PACKAGES]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    check = [python, "-c", "import nnunetv2.run.run_training, sys; assert 'torchvision' not in sys.modules"]
    if done.returncode == 0:
        done = subprocess.run(check, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"nnU-Net cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
    (site / "nnunetv2" / "training" / "nnUNetTrainer" / "few.py").write_text(TRAINER)
    return folder / "bin"


def two_epochs(programs: Path, out: Path, predicted: Path) -> None:
    """Plan, train fold 0 and predict the test cases of an exported dataset; a program that fails ends the test."""
    root = out.parents[1]
    places = {f"nnUNet_{name}": str(root / f"nnUNet_{name}") for name in ("raw", "preprocessed", "results")}
    one = dict.fromkeys(("nnUNet_n_proc_DA", "nnUNet_def_n_proc", "OMP_NUM_THREADS"), "1")
    settings = os.environ | places | one | {"nnUNet_compile": "f", "PYTHONWARNINGS": "ignore"}

    def run(program: str, *words: str) -> None:
        done = subprocess.run([programs / program, *words], env=settings, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]

    number = out.name[len("Dataset") :][:3]
    few = ["-np", "1", "-npfp", "1", "--verify_dataset_integrity"]
    run("nnUNetv2_plan_and_preprocess", "-d", number, "-c", "2d", *few)
    preprocessed = root / "nnUNet_preprocessed" / out.name
    (preprocessed / "splits_final.json").write_bytes((out / "splits_final.json").read_bytes())
    model = ["-d", number, "-c", "2d", "-tr", "nnUNetTrainerFew"]
    run("nnUNetv2_train", number, "2d", "0", "-tr", "nnUNetTrainerFew", "-device", "cpu")
    few = ["-npp", "1", "-nps", "1", "-device", "cpu", "--disable_tta"]
    run("nnUNetv2_predict", *model, "-f", "0", "-i", str(out / "imagesTs"), "-o", str(predicted), *few)


def scored(out: Path, predicted: Path, run: Path) -> list[dict[str, str]]:
    """Rows of the predictions of an export, scored by its own score.yaml through the command line."""
    words = [sys.executable, "-m", "samadapt", "score", "-c", str(out / "score.yaml")]
    words += ["--prediction", str(predicted), "--out", str(run)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with open(run / "rows.csv", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_nnunet_trains_on_an_export_and_its_predictions_are_scored(nnunet, tmp_path):
    write_flare22(tmp_path / "raw", 6, seed=2, shape=(6, 64, 64), spacing_mm=(24.0, 6.0, 6.0))
    splits = {"train": 0.5, "val": 0.17, "test": 0.33}
    store = prepare(source=tmp_path / "raw", recipe="flare22", out=tmp_path / "store", workers=0, splits=splits)
    out = export_nnunet(store=store.path, out=tmp_path / "nnUNet_raw" / "Dataset101_Abdomen").folder
    two_epochs(nnunet, out, tmp_path / "predicted")
    rows = scored(out, tmp_path / "predicted", tmp_path / "run")
    assert len(rows) == len(store.split("test")) * 14


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_nnunet_is_given_boxes_and_answers_them(nnunet, tmp_path):
    for number in range(12):
        mask = disc((48, 48), (14 + number, 22), 8)
        picture = noisy((48, 48, 3), number) // 2 + (mask[..., None] * 60).astype(np.uint8)
        png(tmp_path / "raw" / "images" / f"{number}.png", picture)
        png(tmp_path / "raw" / "masks" / f"{number}.png", (mask * 255).astype(np.uint8))
    store = prepare(source=tmp_path / "raw", recipe="folder", out=tmp_path / "store", workers=0)
    out = export_nnunet(store=store.path, out=tmp_path / "nnUNet_raw" / "Dataset102_Discs", box=True).folder
    two_epochs(nnunet, out, tmp_path / "predicted")
    rows = [row for row in scored(out, tmp_path / "predicted", tmp_path / "run") if row["label"] != "0"]
    assert len(rows) == len(store.split("test"))
    assert {(row["prompts"], row["choice"]) for row in rows} == {("box", "predicted")}
