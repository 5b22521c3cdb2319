"""Sessions of clicks with a respondent that is no network, and through evaluate with a small one."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from samadapt.config import load_config
from samadapt.core.errors import ConfigError, PromptError
from samadapt.core.plans import parse_plan
from samadapt.core.prediction import Prediction
from samadapt.core.prompts import Box, PromptSet
from samadapt.data.store import Store
from samadapt.prompts import box_of
from samadapt.study.answers import Answer, agreement, judge
from samadapt.study.config import EvaluateConfig
from samadapt.study.evaluate import evaluate
from samadapt.study.interactive import session_summary
from samadapt.study.journal import JOURNAL
from samadapt.study.prompting import key_of, numbers_of
from samadapt.study.rounds import play, play_volume
from samadapt.study.rows import Row


class Painter:
    """Marks a square of `reach` pixels around every positive click, and the box; takes away the negative ones."""

    def __init__(self, hw: tuple[int, int], reach: int) -> None:
        self.hw, self.reach, self.told = hw, reach, []

    def answer(self, points, box, mask) -> Prediction:
        self.told.append((0 if points is None else len(points), box, mask))
        found = np.zeros(self.hw, dtype=bool)
        if box is not None:
            found[int(box.y0) : int(box.y1) + 1, int(box.x0) : int(box.x1) + 1] = True
        for (x, y), label in zip(points.xy.astype(int), points.labels) if points is not None else ():
            r = self.reach
            found[max(y - r, 0) : y + r + 1, max(x - r, 0) : x + r + 1] = bool(label)
        logits = np.where(found, 1.0, -1.0).astype(np.float32)[None]
        return Prediction(found[None], np.ones(1, np.float32), logits, logits * len(self.told))

    def keep(self, answer):
        return answer.low_res_logits[0]


@pytest.fixture
def two_squares() -> np.ndarray:
    truth = np.zeros((40, 40), dtype=bool)
    truth[5:16, 5:16] = True  # 11 x 11
    truth[25:34, 20:29] = True  # 9 x 9
    return truth


def test_first_click_is_the_centre_and_the_next_corrects_the_largest_error(two_squares):
    painter = Painter(two_squares.shape, 5)
    rounds = list(play(painter, two_squares, 3))
    clicks = rounds[-1].clicks
    assert clicks.xy.tolist()[:2] == [[10, 10], [24, 29]]
    assert clicks.labels.tolist() == [1, 1, 0]  # the second square was painted one pixel too large on every side
    assert [len(one.clicks) for one in rounds] == [1, 2, 3]
    assert [count for count, _, _ in painter.told] == [1, 2, 3]
    assert [None if mask is None else float(abs(mask).max()) for _, _, mask in painter.told] == [None, 1, 2]


def test_box_comes_first_and_stays(two_squares):
    painter = Painter(two_squares.shape, 3)
    box = box_of(two_squares)
    rounds = list(play(painter, two_squares, 2, box))
    assert [len(one.clicks) for one in rounds] == [0, 1, 2]
    assert all(told[1] == box for told in painter.told)
    assert rounds[1].clicks.labels.tolist() == [0]


def test_a_perfect_answer_is_not_clicked_again(two_squares):
    truth = two_squares.copy()
    truth[25:] = False
    painter = Painter(truth.shape, 5)
    rounds = list(play(painter, truth, 4))
    assert len(rounds) == 4
    assert len(painter.told) == 1
    assert all(len(one.clicks) == 1 for one in rounds)


def test_volume_session_fills_from_the_box_and_clicks_where_it_is_wrong():
    truth = np.zeros((9, 40, 40), dtype=bool)
    truth[2:7, 10:21, 10:21] = True
    truth[6, 28:33, 28:33] = True
    painters = {z: Painter((40, 40), 2) for z in range(9)}
    rounds = list(play_volume(painters.__getitem__, truth, 2, (4, Box(10, 10, 20, 20))))
    assert len(rounds) == 3
    assert rounds[0].clicks == {}
    assert not rounds[0].mask[[0, 1, 7, 8]].any()  # the ends of the object are known
    assert rounds[0].mask[2:7].any(axis=(1, 2)).all()
    assert (rounds[0].mask[4] == truth[4]).all()
    dice = [2 * (one.mask & truth).sum() / (one.mask.sum() + truth.sum()) for one in rounds]
    assert len({z for one in rounds for z in one.clicks}) >= 1
    for one, value in zip(rounds, dice):
        assert one.mask.shape == truth.shape
        assert value > 0.3
    told = [z for z, points in rounds[-1].clicks.items() for _ in points.labels]
    assert len(told) == 2


def test_prompted_slices_divide_the_gap_between_them():
    truth = np.zeros((7, 20, 20), dtype=bool)
    truth[:, 5:15, 5:15] = True
    truth[5:, 5:15, 5:15] = False
    truth[5:, 8:12, 8:12] = True

    class Exact(Painter):
        """Answers the truth of its slice to a click, and nothing to a box but in the middle."""

        def __init__(self, z):
            super().__init__((20, 20), 1)
            self.z = z

        def answer(self, points, box, mask):
            found = truth[self.z] if len(points or ()) or self.z == 2 else np.zeros((20, 20), dtype=bool)
            logits = np.where(found, 1.0, -1.0).astype(np.float32)[None]
            return Prediction(found[None], np.ones(1, np.float32), logits, logits)

    rounds = list(play_volume(Exact, truth, 4, (2, Box(5, 5, 14, 14))))
    solved = [int((one.mask == truth).all(axis=(1, 2)).sum()) for one in rounds]
    assert solved[0] == 1
    assert solved == sorted(solved)
    assert solved[-1] == 5


def test_judged_answers_are_ranked_by_what_the_model_expects(phantom_store: Store):
    truth = np.zeros((8, 8), dtype=bool)
    truth[2:6, 2:6] = True
    masks = np.stack([np.roll(truth, 2, axis=0), truth, np.zeros_like(truth)])
    key = key_of(phantom_store, 0)
    found = list(judge(key, "box", masks, np.array([0.2, 0.5, 0.9], np.float32), truth))
    assert [a.candidate for a in found] == [0, 1, 2]
    assert [a.iou for a in found] == [0, 1, pytest.approx(1 / 3, abs=1e-6)]
    assert [a.dice for a in found] == [0, 1, 0.5]


def test_agreement_is_that_of_scipy():
    from scipy import stats

    rng = np.random.default_rng(0)
    x, noise = rng.random((2, 50))
    y = 0.5 * x + 0.5 * noise
    found = agreement(Answer("c", 0, 1, 0, "box", 0, a, b, b) for a, b in zip(x, y))
    assert found["n"] == 50
    assert found["pearson"] == pytest.approx(stats.pearsonr(x, y)[0])
    assert found["spearman"] == pytest.approx(stats.spearmanr(x, y)[0])
    assert agreement([])["pearson"] is None
    assert agreement(Answer("c", 0, 1, 0, "box", 0, 0.5, b, b) for b in y)["spearman"] is None


def _row(case: str, label: int, prompts: str, dice: float, nsd: float) -> Row:
    figures = {"iou": dice / (2 - dice), "hd95": 1.0, "assd": 1.0, "nsd": nsd, "tolerance_mm": 2.0}
    counts = {"reference_voxels": 1, "prediction_voxels": 1, "seconds": 0.0}
    return Row(case, case, label, str(label), 0, prompts, "model", "predicted", dice, **figures, **counts)


def test_area_under_the_curve_and_clicks_to_a_target():
    plan = parse_plan("clicks:3")
    dice = {"a": ((0.2, 0.6, 0.9), (0.4, 0.8, 0.9)), "b": ((0.9, 0.9, 0.9),)}
    rows, answers = [], []
    for case, objects in dice.items():
        for label, values in enumerate(objects, start=1):
            for name, value in zip(plan.names, values):
                rows.append(_row(case, label, name, value, value / 2))
                answers.append(Answer(case, 0, label, 0, name, 0, 0.5, value / (2 - value), value))
    found = {e["figure"]: e for e in session_summary(rows, answers, plan, (0.85, 0.95), seed=0)}
    assert found["dice_auc"]["mean"] == pytest.approx(((0.3 / 2 + 0.7 + 0.9 / 2) + 1.8) / 2)
    assert found["nsd_auc"]["mean"] == pytest.approx(found["dice_auc"]["mean"] / 2)
    assert found["clicks_to_dice_0.85"]["mean"] == pytest.approx((3 + 1) / 2)
    assert found["missed_dice_0.85"]["mean"] == 0
    assert found["missed_dice_0.95"]["mean"] == 1
    assert found["clicks_to_dice_0.95"]["mean"] == 3
    assert found["clicks_to_iou_0.85"]["mean"] == 3
    assert found["dice_auc"]["n"] == 2


def test_nsd_of_a_volume_session_is_0_where_dice_is_low():
    plan = parse_plan("cvpr25")
    rows = [_row("a", 1, name, dice, 0.5) for name, dice in zip(plan.names, (0.9, 0.1, 0.2, 0.3, 0.3, 0.3))]
    found = {e["figure"]: e["mean"] for e in session_summary(rows, [], plan, (0.85,), seed=0)}
    assert found["nsd_auc"] == pytest.approx(0.25 + 0.5 + 0.5)
    assert found["dice_auc"] == pytest.approx(0.05 + 0.2 + 0.3 + 0.3 + 0.15)
    assert found["clicks_to_dice_0.85"] == 0  # reached by the box


def test_policies_are_checked():
    made = load_config(EvaluateConfig, values={"data": "s", "out": "o", "prompts": ("cvpr25", "clicks:3", "clicks:3")})
    assert made.prompts == ("volume-box+clicks:5", "clicks:3")
    for bad, said in ((("clicks:0",), "clicks:N"), (("clicks:3", "clicks:5"), "part of clicks:5"), ((), "at least 1")):
        with pytest.raises(ConfigError, match=said):
            load_config(EvaluateConfig, values={"data": "s", "out": "o", "prompts": bad})
    with pytest.raises(ConfigError, match="between 0 and 1"):
        load_config(EvaluateConfig, values={"data": "s", "out": "o", "targets": (85.0,)})


@pytest.fixture(scope="module")
def session(phantom_store: Store, small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("session") / "run"
    prompts = ("clicks:2", "box+clicks:1", "cvpr25")
    evaluate(model=str(small_model), data=phantom_store.path, prompts=prompts, max_cases=1, out=out)
    return out


def test_every_round_is_a_condition(session: Path, phantom_store: Store):
    with open(session / "rows.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    case = phantom_store.split("test")[0]
    labels = np.unique(phantom_store.objects["label"][phantom_store.objects_of(case)])
    volume = {f"volume-box+clicks:{n}" for n in range(6)}
    assert {r["prompts"] for r in rows} == {"clicks:1", "clicks:2", "box+clicks:0", "box+clicks:1"} | volume
    assert len(rows) == 10 * (len(labels) + 1)
    assert not (session / JOURNAL).exists()


def test_summary_and_facts_say_what_the_sessions_gave(session: Path):
    entries = json.loads((session / "summary.json").read_text())
    figures = {(e["prompts"], e["figure"]): e for e in entries if e["name"] == "mean without background"}
    assert 0 <= figures["volume-box+clicks:5", "dice_auc"]["mean"] <= 4
    assert ("clicks:2", "nsd_auc") in figures
    assert ("box+clicks:1", "dice_auc") not in figures  # one click has no curve
    assert figures["clicks:2", "clicks_to_dice_0.85"]["mean"] <= 2
    facts = json.loads((session / "run.json").read_text())["facts"]
    with open(session / "answers.csv", newline="") as file:
        answers = list(csv.DictReader(file))
    assert facts["predicted_iou"]["n"] == sum(a["candidate"] == "0" for a in answers) > 50
    assert figures["clicks:2", "iou_pearson"]["n"] * 3 == figures["clicks:2", "iou_pearson_candidates"]["n"]


def test_clicks_are_kept_with_the_model_they_correct(session: Path, phantom_store: Store):
    said = PromptSet.from_json((session / "prompts" / "clicks-2.json").read_text())
    case = phantom_store.split("test")[0]
    numbers = numbers_of(phantom_store, case)
    assert len(said) == len(numbers)
    assert said.model.endswith(json.loads((session / "run.json").read_text())["facts"]["base_hash"])
    for number in numbers:
        x, y = said.items[key_of(phantom_store, number)].points.xy[0].astype(int)
        assert phantom_store.mask(number)[y, x]
    volume = PromptSet.from_json((session / "prompts" / "volume-box+clicks-5.json").read_text())
    labels = {key.label for key in volume.items}
    assert sum(prompt.box is not None for prompt in volume.items.values()) == len(labels)
    clicks = sum(len(prompt.points) for prompt in volume.items.values() if prompt.points is not None)
    assert clicks == 5 * len(labels)


def test_clicks_in_volumes_are_refused_for_images(phantom_store: Store, tmp_path: Path, small_model: Path, monkeypatch):
    from dataclasses import replace

    case = phantom_store.split("test")[0]
    flat = replace(phantom_store.cases[case], is_volume=False)
    from samadapt.models.loading import load
    from samadapt.study.clicking import Sessions
    from samadapt.study.predicting import CasePredictions

    monkeypatch.setattr(phantom_store, "cases", {case: flat})
    sessions = Sessions(load(str(small_model)), phantom_store, case, False, 0, CasePredictions())
    with pytest.raises(PromptError, match="box\\+clicks:5"):
        sessions.hold([parse_plan("cvpr25")])
