"""Kept embeddings: the same training bit for bit, never a stale one, and what stands in the way."""

import json
import shutil
import signal
from dataclasses import replace

import pytest
import torch

from samadapt import models
from samadapt.core.errors import ConfigError, DiskFull, StoreError
from samadapt.core.manifest import read_run
from samadapt.models.architecture import KNOWN
from samadapt.models.loading import save_packaged
from samadapt.train import train
from samadapt.train.loop import Loop
from samadapt.train.steps import Step

INTERACTIVE = {"task": "interactive", "rounds": 2, "objects": 2, "zoom_share": 0.0}
TASKS = {
    "semantic": {"task": "semantic"},
    "detail": {"task": "semantic", "detail": 2},
    "box": {"task": "box", "zoom_share": 0.0},
    "interactive": INTERACTIVE,
    "sammed2d": INTERACTIVE | {"protocol": "sammed2d", "frozen_embedding": True},
    "msa": INTERACTIVE | {"protocol": "msa"},
}


@pytest.fixture
def plain(fields, tmp_path):
    """A run in which every picture has the same embedding every time."""
    return fields | {
        "method": {"method": "decoder", "train_prompt_encoder": True},
        "augment": {"policy": "none"},
        "steps": 4,
        "batch_size": 3,
        "optimizer": {"lr": 1e-3},
    }


def _run(config, out, **changes):
    """Weights, losses and scores of a run."""
    result = train(**config | changes | {"out": str(out)})
    lines = {name: [json.loads(line) for line in (out / name).read_text().splitlines()] for name in FILES}
    kept = [[{k: v for k, v in row.items() if k not in CLOCK} for row in rows] for rows in lines.values()]
    return torch.load(out / "state.pt", weights_only=True)["weights"], kept, read_run(result.folder)


FILES = ("log.jsonl", "val.jsonl")
CLOCK = ("seconds", "images_per_s")


def _equal(left, right):
    return len(left) > 10 and left.keys() == right.keys() and all(torch.equal(left[k], right[k]) for k in left)


@pytest.fixture
def encoded(monkeypatch):
    """Number of images that went through the encoder, one entry a call."""
    calls, encode = [], Step.encode

    def counted(self, pixel_values):
        calls.append(len(pixel_values))
        return encode(self, pixel_values)

    monkeypatch.setattr(Step, "encode", counted)
    return calls


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_kept_embeddings_train_the_same_weights_bit_for_bit(plain, task, tmp_path, encoded):
    config = plain | {"task": TASKS[task]}
    weights, lines, _ = _run(config, tmp_path / "plain")
    assert max(encoded) == 3
    encoded.clear()
    kept, kept_lines, run = _run(config, tmp_path / "kept", cache_embeddings=str(tmp_path / "embeddings"))
    folder = tmp_path / "embeddings" / run["embeddings"]
    assert len(encoded) == sum(encoded) == len(list(folder.glob("*.safetensors"))) > 15
    assert _equal(weights, kept)
    assert lines == kept_lines
    assert len(lines[0]) == 4
    assert len(lines[1]) == 2


def test_a_network_with_a_fine_path_keeps_its_finer_maps(plain, tmp_path):
    network = replace(KNOWN["test"], fine=4)
    base = save_packaged(models.fresh(network, seed=1), tmp_path / "base", "fine")
    config = plain | {"model": str(base), "task": INTERACTIVE}
    weights, lines, _ = _run(config, tmp_path / "plain")
    kept, kept_lines, _ = _run(config, tmp_path / "kept", cache_embeddings=str(tmp_path / "embeddings"), num_workers=1)
    assert _equal(weights, kept)
    assert lines == kept_lines


def test_a_second_run_encodes_nothing_and_another_encoder_or_store_everything(plain, tmp_path, encoded, store_with):
    plain |= {"cache_embeddings": str(tmp_path / "embeddings"), "steps": 1}
    _, _, first = _run(plain, tmp_path / "first")
    count = len(encoded)
    _, _, second = _run(
        plain, tmp_path / "second", seed=5, method={"method": "lora", "encoder": False, "decoder": True}
    )
    assert len(encoded) == count == 25
    other = save_packaged(models.fresh("test", seed=2), tmp_path / "other", "other")
    changes = [
        {"model": str(other)},
        {"image_size": 96},
        {"preprocessing": "samed"},
        {"context": 3},
        {"precision": "fp32"},
        {"data": str(store_with("relabelled", [1, 2]))},
    ]
    names = {first["embeddings"], second["embeddings"]}
    for number, change in enumerate(changes):
        encoded.clear()
        names.add(_run(plain, tmp_path / f"changed{number}", **change)[2]["embeddings"])
        assert len(encoded) == count
    assert len(names) == 1 + len(changes) == 7


