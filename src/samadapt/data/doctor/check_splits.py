"""Checks of independence: the same image twice, the same patient in two splits."""

from __future__ import annotations

from collections.abc import Iterable

from samadapt.data.doctor.facts import CaseFacts, Cohort
from samadapt.data.doctor.findings import Finding, about


def duplicates(cohort: Cohort) -> list[Finding]:
    """Images with equal content under different names."""
    findings: list[Finding] = []
    for group in _groups(cohort.cases):
        names = [case.name for case in group]
        splits = sorted({case.split for case in group if case.split})
        if len(splits) > 1:
            severity, what = "error", f"in the splits {' and '.join(splits)}: the test image was seen in training"
        elif len({case.label_hash for case in group}) > 1:
            severity, what = "error", "with different labels: training is told opposite things about one image"
        elif len({case.patient for case in group}) > 1:
            severity, what = "warning", "as different patients: a split may put one into training and one into test"
        else:
            severity, what = "warning", "it counts more than the others"
        findings += about(
            names,
            "error" if severity == "error" else "warning",
            "duplicate",
            f"{len(names)} cases have exactly the same image, {what}",
            "Keep one of them.",
        )
    return findings


def leakage(cohort: Cohort) -> list[Finding]:
    """Patients (or scenes) in more than one split."""
    by_patient: dict[str, list[CaseFacts]] = {}
    for case in (*cohort.cases, *cohort.unread):
        if case.split:
            by_patient.setdefault(case.patient, []).append(case)
    findings: list[Finding] = []
    for patient, cases in by_patient.items():
        splits = sorted({case.split for case in cases if case.split})
        if len(splits) > 1:
            findings += about(
                [case.name for case in cases],
                "error",
                "leakage",
                f"cases of {patient!r} are in {' and '.join(splits)}: the score would measure recognition of a "
                "patient, not skill",
                "Split by patient: draw the split again, or move all cases of the patient to one side.",
            )
    return findings


def _groups(cases: Iterable[CaseFacts]) -> list[list[CaseFacts]]:
    by_hash: dict[str, list[CaseFacts]] = {}
    for case in cases:
        if not case.constant:
            by_hash.setdefault(case.image_hash, []).append(case)
    return [group for group in by_hash.values() if len(group) > 1]
