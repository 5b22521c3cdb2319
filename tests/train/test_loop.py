"""Whole runs: what they leave behind, how they stop, and that stopping changes nothing."""

import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import samadapt
from samadapt.adapt.load import load_model
from samadapt.core.errors import CheckpointError, ConfigError, DataError, NonFiniteLoss, RunFolderError
from samadapt.core.manifest import read_run
from samadapt.data.store import Store
from samadapt.models import preprocess
from samadapt.train import TrainResult, train
from samadapt.train.guard import DUMP
from samadapt.train.loop import Loop


def _lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_semantic_run_leaves_an_adapter_that_knows_its_classes(fields, store_path):
    result = train(**fields)
    assert isinstance(result, TrainResult)
    log, val = _lines(result.folder / "log.jsonl"), _lines(result.folder / "val.jsonl")
    assert [row["step"] for row in log] == [1, 2, 3, 4, 5, 6]
    assert {"epoch", "loss", "loss_ce", "loss_dice", "lr", "seconds", "dice", "images_per_s"} <= set(log[0])
    assert [row["step"] for row in val] == [3, 6]
    assert set(val[0]["dice"]) <= {"liver", "left kidney", "right kidney"}
    assert result.best_metric == max(row["mean"] for row in val)
    run = read_run(result.folder)
    assert run["status"] == "done"
    assert 0 < run["parameters_trained"] < run["parameters_total"]
    assert (result.folder / "last" / "adapter.json").exists()
    state = torch.load(result.folder / "state.pt", weights_only=True)
    assert state["progress"]["step"] == 6
    model = load_model(result.folder)
    assert model.head.label_set == Store.open(store_path).label_set
    stored = load_file(result.folder / "last" / "adapter.safetensors")
    assert all(torch.equal(stored[name], value) for name, value in state["weights"].items())
    assert len(stored) == len(state["weights"]) > 10


def test_training_finds_the_organs(fields):
    """Not only that it runs: a few seconds of training must beat the start clearly."""
    fields |= {
        "method": {"method": "full"},
        "steps": 150,
        "batch_size": 8,
        "augment": {"policy": "none"},
        "optimizer": {"lr": 5e-3},
        "validation": {"every": 150},
        "log_every": 10,
    }
    result = train(**fields)
    log = _lines(result.folder / "log.jsonl")
    assert log[-1]["loss"] < 0.55 * log[0]["loss"]
    assert result.best_metric > 0.3


@pytest.mark.parametrize(
    "task", [{"task": "box"}, {"task": "interactive", "rounds": 1, "objects": 2}], ids=lambda t: t["task"]
)
def test_prompt_tasks_run_on_a_store(fields, task):
    result = train(**fields | {"task": task, "steps": 3, "method": {"method": "decoder"}, "accumulate": 2})
    dice = _lines(result.folder / "val.jsonl")[-1]["dice"]
    assert set(dice) == ({"box"} if task["task"] == "box" else {"box", "point", "clicks"})
    assert load_model(result.folder).head is None


def test_a_new_model_is_trained_on_scenes_and_loads_again(tmp_path):
    result = train(
        model="new",
        new={"network": "test", "name": "mini"},
        data="synthetic",
        synthetic={"size": 64, "validation_scenes": 2},
        out=tmp_path / "run",
        task={"task": "interactive", "rounds": 1, "objects": 2},
        method={"method": "full"},
        steps=2,
        batch_size=2,
        num_workers=0,
        accelerator="cpu",
    )
    model = samadapt.load_model(str(result.adapter_folder / "mini.safetensors"))
    assert model.image_size == 64
    trained = torch.load(tmp_path / "run" / "state.pt", weights_only=True)["weights"]
    own = dict(model.named_parameters())
    assert len(trained) > 30
    assert all(torch.allclose(own[name], value, atol=2e-3, rtol=2e-3) for name, value in trained.items())


