"""-c, -s, --show-config and options that take several values."""

from __future__ import annotations

import pytest
import yaml

from samadapt.cli.main import COMMANDS
from samadapt.cli.words import expand_lists

CALLS = {
    "demo": ["--minutes", "0.5"],
    "synth": ["--out", "a", "--kind", "scenes"],
    "prepare": ["in", "--out", "store", "--workers", "0", "-s", "options.modality=CT"],
    "corpus": ["in", "--out", "corpus", "-s", "rules.min_area_share=0.01", "--workers", "0"],
    "convert": ["tiny", "--to", "meta", "--out", "a.pth"],
    "merge": ["adapter", "--out", "a.pth", "--onto", "tiny"],
    "unmerge": ["a.pth", "--out", "b.pth"],
    "evaluate": ["--data", "store", "--out", "run", "--prompts", "box", "point:3"],
    "score": [
        "--reference",
        "store",
        "--prediction",
        "a",
        "--out",
        "run",
        "-s",
        "values.255=1",
        "--conventions",
        "all",
    ],
    "train": ["--data", "a", "--out", "b", "--steps", "3", "--method", "adapter", "-s", "optimizer.lr=0.001"],
    "sweep": ["--data", "store", "--out", "run"],
    "scaling": ["--data", "store", "--out", "run"],
    "export-nnunet": ["store", "--out", "Dataset001_A"],
    "auto": ["cell.png", "--out", "found", "--pred-iou-thresh", "0.5"],
    "study": ["gid", "--out", "gid-study"],
    "predict": ["scan.nii", "--out", "b.nii", "--point", "1,2,+", "--point", "3,4,-", "--slice", "0"],
}


@pytest.mark.parametrize("name", CALLS)
def test_the_shown_configuration_gives_itself(samadapt, tmp_path, name):
    first = samadapt(name, *CALLS[name], "--show-config")
    assert first.code == 0, first.err
    (tmp_path / "c.yaml").write_text(first.out)
    positional = [word for word in CALLS[name][:1] if not word.startswith("-")]
    again = samadapt(name, *positional, "-c", tmp_path / "c.yaml", "--show-config")
    assert (again.code, again.out) == (0, first.out)
    assert len(yaml.safe_load(first.out)) >= 3


def test_options_go_before_the_file_and_overrides_before_options(samadapt, tmp_path):
    (tmp_path / "c.yaml").write_text("data: a\nout: b\nsteps: 3\nseed: 1\nbatch_size: 5\nmethod: lora\n")
    words = ["-c", tmp_path / "c.yaml", "--seed", "2", "-s", "seed=3", "-s", "method.rank=16", "--show-config"]
    shown = yaml.safe_load(samadapt("train", *words).out)
    assert (shown["seed"], shown["batch_size"], shown["method"]["rank"]) == (3, 5, 16)


def test_choices_that_are_numbers_stay_numbers(samadapt):
    words = ["--data", "a", "--out", "b", "--steps", "1", "--context", "3", "--show-config"]
    assert yaml.safe_load(samadapt("train", *words).out)["context"] == 3


def test_a_switch_in_the_file_can_be_turned_off(samadapt, tmp_path):
    (tmp_path / "c.yaml").write_text("data: a\nout: b\nsteps: 3\ntensorboard: true\n")
    shown = samadapt("train", "-c", tmp_path / "c.yaml", "-s", "tensorboard=false", "--show-config").out
    assert yaml.safe_load(shown)["tensorboard"] is False
    assert (
        yaml.safe_load(samadapt("prepare", "in", "--out", "x", "--no-resume", "--show-config").out)["resume"] is False
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--prompts", "box", "point:1"], ["box", "point:1"]),
        (["--prompts", "box", "--prompts", "point:1"], ["box", "point:1"]),
        (["--prompts", "box,point:1"], ["box", "point:1"]),
        (["--prompts", "none"], ["none"]),
        ([], ["box"]),
    ],
)
def test_several_values_after_one_option(samadapt, words, expected):
    answer = samadapt("evaluate", "--data", "a", *words, "--out", "b", "--show-config")
    assert answer.code == 0, answer.err
    assert yaml.safe_load(answer.out)["prompts"] == expected
    assert yaml.safe_load(answer.out)["out"] == "b"


def test_only_list_options_are_expanded():
    from samadapt.cli.evaluate import command

    words = ["evaluate", "--data", "a", "--prompts", "box", "centre", "point:2", "--seed", "1"]
    expected = ["evaluate", "--data", "a", "--prompts", "box", "--prompts", "centre", "--prompts", "point:2"]
    assert expand_lists(command, words) == [*expected, "--seed", "1"]


def test_commands_with_a_positional_argument_do_not_expand(samadapt):
    shown = yaml.safe_load(
        samadapt("predict", "--box", "1,2,3,4", "--box", "5,6,7,8", "in.png", "--out", "o.png", "--show-config").out
    )
    assert (shown["source"], shown["box"]) == ("in.png", ["1,2,3,4", "5,6,7,8"])


def test_every_generated_command_was_called():
    assert set(CALLS) == set(COMMANDS) - {"datasets", "doctor", "models", "inspect", "recipes", "report", "compare"}