def test_an_interrupted_filling_goes_on_and_a_cut_file_is_made_again(plain, tmp_path, encoded, monkeypatch):
    config = plain | {"cache_embeddings": str(tmp_path / "embeddings")}
    whole, lines, _ = _run(plain, tmp_path / "plain")
    encoded.clear()
    counted = Step.encode

    def stopping(self, pixel_values):
        if len(encoded) == 10:
            raise KeyboardInterrupt
        return counted(self, pixel_values)

    with monkeypatch.context() as patch:
        patch.setattr(Step, "encode", stopping)
        with pytest.raises(KeyboardInterrupt):
            train(**config | {"out": str(tmp_path / "kept")})
    files = sorted((tmp_path / "embeddings").glob("*/*.safetensors"))
    assert len(files) == 10
    assert not (tmp_path / "kept").exists()
    files[3].write_bytes(files[3].read_bytes()[:-100])
    encoded.clear()
    weights, kept_lines, _ = _run(config, tmp_path / "kept")
    assert len(encoded) == 25 - 10 + 1
    assert _equal(whole, weights)
    assert lines == kept_lines


def test_a_damaged_embedding_is_never_learnt_from(plain, tmp_path):
    plain |= {"cache_embeddings": str(tmp_path / "embeddings"), "save_every": 1, "steps": 8}
    _run(plain, tmp_path / "first", steps=1)
    victim = sorted((tmp_path / "embeddings").glob("*/*.safetensors"))[5]
    content = bytearray(victim.read_bytes())
    content[-40] ^= 1
    victim.write_bytes(content)
    with pytest.raises(StoreError, match=r"checksum.*Delete this file.*--resume") as caught:
        train(**plain | {"out": str(tmp_path / "second")})
    assert caught.value.where == victim
    victim.unlink()
    train(**plain | {"out": str(tmp_path / "second"), "resume": True})


def test_a_disk_without_room_is_told_after_the_first_picture(plain, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=2000))
    with pytest.raises(DiskFull, match=r"embeddings need .* GB more"):
        train(**plain | {"cache_embeddings": str(tmp_path / "embeddings")})
    assert len(list((tmp_path / "embeddings").glob("*/*.safetensors"))) == 1
    assert not (tmp_path / "run").exists()


def test_a_file_in_place_of_the_folder_is_refused(plain, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(ConfigError, match=r"cache_embeddings .*taken.*another folder"):
        train(**plain | {"cache_embeddings": str(tmp_path / "taken")})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"method": {"method": "lora"}}, r"method lora.*encoder learns.*method\.method=decoder"),
        ({"method": {"method": "adapter"}}, r"method adapter.*encoder learns"),
        ({"method": {"method": "full"}}, r"method full.*encoder learns"),
        ({"augment": {"policy": "safe"}}, r"augment\.policy safe.*Set augment\.policy=none"),
        ({"task": {"task": "box", "zoom_share": 0.5}}, r"0\.5 of the samples.*Set task\.zoom_share=0"),
        ({"data": "synthetic", "task": {"task": "box", "zoom_share": 0}}, r"generated scenes.*samadapt synth"),
    ],
)
def test_what_shows_other_pixels_or_moves_the_encoder_is_refused(plain, tmp_path, change, message):
    with pytest.raises(ConfigError, match=message):
        train(**plain | change | {"cache_embeddings": str(tmp_path / "embeddings")})
    assert not (tmp_path / "embeddings").exists()
    assert not (tmp_path / "run").exists()


def test_a_run_may_go_on_without_its_embeddings(plain, tmp_path, monkeypatch):
    whole, lines, _ = _run(plain, tmp_path / "plain")
    tell = Loop._tell

    def interrupt(self, parts, lr):
        tell(self, parts, lr)
        if self.progress.step == 3:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "_tell", interrupt)
        with pytest.raises(KeyboardInterrupt):
            _run(plain, tmp_path / "kept", cache_embeddings=str(tmp_path / "embeddings"))
    weights, resumed, _ = _run(plain, tmp_path / "kept", resume=True)
    assert _equal(whole, weights)
    assert lines == resumed