@pytest.mark.parametrize("method", ["lora", "full"])
def test_another_preprocessing_goes_with_the_weights(fields, method):
    result = train(**fields | {"preprocessing": "samed", "method": {"method": method}, "steps": 2})
    base, adapted = samadapt.load_model(fields["model"]), samadapt.load_model(result.folder)
    assert base.preprocessing.name == "tiny"
    assert adapted.preprocessing == preprocess.get("samed", base.image_size)
    on_base = samadapt.load_model(fields["model"], adapter=result.folder)
    assert on_base.preprocessing == adapted.preprocessing
    grey = np.full((40, 48, 3), 102, np.uint8)
    assert torch.allclose(adapted.preprocess(grey), torch.tensor(0.4), atol=1e-6)
    measured = samadapt.evaluate(
        model=str(result.folder), data=fields["data"], split="val", prompts=["none"], out=result.folder / "measured"
    )
    assert read_run(measured.folder)["facts"]["preprocessing"] == read_run(result.folder)["preprocessing"] == "samed"


def test_an_unknown_preprocessing_is_refused_by_name(fields):
    with pytest.raises(CheckpointError, match=r"no preprocessing is called 'sammed'.*sammed2d, samed"):
        train(**fields | {"preprocessing": "sammed"})


def test_killed_and_resumed_gives_the_same_weights_bit_for_bit(fields, tmp_path):
    fields |= {"steps": 14, "save_every": 3, "num_workers": 1, "validation": {"every": 5, "max_cases": 1}}
    whole = train(**fields | {"out": str(tmp_path / "whole")})
    threads = torch.get_num_threads()
    code = (
        f"import torch, json, sys; torch.set_num_threads({threads}); import samadapt;"
        "samadapt.train(**json.loads(sys.argv[1]))"
    )
    folder = tmp_path / "killed"
    process = subprocess.Popen([sys.executable, "-c", code, json.dumps(fields | {"out": str(folder), "steps": 14})])
    kill_at = 3 + int(time.time_ns()) % 9
    log = folder / "log.jsonl"
    while process.poll() is None and (not log.exists() or len(log.read_text().splitlines()) < kill_at):
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.returncode == -signal.SIGKILL
    with pytest.raises(RunFolderError, match="--resume"):
        train(**fields | {"out": str(folder)})
    resumed = train(**fields | {"out": str(folder), "resume": True})
    left, right = (load_file(r.folder / "last" / "adapter.safetensors") for r in (whole, resumed))
    assert len(left) > 10
    assert all(torch.equal(left[name], right[name]) for name in left)
    steps = [[row["step"] for row in _lines(r.folder / "log.jsonl")] for r in (whole, resumed)]
    losses = [[row["loss"] for row in _lines(r.folder / "log.jsonl")] for r in (whole, resumed)]
    assert steps[0] == steps[1] == list(range(1, 15))
    assert losses[0] == losses[1]
    assert _scores(whole) == _scores(resumed)
    best = [load_file(r.adapter_folder / "adapter.safetensors") for r in (whole, resumed)]
    assert all(torch.equal(best[0][name], best[1][name]) for name in best[0])


def _scores(result):
    return [(row["step"], row["mean"]) for row in _lines(result.folder / "val.jsonl")]


def test_ctrl_c_saves_and_resume_goes_on(fields, monkeypatch):
    tell = Loop._tell

    def interrupt(self, parts, lr):
        tell(self, parts, lr)
        if self.progress.step == 3:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Loop, "_tell", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(**fields)
    monkeypatch.undo()
    result = train(**fields | {"resume": True})
    assert [row["step"] for row in _lines(result.folder / "log.jsonl")] == [1, 2, 3, 4, 5, 6]
    again = train(**fields | {"resume": True})
    assert again.best_metric == result.best_metric


def test_a_loss_that_is_not_finite_stops_with_the_batch(fields):
    with pytest.raises(NonFiniteLoss, match=r"is nan|is inf") as caught:
        train(**fields | {"optimizer": {"lr": 1e30}, "schedule": {"warmup": 0}})
    folder = caught.value.where
    facts = json.loads((folder / f"{DUMP}.json").read_text())
    batch = load_file(folder / f"{DUMP}.safetensors")
    assert batch["pixel_values"].shape == (4, 3, 64, 64)
    assert facts["inputs_finite"] == {"pixel_values": True}
    assert len(facts["samples"]) == 4


def test_a_time_limit_ends_the_run_and_counts_earlier_minutes(fields):
    del fields["steps"]
    fields |= {"max_minutes": 0.02, "batch_size": 2}
    result = train(**fields)
    assert result.seconds >= 1.2
    steps = _lines(result.folder / "log.jsonl")[-1]["step"]
    start = time.monotonic()
    again = train(**fields | {"resume": True})
    assert _lines(result.folder / "log.jsonl")[-1]["step"] == steps
    assert again.seconds == pytest.approx(result.seconds)
    assert time.monotonic() - start < 30


