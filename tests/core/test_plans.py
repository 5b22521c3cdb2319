"""Names of sessions and of their rounds."""

from __future__ import annotations

from samadapt.core.plans import is_shown, parse_plan


def test_plans_are_parsed_with_their_rounds():
    cases = {
        "clicks:3": (("clicks:1", "clicks:2", "clicks:3"), False, False),
        "box+clicks:2": (("box+clicks:0", "box+clicks:1", "box+clicks:2"), True, False),
        "cvpr25": (tuple(f"volume-box+clicks:{n}" for n in range(6)), True, True),
    }
    for policy, (names, box, volume) in cases.items():
        plan = parse_plan(policy)
        assert plan is not None
        assert (plan.names, plan.begins_with_box, plan.of_volume) == (names, box, volume)
        assert plan.policy == names[-1]
    assert len(cases) == 3


def test_other_policies_are_no_plans():
    for policy in ("box", "point:3", "centre", "none", "clicks", "clicks:0", "clicks:05", "clicks:-1", "boxclicks:3"):
        assert parse_plan(policy) is None


def test_tables_show_some_rounds_and_the_last():
    shown = [n for n in range(1, 13) if is_shown(f"clicks:{n}", ["clicks:12"])]
    assert shown == [1, 3, 5, 10, 12]
    assert is_shown("box", ["clicks:12"])
