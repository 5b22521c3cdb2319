"""What users get wrong: a box that says what, where and what to do, or an exclusion that is reported."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fake import aerial, sammed2d, synapse
from fake.writing import disc, jpeg, noisy, png
from samadapt.data.store import Store

HW = (40, 48)
DISC = disc(HW, (20, 20), 9).astype(np.uint8)
MIXED = np.where(np.arange(HW[0])[:, None] == 0, 255, DISC).astype(np.uint8)
BUILDING = (60, 16, 152)


def pictures(root: Path, masks: list[np.ndarray | None], write=png, end: str = ".png") -> Path:
    """Pictures with one mask each, or none."""
    for number, mask in enumerate(masks):
        png(root / "images" / f"{number}.png", noisy((*HW, 3), number))
        if mask is not None:
            write(root / "masks" / f"{number}{end}", mask)
    return root


def coloured(stray: bool) -> np.ndarray:
    """Houses in the published colour; with one pixel of no class."""
    found = np.zeros((*HW, 3), np.uint8)
    found[DISC > 0] = BUILDING
    found[0, 0] = (1, 2, 3) if stray else 0
    return found


def with_palette(root: Path) -> Path:
    (root / "labels.json").write_text(json.dumps({"colours": {"#3C1098": 1, "#000000": 0}, "names": {1: "house"}}))
    return root


def mixed_orders(root: Path) -> Path:
    synapse.write_npz(root, train=(5,), test=(1,), lists=False)
    return synapse.write_npz(root, train=(6,), test=(), table=synapse.TRANSUNET_FROM_BTCV, lists=False)


def without_a_phase(root: Path) -> Path:
    from samadapt.data.phantoms import write_multiphase

    write_multiphase(root, 3, 1, (4, 32, 32), (45.0, 11.0, 11.0))
    (root / "imagesTr" / "liver_0002_0003.nii.gz").unlink()
    return root


def listed_without_masks(root: Path) -> Path:
    sammed2d.write(root)
    path = root / "image2label_train.json"
    listed = json.loads(path.read_text())
    path.write_text(json.dumps(listed | {f"{root.name}/images/amos_0507_31.png": []}))
    return root


REFUSED = {
    "raw Synapse in TransUNet's order": (
        lambda root: synapse.write_raw(root, (1, 2), order=synapse.TRANSUNET_FROM_BTCV),
        (1, "DataError", "label0001.nii.gz", "the labels end at 8", "the recipe synapse-npz with its label_order"),
    ),
    "Synapse npz in TransUNet's order": (
        lambda root: synapse.write_npz(root, table=synapse.TRANSUNET_FROM_BTCV),
        (2, "LabelError", "case0001.npy.h5", "in the order 'transunet'", "options.label_order=transunet"),
    ),
    "one training case of Synapse npz in TransUNet's order": (
        mixed_orders,
        (2, "LabelError", "case0001.npy.h5 in 'samed', case0006 in 'transunet'", "into a folder of their own"),
    ),
    "0, 1 and 255 in every mask": (
        lambda root: pictures(root, [MIXED] * 9),
        (1, "DataError", "0.png", "mixes 1 and 255", "ignore=255", "9 left out", "and 8 more"),
    ),
    "classes in JPEG": (
        lambda root: pictures(root, [DISC * 3] * 3, jpeg, ".jpg"),
        (1, "DataError", "0.jpg", "nothing is brighter than 127", "Save classes as PNG"),
    ),
    "no masks at all": (
        lambda root: pictures(root, [None, None]),
        (1, "DataError", "saw images/", "labels in masks/ with the same names"),
    ),
    "colours without a palette": (
        lambda root: pictures(root, [coloured(False)] * 2),
        (1, "DataError", "0.png", "a colour image with 3 channels", "options.colours.FF0000=1"),
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_dataset_that_cannot_be_used_is_refused(samadapt, tmp_path, case):
    write, (code, *said) = REFUSED[case]
    answer = samadapt("prepare", write(tmp_path / "raw"), "--out", tmp_path / "store")
    assert answer.code == code
    assert "Traceback" not in answer.err
    told = " ".join(answer.err.replace("│", " ").split())
    assert [word for word in said if word not in told] == []


EXCLUDED = {
    "0, 1 and 255 in one mask": (
        lambda root: pictures(root, [DISC, MIXED, DISC]),
        {"1": "mixes 1 and 255"},
    ),
    "classes in one JPEG": (
        lambda root: pictures(root, [DISC * 255, DISC * 3, DISC * 255], jpeg, ".jpg"),
        {"1": "nothing is brighter than 127"},
    ),
    "an image without its mask": (
        lambda root: pictures(root, [DISC, None, DISC]),
        {"1.png": "image without label"},
    ),
    "an image listed without masks": (listed_without_masks, {"amos_0507_31.png": "image without label"}),
    "a colour outside the palette": (
        lambda root: with_palette(pictures(root, [coloured(False), coloured(True), coloured(False)])),
        {"1": "colours outside the colour map in 1 of 1920 pixels: (1, 2, 3): 1 pixels"},
    ),
    "a colour outside GID's palette": (
        lambda root: _recoloured(aerial.write_gid(root, hw=(60, 68))),
        {f"{aerial.SCENES[0]}_y00000_x00000": "outside the colour map in 1 of 4080 pixels: (200, 0, 0): 1 pixels"},
    ),
    "a phase that is missing": (without_a_phase, {"liver_0002": "channel 0003 of 4 is missing"}),
}


def _recoloured(root: Path) -> Path:
    import tifffile

    path = root / "label_5classes" / f"{aerial.SCENES[0]}_label.tif"
    pixels = tifffile.imread(path)
    pixels[3, 5] = (200, 0, 0)
    tifffile.imwrite(path, pixels, photometric="rgb")
    return root


@pytest.mark.parametrize("case", EXCLUDED)
def test_a_case_that_cannot_be_used_is_left_out_and_named(samadapt, tmp_path, case):
    write, reasons = EXCLUDED[case]
    answer = samadapt("prepare", write(tmp_path / "raw"), "--out", tmp_path / "store")
    assert answer.code == 0
    stated = {entry["name"]: entry["reason"] for entry in Store.open(tmp_path / "store").excluded}
    assert set(stated) == set(reasons)
    for name, reason in reasons.items():
        assert reason in stated[name]
        assert any(line.startswith(f"Excluded {name}: ") and reason in line for line in answer.out.splitlines())


def test_many_exclusions_are_counted(samadapt, tmp_path):
    root = pictures(tmp_path / "raw", [DISC, DISC] + [None] * 23)
    lines = samadapt("prepare", root, "--out", tmp_path / "store").out.splitlines()
    assert sum(line.startswith("Excluded ") for line in lines) == 21
    assert lines[-1] == "Excluded 3 more, each with its reason in store.json"


@pytest.fixture
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two base models of different width, and an adapter of the first with ranks 4 and, as told, 8."""
    from samadapt.adapt import inject, load_model, save_adapter
    from samadapt.adapt.config import LoraConfig
    from samadapt.models import fresh
    from samadapt.models.loading import save_packaged

    folder = tmp_path_factory.mktemp("weights")
    save_packaged(fresh("test"), folder, "small")
    model = load_model(str(folder / "small.safetensors"))
    inject(model, LoraConfig(rank=4))
    for name in ("adapter", "told"):
        save_adapter(model, folder / name)
    facts = json.loads((folder / "told" / "adapter.json").read_text())
    facts["method"]["rank"] = 8
    (folder / "told" / "adapter.json").write_text(json.dumps(facts))
    return folder


