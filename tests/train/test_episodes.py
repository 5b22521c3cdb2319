"""Episodes: small problems whose given pictures must suffice, and a branch that other runs begin with."""

import numpy as np
import pytest
import torch

import samadapt
from samadapt.adapt.detail import start_of
from samadapt.adapt.semantic import add_head
from samadapt.core.errors import ConfigError
from samadapt.core.image import LabelSet
from samadapt.models import preprocess
from samadapt.train.config import AugmentConfig
from samadapt.train.episode_step import PENALTY, linear_answer
from samadapt.train.episodes import EpisodeSamples
from samadapt.train.losses import IGNORE
from samadapt.train.order import Ticket
from samadapt.train.pictures import ScenePictures
from samadapt.train.samples import Prepare, Zoom

LABELS = LabelSet.from_names({1: "liver", 2: "kidney"})


def _samples(classes=3, versions=4, **augment):
    prepare = Prepare(preprocess.get("tiny", 64), AugmentConfig(**augment), True, 0, 64)
    return EpisodeSamples(ScenePictures(100, 0, 64, "episode test"), prepare, Zoom(0.9), versions, classes)


def test_an_episode_shows_the_same_objects_several_times():
    found = [_samples(elastic=0.08)[Ticket(0, place, place)] for place in range(6)]
    for episode in found:
        assert episode["pixel_values"].shape == (4, 3, 64, 64)
        assert episode["labels"].shape == (4, 64, 64)
        assert set(episode["labels"].unique().tolist()) <= {IGNORE, 0, 1, 2, 3}
        assert not torch.equal(episode["pixel_values"][0], episode["pixel_values"][1])
    shares = torch.stack([(episode["labels"] == 1).float().mean((1, 2)) for episode in found])
    assert (shares > 0).any(1).sum() >= 5
    assert torch.equal(found[2]["labels"], _samples(elastic=0.08)[Ticket(0, 2, 2)]["labels"])


def test_without_augmentation_all_pictures_of_an_episode_have_the_same_labels():
    labels = _samples(policy="none")[Ticket(0, 1, 1)]["labels"]
    assert all(torch.equal(labels[0], other) for other in labels[1:])


def test_the_answer_is_a_ridge_regression():
    rng = np.random.default_rng(0)
    features = torch.from_numpy(rng.normal(size=(1, 2, 5, 8, 8)).astype(np.float32))
    labels = torch.from_numpy(rng.integers(0, 2, (1, 2, 8, 8)))
    labels[0, 0, 0] = IGNORE
    answer, shown = linear_answer(features, labels, 4)
    x = np.concatenate([features[0].permute(0, 2, 3, 1).reshape(-1, 5).numpy(), np.ones((128, 1))], 1)
    y = np.eye(4)[labels[0].clamp(min=0).flatten().numpy()] * (labels[0].flatten().numpy() != IGNORE)[:, None]
    weight = (y / np.sqrt(np.maximum(y.sum(0), 1))).sum(1)
    weight /= weight.sum()
    expected = np.linalg.solve(x.T @ (weight[:, None] * x) + PENALTY * np.eye(6), x.T @ (weight[:, None] * y))
    np.testing.assert_allclose(answer[0].numpy(), expected, atol=1e-5)
    assert shown[0].tolist() == [True, True, False, False]


@pytest.fixture(scope="module")
def run(base_model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("episodes") / "run"
    samadapt.train(**_fields(base_model), out=folder)
    return folder


def _fields(base):
    return {
        "model": str(base),
        "data": "synthetic",
        "synthetic": {"size": 64, "validation_scenes": 4},
        "task": {"task": "episodes", "detail": 8, "zoom_share": 0.5},
        "optimizer": {"lr": 3e-3},
        "schedule": {"shape": "constant", "warmup": 5},
        "augment": {"elastic": 0.05},
        "validation": {"every": 30},
        "batch_size": 4,
        "steps": 60,
        "num_workers": 0,
        "log_every": 1,
        "precision": "fp32",
    }


def test_a_run_learns_and_leaves_the_base_model_as_it_was(base_model, run):
    import json

    losses = [json.loads(line)["loss"] for line in (run / "log.jsonl").read_text().splitlines()]
    assert np.mean(losses[-10:]) < 0.9 * np.mean(losses[:10])
    before, after = samadapt.load_model(base_model), samadapt.load_model(run)
    assert before.base_hash == after.base_hash
    assert not before.detail_start
    assert after.detail_start


def test_a_head_begins_with_the_branch_that_its_model_brings(base_model, run):
    model = samadapt.load_model(run)
    add_head(model, LABELS, detail=8)
    start = start_of(model.detail)
    assert all(torch.equal(start[name], value) for name, value in model.detail_start.items())
    assert not model.detail.answer.weight.any()
    other = samadapt.load_model(run)
    add_head(other, LABELS, detail=12)
    assert other.detail.answer.weight.shape == (3, 12, 1, 1)


def test_a_branch_of_another_number_of_channels_begins_from_nothing(run):
    model = samadapt.load_model(run, channels="a,b,c,d")
    add_head(model, LABELS, detail=8)
    assert model.detail.down[0][0].weight.shape[1] == 4


def test_episodes_need_generated_scenes_and_a_model(base_model, tmp_path):
    for change in ({"data": str(tmp_path)}, {"model": "new"}):
        with pytest.raises(ConfigError, match="episodes are made of generated scenes"):
            samadapt.train(**_fields(base_model) | change, out=tmp_path / "no")
