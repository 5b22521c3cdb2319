"""What was measured of each case, kept case by case so that an interrupted run goes on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from samadapt.core.lines import append_line, read_lines
from samadapt.core.prompts import Prompt, PromptKey, PromptSet
from samadapt.study.answers import Answer
from samadapt.study.rows import Row

JOURNAL = "rows.jsonl"


@dataclass(frozen=True)
class Measured:
    """One case.

    Attributes
    ----------
    rows : list of Row
    answers : list of Answer
    sessions : mapping of policy to PromptSet
        What was said in sessions of clicks.
    """

    rows: list[Row] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)
    sessions: Mapping[str, PromptSet] = field(default_factory=dict)


def write_entry(path: Path, case: str, measured: Measured) -> None:
    """Append one case."""
    entry = {
        "case": case,
        "rows": [asdict(row) for row in measured.rows],
        "answers": [list(asdict(answer).values()) for answer in measured.answers],
        "sessions": {policy: said.to_json() for policy, said in measured.sessions.items()},
    }
    append_line(path, entry)


def read_journal(path: Path) -> dict[str, Measured]:
    """Cases by name; a line that an interruption cut does not count."""
    finished: dict[str, Measured] = {}
    for entry in read_lines(path):
        sessions = {policy: PromptSet.from_json(text, where=path) for policy, text in entry["sessions"].items()}
        rows, answers = [Row(**row) for row in entry["rows"]], [Answer(*values) for values in entry["answers"]]
        finished[entry["case"]] = Measured(rows, answers, sessions)
    return finished


def joined(parts: list[Measured]) -> Measured:
    """All cases together, in order; each session policy becomes one set."""
    items: dict[str, dict[PromptKey, Prompt]] = {}
    for part in parts:
        for policy, said in part.sessions.items():
            items.setdefault(policy, {}).update(said.items)
    first = {policy: said for part in reversed(parts) for policy, said in part.sessions.items()}
    sessions = {policy: replace(first[policy], items=found) for policy, found in items.items()}
    return Measured([r for p in parts for r in p.rows], [a for p in parts for a in p.answers], sessions)