@pytest.fixture
def store(samadapt, tmp_path) -> Path:
    samadapt("prepare", pictures(tmp_path / "raw", [DISC] * 3), "--out", tmp_path / "store")
    return tmp_path / "store"


@pytest.mark.parametrize(
    ("base", "adapter", "said"),
    [
        ("tiny", "adapter", ("AdapterMismatch", "made for", "not for tiny", "--model")),
        ("small.safetensors", "told", ("AdapterMismatch", "states rank 8", "have rank 4", "as one training wrote it")),
    ],
    ids=["architecture", "rank"],
)
def test_an_adapter_that_does_not_fit_is_refused(samadapt, store, tmp_path, weights, base, adapter, said):
    model = base if base == "tiny" else weights / base
    words = ("--model", model, "--adapter", weights / adapter, "--data", store, "--split", "all")
    answer = samadapt("evaluate", *words, "--out", tmp_path / "run")
    assert answer.code == 2
    assert "Traceback" not in answer.err
    told = " ".join(answer.err.replace("│", " ").split())
    assert [word for word in (*said, str(weights / adapter)) if word not in told] == []
    assert not (tmp_path / "run").exists()


def test_inspect_says_what_keeps_an_adapter_from_loading(samadapt, weights):
    found = json.loads(samadapt("inspect", weights / "told", "--json").out)
    assert (found["loadable"], "states rank 8" in found["problems"][0]) == (False, True)
    assert json.loads(samadapt("inspect", weights / "adapter", "--json").out)["loadable"]
    (weights / "told" / "adapter.safetensors").unlink()
    assert "missing" in json.loads(samadapt("inspect", weights / "told", "--json").out)["problems"][0]


def test_empty_classes_of_a_sweep_are_named(samadapt, tmp_path, weights):
    masks = [DISC * (2 if number == 0 else 1) for number in range(5)]
    (root := pictures(tmp_path / "raw", masks)).joinpath("labels.json").write_text(
        json.dumps({"names": {1: "cell", 2: "nucleus", 3: "nothing"}, "threshold": None})
    )
    samadapt("prepare", root, "--out", tmp_path / "store")
    words = ("sweep", "--data", tmp_path / "store", "--split", "all", "--models", weights / "small.safetensors")
    words += ("--prompts", "centre", "--choices", "predicted")
    answer = samadapt(*words, "--labels", "cell", "nothing", "--out", tmp_path / "some")
    assert answer.code == 0
    assert "Left out, it holds none of the labels: 1 case (0)" in answer.out
    assert "No measured case holds: nothing" in answer.out
    page = (tmp_path / "some" / "page.html").read_text()
    assert "No measured case holds nothing: nothing is said about it." in page
    answer = samadapt(*words, "--labels", "nothing", "--out", tmp_path / "none")
    assert (answer.code, "it holds none of the labels" in answer.err) == (1, True)
    answer = samadapt(*words, "--labels", "heart", "--out", tmp_path / "none")
    assert (answer.code, "the store has no label 'heart'" in answer.err) == (2, True)
    assert not (tmp_path / "none").exists()
