"""Checks of label values: unknown, mixed, absent, empty, exchanged."""

from __future__ import annotations

from samadapt.data.doctor.facts import CaseFacts, Cohort
from samadapt.data.doctor.findings import Finding, about
from samadapt.data.doctor.permuted import exchanges


def unknown_values(cohort: Cohort) -> list[Finding]:
    """Values in a label map that the label set does not explain."""
    by_values: dict[tuple[int, ...], list[str]] = {}
    for case in cohort.cases:
        values = _unknown(case, cohort)
        if values and not _mixed(case, cohort):
            by_values.setdefault(values, []).append(case.name)
    return [
        finding
        for values, names in by_values.items()
        for finding in about(
            names,
            "error",
            "label values",
            f"the label has the values {list(values)[:8]} that are in no class, so they would be taught as background "
            "or stop the training",
            "Add them to the label list, map them to a class, or declare one of them as ignored.",
        )
    ]


def mixed_mask(cohort: Cohort) -> list[Finding]:
    """Masks with 0, 1 and 255 together."""
    return about(
        [case.name for case in cohort.cases if _mixed(case, cohort)],
        "error",
        "label values",
        "the mask has both 1 and 255; if 255 means object, most of the object is lost, if it means unknown, "
        "it would be taught as a class",
        "Say which: ignore=255 leaves it out, threshold=0 makes all of it object.",
    )


def never_present(cohort: Cohort) -> list[Finding]:
    """Classes that no case has."""
    present = {value for case in cohort.cases for value in case.regions}
    missing = [label.name for label in cohort.label_set.labels if label.value not in present]
    if not missing or not cohort.cases:
        return []
    return [
        Finding(
            "warning",
            "absent class",
            ", ".join(missing),
            f"no examined case has {_these(missing)}; a model cannot learn it and a mean over classes is misleading",
            "Remove the class from the label list, or check the label values.",
        )
    ]


def absent_from_training(cohort: Cohort) -> list[Finding]:
    """Classes that occur in validation or test only.

    A class of a single patient cannot be in every split; that is scarcity and only a warning.
    """
    training = {value for case in cohort.cases if case.split == "train" for value in case.regions}
    if not any(case.split == "train" for case in cohort.cases):
        return []
    held_out = [case for case in cohort.cases if case.split in ("val", "test")]
    patients = {v: {case.patient for case in held_out if v in case.regions} for v in cohort.label_set.values}
    missing = {v: found for v, found in patients.items() if found and v not in training}
    findings: list[Finding] = []
    for severity, single in (("error", False), ("warning", True)):
        values = [value for value, found in missing.items() if (len(found) == 1) == single]
        names = ", ".join(cohort.label_set[value].name for value in values)
        findings += about(
            [case.name for case in held_out if set(values) & set(case.regions)],
            "warning" if severity == "warning" else "error",
            "training split",
            f"{names}: in validation or test but in no training case; the score can only be zero",
            "Draw the split again with another seed, or put one of these cases into training.",
        )
    return findings


def empty_labels(cohort: Cohort) -> list[Finding]:
    """Cases without any annotated object."""
    empty = [case for case in cohort.cases if not case.regions and not _unknown(case, cohort)]
    if empty and len(empty) == len(cohort.cases):
        return about(
            [case.name for case in empty],
            "error",
            "empty label",
            "no case has a single labelled pixel, so there is nothing to learn",
            "Check the threshold and the label values; masks of 0 and 1 look black in a viewer but are not empty.",
        )
    findings = about(
        [case.name for case in empty if case.is_volume],
        "warning",
        "empty label",
        "the label of a whole volume is empty; if the organ is there, it is taught as background",
        "Check that annotation was finished; leave the case out if not.",
    )
    return findings + about(
        [case.name for case in empty if not case.is_volume],
        "note",
        "empty label",
        "the image has no labelled object; fine if it is a true negative, and its Dice depends on the convention",
        "Check that these images are meant to be empty.",
    )


def exchanged(cohort: Cohort) -> list[Finding]:
    """Labels that fit the other cases much better under other names."""
    findings = []
    for one in exchanges(cohort.cases):
        names = cohort.label_set.names
        pairs = ", ".join(f"{names[old]!r} looks like {names[new]!r}" for old, new in sorted(one.mapping.items()))
        message = (
            f"{pairs}, by size, place and intensity in the other cases (misfit {one.as_is:.1f}, "
            f"{one.best:.1f} after exchange): training would be told opposite things"
        )
        remedy = "Look at this case; exchange the label values if they come from another numbering."
        findings += about([one.case], "error", "exchanged labels", message, remedy)
    return findings


def _unknown(case: CaseFacts, cohort: Cohort) -> tuple[int, ...]:
    known = {0, cohort.label_set.ignore, *cohort.label_set.values}
    return tuple(sorted(value for value in case.values if value not in known))


def _mixed(case: CaseFacts, cohort: Cohort) -> bool:
    return {1, 255} <= set(case.values) and 255 in _unknown(case, cohort)


def _these(names: list[str]) -> str:
    return "this class" if len(names) == 1 else "these classes"
