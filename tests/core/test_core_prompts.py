"""Prompts: validation and the JSON artefact."""

from __future__ import annotations

import json

import numpy as np
import pytest

from samadapt.core.errors import PromptError
from samadapt.core.prompts import Box, Points, Prompt, PromptKey, PromptSet


def prompt_set():
    items = {
        PromptKey("case 1", 3, 2): Prompt(box=Box(1.0, 2.0, 30.5, 40.0)),
        PromptKey("case 1", 3, 2, 1): Prompt(points=Points([[1.25, 2], [3, 4]], [1, 0])),
        PromptKey("päckchen", 0, 1): Prompt(Points([[0.1, 0.2]], [1]), Box(0.0, 0.0, 5.0, 5.0)),
        PromptKey("nothing", 0, 1): Prompt(),
    }
    return PromptSet("ground truth", "point:2", 7, "abc", items)


def test_json_round_trip_keeps_every_prompt():
    first = prompt_set()
    again = PromptSet.from_json(first.to_json())
    assert (again.origin, again.policy, again.seed, again.data) == ("ground truth", "point:2", 7, "abc")
    assert len(again) == 4
    assert list(again.items) == list(first.items)
    compared = 0
    for (_, a), (_, b) in zip(first, again):
        assert a.box == b.box
        assert (a.points is None) == (b.points is None)
        if a.points is not None:
            assert np.array_equal(a.points.xy, b.points.xy)
            assert np.array_equal(a.points.labels, b.points.labels)
        compared += 1
    assert compared == 4
    assert again.fingerprint == first.fingerprint


def test_fingerprint_depends_on_everything():
    first = prompt_set()
    moved = dict(first.items)
    moved[PromptKey("case 1", 3, 2)] = Prompt(box=Box(1, 2, 30.5, 41))
    changed = [
        PromptSet("human", first.policy, first.seed, first.data, first.items),
        PromptSet(first.origin, "box", first.seed, first.data, first.items),
        PromptSet(first.origin, first.policy, 8, first.data, first.items),
        PromptSet(first.origin, first.policy, first.seed, "abd", first.items),
        PromptSet(first.origin, first.policy, first.seed, first.data, moved),
    ]
    assert len({first.fingerprint, *(p.fingerprint for p in changed)}) == 6


BROKEN = {
    "no JSON": "{",
    "another format": json.dumps({"format": "coco", "version": 1}),
    "a later version": json.dumps({"format": "samadapt-prompts", "version": 99, "prompts": []}),
    "no header": json.dumps({"prompts": []}),
    "a list": "[]",
    "a box of three numbers": json.dumps(
        json.loads(prompt_set().to_json())
        | {"prompts": [{"case": "a", "slice": 0, "label": 1, "object": 0, "box": [1, 2, 3]}]}
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_files_are_refused(name):
    with pytest.raises(PromptError):
        PromptSet.from_json(BROKEN[name], where="prompts.json")


@pytest.mark.parametrize(
    ("xy", "labels", "message"),
    [
        ([[1, 2]], [1, 0], "1 points need as many labels, not 2"),
        ([[1, np.inf]], [1], "finite"),
        ([[1, 2]], [-1], "1 .object. or 0"),
        ([[1, 2]], [2], "1 .object. or 0"),
    ],
)
def test_points_are_checked(xy, labels, message):
    with pytest.raises(PromptError, match=message):
        Points(xy, labels)


def test_points_outside_the_image_are_named():
    Points([[-0.5, -0.5], [9.5, 4.5]], [1, 1]).require_inside((5, 10))
    with pytest.raises(PromptError, match=r"\(10, 2\).*width 10 and height 5"):
        Points([[1, 1], [10, 2]], [1, 1]).require_inside((5, 10))


def test_boxes_are_checked():
    assert Box.from_array([[1, 2, 3, 4]]) == Box(1, 2, 3, 4)
    assert Box(1, 2, 3, 4).xyxy.dtype == np.float32
    Box(0, 0, 9, 4).require_inside((5, 10))
    with pytest.raises(PromptError, match="reversed"):
        Box(3, 2, 1, 4)
    with pytest.raises(PromptError, match="finite"):
        Box(np.nan, 0, 1, 1)
    with pytest.raises(PromptError, match="four numbers"):
        Box.from_array([1, 2, 3])
    with pytest.raises(PromptError, match="leaves the image"):
        Box(0, 0, 11, 4).require_inside((5, 10))
    with pytest.raises(PromptError, match="leaves the image"):
        Box(-1, 0, 5, 4).require_inside((5, 10))
