"""Errors, generators by name, progress and predictions."""

from __future__ import annotations

import numpy as np
import pytest

from samadapt.core import errors, progress
from samadapt.core.prediction import Prediction
from samadapt.core.rng import named_rng, named_seed


def test_an_error_says_what_where_and_the_remedy():
    error = errors.StoreError("it is damaged", where="a/store", remedy="Prepare it again.")
    assert str(error) == "a/store: it is damaged. Prepare it again."
    assert str(errors.StoreError("it is damaged")) == "it is damaged"
    assert (error.what, error.where, error.remedy) == ("it is damaged", "a/store", "Prepare it again.")


def test_every_error_has_an_exit_code():
    kinds = [v for v in vars(errors).values() if isinstance(v, type) and issubclass(v, errors.SamadaptError)]
    assert len(kinds) >= 16
    assert {kind.exit_code for kind in kinds} == {1, 2}
    assert all(kind.__doc__ for kind in kinds)


def test_generators_depend_on_the_names_alone():
    assert named_rng("a", 1).integers(1 << 60) == named_rng("a", 1).integers(1 << 60)
    # A separator keeps ("ab", "c") and ("a", "bc") apart.
    names = [("a", 1), ("a", 2), ("b", 1), (1, "a"), ("ab", "c"), ("a", "bc"), ("abc",), ()]
    seeds = {named_seed(*n) for n in names}
    assert len(seeds) == len(names) == 8
    assert all(0 <= seed < 1 << 64 for seed in seeds)


def test_a_named_seed_never_changes():
    # A stored run can be drawn again only while this number stays.
    assert named_seed("prompt", 0, "case", 3) == 15110509185979629802


def test_generators_of_neighbouring_names_are_independent():
    draws = np.array([named_rng("noise", 0, "case", z).standard_normal(500) for z in range(40)])
    correlation = np.corrcoef(draws) - np.eye(40)
    assert np.abs(correlation).max() < 5 / np.sqrt(500)


def test_progress_away_from_a_terminal_is_plain_lines(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0.0)
    with progress.progress("measuring", 3, done=1) as advance:
        advance("case_1 is left out")
        advance()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "case_1 is left out",
        "measuring: 2 of 3",
        "measuring: 3 of 3",
        "measuring: 3 of 3",
    ]


def test_progress_says_one_line_for_short_work(capsys):
    with progress.progress("reading", 2) as advance:
        advance()
        advance()
    assert capsys.readouterr().err == "reading: 2 of 2\n"


def test_the_first_candidate_is_the_answer():
    masks = np.array([[[True, False]], [[False, True]]])
    logits = np.where(masks, 1.0, -1.0).astype(np.float32)
    answer = Prediction(masks, np.array([0.9, 0.4], np.float32), logits, logits)
    assert answer.mask.tolist() == [[True, False]]
    assert answer.score == pytest.approx(0.9)
