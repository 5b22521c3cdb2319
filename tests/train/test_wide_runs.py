"""Four channels from files to figures: the object is in the near infrared alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch

from samadapt import io
from samadapt.adapt.adaptation import adaptation_of
from samadapt.adapt.exchange import merge_files
from samadapt.adapt.load import load_model
from samadapt.core.errors import ConfigError
from samadapt.core.manifest import read_run
from samadapt.core.rng import named_rng
from samadapt.data.prepare import prepare
from samadapt.data.store import Store
from samadapt.infer.predict import predict
from samadapt.models.stem import stem_names
from samadapt.study.evaluate import evaluate
from samadapt.study.sweep import sweep
from samadapt.train import train

BANDS = ("red", "green", "blue", "nir")


def picture(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise of 16 bits (H, W, 4), and the square in its last band."""
    rng = named_rng("multispectral", number)
    mask = np.zeros((32, 32), bool)
    y, x = rng.integers(2, 16, 2)
    mask[y : y + 14, x : x + 12] = True
    bands = rng.integers(1200, 2400, (32, 32, 4)).astype(np.uint16)
    bands[..., 3] += (2600 * mask).astype(np.uint16)
    return bands, mask


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """Eight TIFF files of four bands with their masks."""
    folder = tmp_path_factory.mktemp("bands")
    for name in ("images", "masks"):
        (folder / name).mkdir()
    for number in range(8):
        bands, mask = picture(number)
        tifffile.imwrite(folder / "images" / f"{number}.tif", bands, photometric="minisblack", planarconfig="contig")
        tifffile.imwrite(folder / "masks" / f"{number}.tif", mask.astype(np.uint8))
    return folder


@pytest.fixture(scope="module")
def store_of_bands(source) -> Path:
    options = {"channels": ",".join(BANDS), "modality": "multispectral"}
    return prepare(source=source, out=source / "store", options=options, workers=0).path


@pytest.fixture(scope="module")
def fields(store_of_bands) -> dict:
    return {
        "data": str(store_of_bands),
        "model": "tiny",
        "image_size": 32,
        "channels": BANDS,
        "method": {"method": "lora", "rank": 2},
        "augment": {"policy": "none"},
        "precision": "fp32",
        "num_workers": 0,
        "batch_size": 4,
    }


def test_a_widened_model_learns_what_only_the_fourth_channel_shows(fields, store_of_bands, source, tmp_path):
    store = Store.open(store_of_bands)
    record = store.cases[0]
    assert (record.channels, record.channel_names) == (4, BANDS)
    assert record.channel_windows[3][1] > 1.5 * record.channel_windows[0][1]
    run = train(**fields, out=tmp_path / "run", steps=25, validation={"every": 25}).folder
    model = load_model(run)
    assert (model.inputs, model.channels.names, model.channels.known) == (4, BANDS, BANDS)
    kept = adaptation_of(model).state_dict()
    assert len(stem_names(model)) == 2
    assert all(kept[name].abs().max() > 0 for name in stem_names(model))
    measured = evaluate(model=str(run), data=store_of_bands, prompts=("none",), split="all", out=tmp_path / "eval")
    assert measured.figure("none", "semantic") > 0.8
    (found,) = predict(source=source / "images" / "3.tif", model=str(run), out=tmp_path / "3.png")
    assert io.open_label(found.out).values.astype(bool)[picture(3)[1]].mean() > 0.8
    merge_files(source=str(run), out=tmp_path / "merged.pth", to="meta")
    again = load_model(tmp_path / "merged.pth")
    values = model.preprocess(store.image(0, 0))
    with torch.no_grad():
        torch.testing.assert_close(again.encode(values).image, model.encode(values).image, atol=1e-4, rtol=1e-4)
    assert (again.channels, again.preprocessing) == (model.channels, model.preprocessing)
    more = train(**fields | {"model": str(tmp_path / "merged.pth"), "channels": ()}, out=tmp_path / "more", steps=1)
    assert load_model(more.folder).channels == model.channels


def test_a_run_goes_on_with_its_wide_layer(fields, tmp_path):
    stem = {"further": "mean", "mean": (100.0,), "std": (50.0,)}
    settings = fields | {"task": {"task": "box"}, "out": tmp_path / "run", "stem": stem, "batch_size": 2}
    train(**settings, steps=2, validation={"every": 5, "max_slices": 1})
    model = load_model(tmp_path / "run")
    assert (model.preprocessing.mean[3:], model.preprocessing.std[3:]) == ((100.0,), (50.0,))
    score = evaluate(model=str(tmp_path / "run"), data=fields["data"], max_cases=1, split="all", out=tmp_path / "eval")
    assert {row.prompts for row in score.rows} == {"box"}


def test_a_sweep_is_shown_the_channels_that_evaluate_is(fields, store_of_bands, tmp_path):
    asked = {"data": store_of_bands, "split": "all", "max_cases": 2}
    dice = {}
    for name, channels in (("colours", BANDS[:3]), ("infrared", ("nir", "nir", "nir")), ("all", BANDS)):
        run = sweep(**asked, channels=channels, prompts=("box",), choices=("predicted",), out=tmp_path / name)
        told = evaluate(model="tiny", **asked, channels=channels, prompts=("box",), out=tmp_path / f"{name}-evaluate")
        dice[name] = run.rows[0].dice
        assert dice[name] == pytest.approx(told.figure("box", "predicted"), abs=2e-3)
        assert read_run(run.folder)["facts"]["channels"] == list(channels)
        assert f"shown their channels {', '.join(channels)}." in (run.folder / "page.html").read_text()
    assert dice["infrared"] > dice["colours"] + 0.05
    assert dice["all"] == pytest.approx(dice["colours"], abs=1e-6)  # further channels begin at zero
    with pytest.raises(ConfigError, match="either phases or channels"):
        sweep(**asked, channels=BANDS, phases=BANDS, out=tmp_path / "both")


def test_what_does_not_fit_is_said_before_the_run_begins(fields, tmp_path):
    for channels, says in (
        ((), r"4 channels \(red, green, blue, nir\), and the model takes three"),
        (("red", "green", "nri"), "'nri'; did you mean 'nir'"),
        (("0", "1", "2", "4"), "no channel 4"),
    ):
        with pytest.raises(ConfigError, match=says):
            train(**fields | {"channels": channels, "out": tmp_path / "run", "steps": 1})
        with pytest.raises(ConfigError, match=says):
            evaluate(model="tiny", channels=channels, data=fields["data"], split="all", out=tmp_path / "run")
        with pytest.raises(ConfigError, match=says):
            sweep(channels=channels, data=fields["data"], split="all", out=tmp_path / "run")
        assert not (tmp_path / "run").exists()
    with pytest.raises(ConfigError, match="three channels, not 2"):
        train(**fields | {"channels": "red,nir", "out": tmp_path / "run", "steps": 1})
    with pytest.raises(ConfigError, match="a specialist looks at three channels"):
        train(**fields | {"model": "unet", "method": None, "out": tmp_path / "run", "steps": 1})
