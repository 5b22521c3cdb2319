"""The first answer of a branch that answers alone."""

import json
import sys

import numpy as np
import pytest
import torch

import samadapt
from samadapt.core.errors import ConfigError
from samadapt.train.answer import PENALTY, linear_answer
from samadapt.train.losses import IGNORE


def _alone(fields, **more):
    task = {"task": "semantic", "detail": 8, "decoder": False}
    return fields | {"task": task, "method": {"method": "head"}, "context": 3, "log_every": 1} | more


def _losses(folder):
    return [json.loads(line)["loss"] for line in (folder / "log.jsonl").read_text().splitlines()]


def test_it_is_better_than_an_answer_of_zeros_before_any_step(fields, monkeypatch):
    fitted = samadapt.train(**_alone(fields, steps=1))
    monkeypatch.setattr(sys.modules["samadapt.train.build"], "begin_answer", lambda *_: None)
    zeros = samadapt.train(**_alone(fields, steps=1, out=fields["out"] + "-zeros"))
    assert _losses(fitted.folder)[0] < 0.75 * _losses(zeros.folder)[0]


def test_a_branch_learns_alone_and_predicts_again(fields):
    result = samadapt.train(**_alone(fields, steps=25, optimizer={"lr": 3e-3}))
    losses = _losses(result.folder)
    assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
    assert result.best_metric > 0.5
    model = samadapt.load_model(result.folder)
    assert (model.head.decoder, model.head.detail) == (False, 8)
    base = samadapt.load_model(fields["model"])
    encoders = (one.sam.vision_encoder.state_dict() for one in (model, base))
    assert all(torch.equal(a, b) for a, b in zip(*(state.values() for state in encoders)))


def test_nothing_answers_without_decoder_and_branch(fields):
    with pytest.raises(ConfigError, match="needs a detail branch"):
        samadapt.train(**_alone(fields, task={"task": "semantic", "decoder": False}, steps=1))


def test_the_answer_is_a_ridge_regression():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(128, 5)).astype(np.float32)
    labels = rng.integers(0, 2, 128)
    labels[:8] = IGNORE
    answer = linear_answer(torch.from_numpy(features), torch.from_numpy(labels), 4).numpy()
    x = np.concatenate([features, np.ones((128, 1))], 1)
    y = np.eye(4)[np.maximum(labels, 0)] * (labels != IGNORE)[:, None]
    weight = (y / np.sqrt(np.maximum(y.sum(0), 1))).sum(1)
    weight /= weight.sum()
    expected = np.linalg.solve(x.T @ (weight[:, None] * x) + PENALTY * np.eye(6), x.T @ (weight[:, None] * y))
    np.testing.assert_allclose(answer, expected, atol=1e-5)
    assert not answer[:, 2:].any()