def test_accumulated_batches_equal_one_large_batch(fields, tmp_path):
    """Per-sample loss: the mean of two halves is the whole."""
    fields |= {"task": {"task": "semantic", "per_sample": True}, "precision": "fp32", "steps": 3}
    fields |= {"augment": {"policy": "none"}, "optimizer": {"lr": 1e-3}}
    results = []
    for size, accumulate in ((4, 1), (2, 2)):
        out = str(tmp_path / f"{size}")
        results.append(train(**fields | {"batch_size": size, "accumulate": accumulate, "out": out}))
    left, right = (load_file(r.folder / "last" / "adapter.safetensors") for r in results)
    worst = max(float((left[name] - right[name]).abs().max()) for name in left)
    losses = [_lines(r.folder / "log.jsonl")[-1]["loss"] for r in results]
    assert len(left) > 10
    assert worst < 2e-4
    assert losses[0] == pytest.approx(losses[1], rel=1e-4)
    assert losses[0] != pytest.approx(_lines(results[0].folder / "log.jsonl")[0]["loss"], rel=1e-3)


def test_tensorboard_events_are_written_if_asked(fields):
    pytest.importorskip("tensorboard")
    result = train(**fields | {"steps": 2, "tensorboard": True})
    assert len(list((result.folder / "tensorboard").glob("events*"))) == 1


def test_patience_ends_a_run_that_no_longer_improves(fields):
    fields |= {"steps": 30, "optimizer": {"lr": 1e-12}, "validation": {"every": 2, "patience": 2, "max_cases": 1}}
    result = train(**fields)
    assert [row["step"] for row in _lines(result.folder / "val.jsonl")] == [2, 4, 6]


def test_the_encoder_may_learn_at_a_lower_rate(fields, tmp_path):
    def moved(factor: float) -> float:
        settings = {"lr": 1e-3, "weight_decay": 0.0, "encoder_factor": factor}
        changed = {"method": {"method": "full"}, "steps": 2, "optimizer": settings, "out": tmp_path / f"run{factor}"}
        run = train(**fields | changed)
        before, after = (load_model(m).sam.vision_encoder.state_dict() for m in (fields["model"], run.folder))
        return sum(float((before[name] - after[name]).abs().sum()) for name in before)

    assert moved(0.01) == pytest.approx(0.01 * moved(1.0), rel=0.3)


def test_a_lower_rate_for_frozen_encoders_is_refused(fields):
    with pytest.raises(ConfigError, match="encoder_factor"):
        train(**fields, optimizer={"encoder_factor": 0.5})


def test_the_package_can_be_called(fields):
    assert samadapt.train(**fields | {"steps": 1}).folder.name == "run"
    import samadapt.train as package

    assert package(**fields | {"steps": 1, "resume": True}).best_metric is not None


def test_a_mistake_is_named(fields, tmp_path):
    with pytest.raises(ConfigError, match=r"optimizer\.lr"):
        train(**fields | {"optimizer": {"learning_rate": 1e-3}})
    with pytest.raises(ConfigError, match="length of the run"):
        train(**{k: v for k, v in fields.items() if k != "steps"})
    with pytest.raises(ConfigError, match="nothing to adapt"):
        train(**fields | {"model": "new", "new": {"network": "test"}, "task": "box"})
    with pytest.raises(ConfigError, match="no split called 'trian'"):
        train(**fields | {"train_split": "trian", "out": str(tmp_path / "b")})


def test_a_split_without_labels_is_refused_and_an_absent_class_is_named(fields, store_with, tmp_path, capfd):
    empty, partial = store_with("empty", []), store_with("partial", [1, 2])
    with pytest.raises(DataError, match=r"'train' has no slices with anything to learn.*samadapt doctor") as error:
        train(**fields | {"data": str(empty)})
    assert (error.value.exit_code, error.value.where) == (1, empty)
    assert not (tmp_path / "run").exists()
    train(**fields | {"data": str(partial), "steps": 1})
    said = capfd.readouterr().err
    assert "no case of the split 'train' has right kidney, so it cannot be learnt" in said
    assert str(partial) in said
