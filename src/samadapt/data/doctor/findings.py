"""What the doctor says: findings in plain words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "note"]
_ORDER: dict[str, int] = {"error": 0, "warning": 1, "note": 2}
_SHOWN = 10


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong or worth knowing.

    Attributes
    ----------
    severity : {"error", "warning", "note"}
        "error": training on this gives wrong results or stops; "warning": look at it; "note": good to know.
    check : str
        Name of the check.
    where : str
        Case names (the first ten), or what else it concerns.
    message : str
        What was found and why it matters.
    remedy : str
        What to do.
    cases : tuple of str
        All case names concerned.
    """

    severity: Severity
    check: str
    where: str
    message: str
    remedy: str
    cases: tuple[str, ...] = ()


@dataclass(frozen=True)
class Diagnosis:
    """All findings about a dataset.

    Attributes
    ----------
    source : str
        Folder or store that was examined.
    recipe : str
        Recipe it was read with; "store" for a prepared store.
    examined, total : int
        Cases looked at and cases there are.
    findings : tuple of Finding
        Errors first.
    """

    source: str
    recipe: str
    examined: int
    total: int
    findings: tuple[Finding, ...]

    @property
    def errors(self) -> tuple[Finding, ...]:
        """Findings of severity "error"."""
        return tuple(finding for finding in self.findings if finding.severity == "error")

    @property
    def exit_code(self) -> int:
        """1 if there is an error, else 0."""
        return 1 if self.errors else 0

    def of(self, check: str) -> tuple[Finding, ...]:
        """Findings of one check."""
        return tuple(finding for finding in self.findings if finding.check == check)

    def to_text(self) -> str:
        """Plain text for a terminal or a log."""
        part = "" if self.examined == self.total else f" of {self.total}"
        lines = [f"{self.source}: {self.examined}{part} cases examined ({self.recipe})"]
        for finding in self.findings:
            lines.append(f"{finding.severity.upper()} [{finding.check}] {finding.where}: {finding.message}")
            lines.append(f"    {finding.remedy}")
        lines.append(self.summary)
        return "\n".join(lines)

    @property
    def summary(self) -> str:
        """Number of findings by severity, in words."""
        count = {level: sum(f.severity == level for f in self.findings) for level in _ORDER}
        return ", ".join(f"{n} {level}{'' if n == 1 else 's'}" for level, n in count.items())


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Errors, then warnings, then notes; otherwise in the order found."""
    return tuple(sorted(findings, key=lambda finding: _ORDER[finding.severity]))


def about(
    cases: Sequence[str], severity: Severity, check: str, message: str, remedy: str, subject: str = ""
) -> list[Finding]:
    """One finding that names the cases concerned; none if there are no cases."""
    if not cases:
        return []
    named = ", ".join(cases[:_SHOWN])
    more = f" and {len(cases) - _SHOWN} more" if len(cases) > _SHOWN else ""
    where = f"{subject} in {named}{more}" if subject else f"{named}{more}"
    return [Finding(severity, check, where, message, remedy, tuple(cases))]
