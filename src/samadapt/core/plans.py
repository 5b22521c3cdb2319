"""Prompt policies in which a simulated annotator answers the model, and the names of their rounds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

KINDS = ("clicks", "box+clicks", "volume-box+clicks")
SHOWN_ROUNDS = (0, 1, 3, 5, 10, 20)
ALIASES = {"cvpr25": "volume-box+clicks:5"}
_PLAN = re.compile(rf"({'|'.join(map(re.escape, KINDS))}):(0|[1-9]\d*)")


@dataclass(frozen=True)
class ClickPlan:
    """How a session of clicks goes.

    Attributes
    ----------
    kind : {"clicks", "box+clicks", "volume-box+clicks"}
        "clicks": clicks alone, per object and slice; "box+clicks": a tight box first; "volume-box+clicks": the box of
        the middle slice first, then clicks anywhere in the volume, per label.
    clicks : int
    """

    kind: str
    clicks: int

    @property
    def policy(self) -> str:
        """For example "clicks:5"; also the name of the last round."""
        return self.name(self.clicks)

    @property
    def begins_with_box(self) -> bool:
        """True if there is a round before the first click."""
        return self.kind != "clicks"

    @property
    def of_volume(self) -> bool:
        """True if the clicks go anywhere in a volume."""
        return self.kind == "volume-box+clicks"

    @property
    def rounds(self) -> tuple[int, ...]:
        """Clicks given before each answer."""
        return tuple(range(0 if self.begins_with_box else 1, self.clicks + 1))

    def name(self, clicks: int) -> str:
        """Policy that ends after so many clicks: a session of five clicks holds those of one to four."""
        return f"{self.kind}:{clicks}"

    @property
    def names(self) -> tuple[str, ...]:
        """Of all rounds."""
        return tuple(self.name(clicks) for clicks in self.rounds)


def parse_plan(policy: str) -> ClickPlan | None:
    """Plan of a policy such as "box+clicks:5"; None for a policy without clicks, and for clicks without a round."""
    found = _PLAN.fullmatch(ALIASES.get(policy, policy))
    if found is None or (found[1] == "clicks" and found[2] == "0"):
        return None
    return ClickPlan(found[1], int(found[2]))


def is_shown(prompts: str, policies: Iterable[str]) -> bool:
    """False for a round between those that tables show: 1, 3, 5, 10, 20 clicks, the box alone, and the last."""
    plan = parse_plan(prompts)
    return plan is None or plan.clicks in SHOWN_ROUNDS or prompts in policies


def shown_entries(entries: Iterable[Mapping[str, Any]], policies: Iterable[str]) -> list[Mapping[str, Any]]:
    """Entries of a summary that tables show; see `is_shown`."""
    wanted = tuple(policies)
    return [entry for entry in entries if is_shown(str(entry["prompts"]), wanted)]
