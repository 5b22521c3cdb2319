"""What clicks bring: the table of sessions, and Dice against clicks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from samadapt.core.plans import ClickPlan, parse_plan
from samadapt.report.conditions import WITHOUT, group_of, prompts_in_words
from samadapt.report.grid import NOTHING, Cell, Column, Line, Table, number, span
from samadapt.report.runs import Run

_TARGET = re.compile(r"clicks_to_(dice|iou)_(.+)")
_FIGURES = {"dice": "Dice", "iou": "IoU"}


@dataclass(frozen=True)
class Session:
    """One policy of clicks in one run."""

    run: Run
    plan: ClickPlan
    group: str

    @property
    def name(self) -> str:
        """For a legend."""
        return f"{self.group}, {prompts_in_words(self.run, self.plan.policy)}"

    def entry(self, prompts: str, figure: str) -> Mapping[str, Any]:
        """Entry of the mean without background, empty if there is none."""
        key = (prompts, "predicted", WITHOUT, figure)
        found = (e for e in self.run.summary if (e["prompts"], e["choice"], e["name"], e["figure"]) == key)
        return next(found, {})

    def curve(self, figure: str = "dice") -> list[tuple[int, Mapping[str, Any]]]:
        """(clicks, entry) of every round that was measured."""
        rounds = [(clicks, self.entry(self.plan.name(clicks), figure)) for clicks in self.plan.rounds]
        return [(clicks, entry) for clicks, entry in rounds if entry.get("mean") is not None]


def sessions_of(runs: Iterable[Run]) -> list[Session]:
    """Every session policy of every run."""
    chosen = list(runs)
    plans = [(run, parse_plan(str(policy))) for run in chosen for policy in run.config.get("prompts") or ()]
    found = [Session(run, plan, group_of(run, chosen)) for run, plan in plans if plan is not None]
    return [session for session in found if session.curve()]


def session_table(runs: list[Run]) -> Table | None:
    """One line for each session; None where there is none."""
    sessions = sessions_of(runs)
    if not sessions:
        return None
    targets = list(dict.fromkeys(t for session in sessions for t in _targets(session)))
    columns = [Column("Dice", "area"), Column("NSD", "area"), Column("area", "largest"), Column("Dice", "last")]
    columns += [Column("NSD", "last")] + [Column("clicks", f"to {_FIGURES[f]} {t}") for f, t in targets]
    columns += [Column("predicted IoU", "correlation")]
    lines = tuple(Line(session.group, _cells(session, targets), _asked(session)) for session in sessions)
    notes = (
        "Area: under the curve of the mean over labels against the number of clicks, from the first click to the last, "
        "by trapezoids, as in the CVPR 2025 challenge on interactive segmentation.",
        "Clicks to a target: the first round that reaches it, the number of all clicks where none does; the part of "
        "the objects that never reach it stands below.",
        "Predicted IoU: Pearson's correlation with the true IoU over all answers of the run to single objects of a "
        "slice, Spearman's below.",
        "The clicks are made from the truth and the model's own answers, so every model has its own.",
    )
    caption = "A simulated annotator clicks into the centre of the largest error, and the model answers again."
    return Table("sessions", "What clicks bring", caption, "Model", tuple(columns), lines, notes)


def _targets(session: Session) -> list[tuple[str, str]]:
    figures = [str(e["figure"]) for e in session.run.summary if e["prompts"] == session.plan.policy]
    return [(m[1], m[2]) for m in map(_TARGET.fullmatch, figures) if m]


def _asked(session: Session) -> str:
    return prompts_in_words(session.run, session.plan.policy)


def _cells(session: Session, targets: list[tuple[str, str]]) -> tuple[Cell, ...]:
    policy = session.plan.policy
    figures = ("dice_auc", "nsd_auc", "dice", "nsd")
    dice_auc, nsd_auc, dice, nsd = (_mean(session.entry(policy, figure), 3) for figure in figures)
    largest = Cell(str(session.plan.clicks - 1)) if session.plan.clicks > 1 else NOTHING
    clicks = [_clicks(session, policy, figure, target) for figure, target in targets]
    return (dice_auc, nsd_auc, largest, dice, nsd, *clicks, _correlation(session.run))


def _mean(entry: Mapping[str, Any], digits: int) -> Cell:
    if entry.get("mean") is None:
        return NOTHING
    detail = span(entry["low"], entry["high"], digits) if entry["n"] > 1 else ""
    return Cell(number(entry["mean"], digits), detail, values={key: entry[key] for key in ("mean", "low", "high", "n")})


def _clicks(session: Session, policy: str, figure: str, target: str) -> Cell:
    entry, missed = (session.entry(policy, f"{kind}_{figure}_{target}") for kind in ("clicks_to", "missed"))
    if entry.get("mean") is None:
        return NOTHING
    share = float(missed["mean"])
    values = {"clicks": entry["mean"], "missed": share}
    return Cell(number(entry["mean"], 2), remark=f"{share:.0%} never".replace("%", " %"), values=values)


def _correlation(run: Run) -> Cell:
    found = run.facts.get("predicted_iou") or {}
    if found.get("pearson") is None:
        return NOTHING
    values = {key: found[key] for key in ("pearson", "spearman", "n")}
    return Cell(number(found["pearson"], 3), number(found["spearman"], 3), values=values)
