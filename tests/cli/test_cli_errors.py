"""Exit codes, and errors as a box or as JSON."""

from __future__ import annotations

import json

import pytest

from samadapt.cli import generate
from samadapt.cli.main import COMMANDS
from samadapt.config import Config
from samadapt.core.errors import DataError, StoreError


@pytest.mark.parametrize(
    "words",
    [
        ["nonsense"],
        ["train", "--no-such-option"],
        ["train", "--data", "a"],
        ["train", "--data", "a", "--out", "b", "--steps", "0"],
        ["train", "--data", "a", "--out", "b", "--steps", "many"],
        ["train", "--data", "a", "--out", "b", "--steps", "1", "-s", "sede=1"],
        ["train", "--data", "a", "--out", "b", "--steps", "1", "-c", "gone.yaml"],
        ["evaluate", "--data", "gone", "--out", "b"],
        ["evaluate", "--data", "a", "--out", "b", "--prompts", "boxes"],
        ["predict"],
        ["inspect", "gone.pth"],
        ["report", "gone", "--out", "a.html"],
    ],
)
def test_wrong_usage_and_input_exit_with_two(samadapt, tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    answer = samadapt(*words)
    assert answer.code == 2
    assert answer.out == ""
    assert "Traceback" not in answer.err
    assert answer.err


def test_an_unknown_key_names_the_nearest(samadapt):
    answer = samadapt("train", "--data", "a", "--out", "b", "--steps", "1", "-s", "sede=1")
    assert "did you mean 'seed'" in answer.err
    assert "ConfigError" in answer.err


def test_a_bad_dataset_exits_with_one(samadapt, tmp_path):
    (tmp_path / "images").mkdir()
    answer = samadapt("prepare", tmp_path, "--recipe", "folder", "--out", tmp_path / "store")
    assert answer.code == 1
    assert "DataError" in answer.err
    assert str(tmp_path) in answer.err


def test_an_error_as_json(samadapt):
    answer = samadapt("evaluate", "--data", "gone", "--out", "b", "--json")
    assert (answer.code, answer.err) == (2, "")
    error = json.loads(answer.out)["error"]
    assert set(error) == {"kind", "what", "where", "remedy"}
    assert (error["kind"], error["where"]) == ("StoreError", "gone")


class Job(Config):
    """A job."""

    size: int = 1


def command(monkeypatch, run, **more):
    """The evaluate command replaced by one of a test."""
    import samadapt.cli.evaluate

    monkeypatch.setattr(samadapt.cli.evaluate, "command", generate.make_command(Job, run, **more))


def raises(error):
    def run(_):
        raise error

    return run


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (DataError("nothing in it", where="a/b", remedy="Add some."), 1, ["nothing in it", "Where: a/b", "Add some."]),
        (StoreError("damaged [0]"), 2, ["StoreError", "damaged [0]"]),
        (PermissionError(13, "Permission denied", "/root/x"), 2, ["Permission denied", "/root/x"]),
        (KeyboardInterrupt(), 130, ["--resume"]),
    ],
)
def test_exit_code_follows_the_error(samadapt, monkeypatch, error, code, said):
    command(monkeypatch, raises(error))
    answer = samadapt("evaluate")
    assert answer.code == code
    assert answer.out == ""
    for text in said:
        assert text in answer.err


def test_errors_of_the_program_itself_are_not_hidden(monkeypatch):
    from samadapt.cli.main import main

    command(monkeypatch, raises(ZeroDivisionError("bug")))
    with pytest.raises(ZeroDivisionError):
        main(["evaluate"])


def test_the_result_decides_between_zero_and_one(samadapt, monkeypatch):
    command(monkeypatch, lambda config: {"size": config.size}, exit_code=lambda result: int(result["size"] > 1))
    assert samadapt("evaluate").code == 0
    assert samadapt("evaluate", "--size", "2").code == 1


def test_a_result_is_shown_or_printed_as_json(samadapt, monkeypatch):
    command(monkeypatch, lambda config: {"size": config.size}, show=lambda result: print("size", result["size"]))
    assert samadapt("evaluate").out == "size 1\n"
    assert json.loads(samadapt("evaluate", "--json").out) == {"size": 1}


def test_a_dataclass_result_is_printed_as_json(samadapt, monkeypatch, tmp_path):
    from samadapt.train import TrainResult

    command(monkeypatch, lambda _: TrainResult(tmp_path, tmp_path / "adapter", 0.5, 2.0, "box"))
    found = json.loads(samadapt("evaluate", "--json").out)
    assert found == {
        "folder": str(tmp_path),
        "adapter_folder": str(tmp_path / "adapter"),
        "best_metric": 0.5,
        "seconds": 2.0,
        "task": "box",
    }


@pytest.mark.parametrize(("task", "prompts"), [("semantic", "none"), ("interactive", "box"), ("box", "box")])
def test_a_training_says_how_to_measure_what_it_learnt(capsys, monkeypatch, tmp_path, task, prompts):
    from samadapt.cli.train import _show
    from samadapt.train import TrainResult

    _show(TrainResult(tmp_path, tmp_path / "adapter", 0.5, 2.0, task))
    assert f"--prompts {prompts} " in capsys.readouterr().out
    monkeypatch.setenv("LOCAL_RANK", "1")
    _show(TrainResult(tmp_path, tmp_path / "adapter", 0.5, 2.0, task))
    assert capsys.readouterr().out == ""


def test_no_command_shows_the_help(samadapt):
    answer = samadapt()
    assert answer.code in (0, 2)
    assert all(name in answer.out + answer.err for name in COMMANDS)
