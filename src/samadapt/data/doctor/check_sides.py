"""Checks of orientation: left and right exchanged, image mirrored against its label."""

from __future__ import annotations

import statistics
from collections.abc import Iterator

from samadapt.core.image import LabelSet
from samadapt.data.doctor.facts import CaseFacts, Cohort
from samadapt.data.doctor.findings import Finding, about

_MARGIN_MM = 10.0
_MIN_CASES = 5
_MAJORITY = 0.8
_BODY_SIDE = {"liver": "right", "gallbladder": "right", "spleen": "left", "stomach": "left"}
_SEVERAL = 3
_SHARE = 0.25
_INFORMATIVE = 2.0

Pair = tuple[int, int]
"""(value of the left structure, value of the right one)."""


def sides(cohort: Cohort) -> list[Finding]:
    """Volumes where structures called left lie on the patient's right."""
    pairs = _side_pairs(cohort.label_set)
    votes = {case.name: list(_votes(case, pairs)) for case in cohort.cases if case.oriented}
    against = {name: [pair for pair, good in cast if not good] for name, cast in votes.items()}
    flipped = [name for name, cast in votes.items() if cast and not any(good for _, good in cast)]
    findings = about(
        flipped,
        "error",
        "sides",
        "left and right are exchanged: every structure called left lies on the patient's right by the file's own "
        "orientation, so a model would learn both answers",
        "Check the affine and the conversion; flip image and label together (or exchange the label values).",
    )
    for name, wrong in against.items():
        own = [pair for pair in wrong if _same_anatomy(pair, cohort.label_set)]
        if own and name not in flipped:
            left, right = (cohort.label_set[value].name for value in own[0])
            message = f"{left!r} lies on the patient's right of {right!r}, while other structures are on their side"
            findings += about([name], "error", "sides", message, "Exchange these two label values in this case.")
    return findings + _against_majority(cohort, pairs)


def _against_majority(cohort: Cohort, pairs: list[Pair]) -> list[Finding]:
    """Cases of formats without orientation that disagree with most of the others."""
    votes = {case.name: dict(_votes(case, pairs)) for case in cohort.cases if not case.oriented}
    odd: dict[str, None] = {}
    for pair in pairs:
        cast = {name: v[pair] for name, v in votes.items() if pair in v and _same_anatomy(pair, cohort.label_set)}
        usual = sum(cast.values()) > len(cast) / 2
        agree = sum(good == usual for good in cast.values())
        if len(cast) >= _MIN_CASES and agree >= _MAJORITY * len(cast):
            odd |= dict.fromkeys(name for name, good in cast.items() if good != usual)
    return about(
        list(odd),
        "warning",
        "sides",
        "left and right structures lie the other way round than in most cases; the case may be mirrored",
        "Look at the case beside another one; flip image and label together if it is mirrored.",
    )


def mirrored(cohort: Cohort) -> list[Finding]:
    """Labels that fit the image clearly better when mirrored."""
    by_flip: dict[str, list[CaseFacts]] = {}
    for case in cohort.cases:
        if case.mirror is not None and case.mirror.suspect:
            by_flip.setdefault(case.mirror.suspect, []).append(case)
    findings: list[Finding] = []
    for flip, cases in by_flip.items():
        findings += about(
            [case.name for case in cases],
            "error" if _certain(cases, cohort, flip) else "warning",
            "mirrored",
            f"the label fits the edges of the image clearly better after a {flip} flip, so one of the two may "
            "be stored the other way round and the model would learn from misplaced labels",
            "Overlay image and label; flip one of them where they do not match and check how they were converted.",
        )
    return findings


def _certain(cases: list[CaseFacts], cohort: Cohort, flip: str) -> bool:
    """Many cases agree, or a volume stands out of a cohort whose labels normally follow the edges."""
    measured = [case.mirror for case in cohort.cases if case.mirror is not None]
    if len(cases) >= _SEVERAL and len(cases) >= _SHARE * len(measured):
        return True
    margins = [scores.as_is.whole / max(scores.mirrored[flip].whole, 1e-6) for scores in measured]
    usual = len(margins) >= _MIN_CASES and statistics.median(margins) > _INFORMATIVE
    return usual and any(case.is_volume for case in cases)


def _side_pairs(label_set: LabelSet) -> list[Pair]:
    """Pairs of one anatomy, then left organ and right organ of the abdomen."""
    left = {label.anatomy: label.value for label in label_set.labels if label.side == "left"}
    right = {label.anatomy: label.value for label in label_set.labels if label.side == "right"}
    own = [(left[name], right[name]) for name in left if name in right]
    organs = {label.anatomy: label.value for label in label_set.labels if not label.side}
    on = {side: [organs[n] for n, s in _BODY_SIDE.items() if s == side and n in organs] for side in ("left", "right")}
    return own + [(one, other) for one in on["left"] for other in on["right"]]


def _votes(case: CaseFacts, pairs: list[Pair]) -> Iterator[tuple[Pair, bool]]:
    """For each pair that lies clearly apart: True if left is on the patient's left (larger x in LPS)."""
    for left, right in pairs:
        if left in case.regions and right in case.regions:
            distance = float(case.regions[left].centre_mm[0] - case.regions[right].centre_mm[0])
            if abs(distance) > _margin(case):
                yield (left, right), distance > 0


def _margin(case: CaseFacts) -> float:
    """10 mm, less for small images."""
    return min(_MARGIN_MM, 0.08 * max(n * s for n, s in zip(case.shape, case.spacing_mm)))


def _same_anatomy(pair: Pair, label_set: LabelSet) -> bool:
    return label_set[pair[0]].anatomy == label_set[pair[1]].anatomy
