"""Checks of files and intensities: what cannot be read, geometry, empty or broken images, windows."""

from __future__ import annotations

import statistics

from samadapt.core.errors import (
    GridMismatch,
    InvalidGeometry,
    LabelError,
    NonFiniteValues,
    SamadaptError,
    ShapeMismatch,
)
from samadapt.data.doctor.facts import CaseFacts, Cohort
from samadapt.data.doctor.findings import Finding, Severity, about

_BY_ERROR: tuple[tuple[type[SamadaptError], str, str], ...] = (
    (GridMismatch, "grid", "image and label do not lie on each other, so every pixel would be taught a wrong class"),
    (ShapeMismatch, "grid", "image and label do not lie on each other, so every pixel would be taught a wrong class"),
    (LabelError, "label values", "the numbers in the label do not mean classes, so the loss would be meaningless"),
    (NonFiniteValues, "finite", "one NaN or infinite pixel makes the whole loss NaN"),
    (InvalidGeometry, "spacing", "the file does not say where its voxels lie, so neither slices nor mm can be trusted"),
    (SamadaptError, "readable", "the case cannot be used"),
)
_ANISOTROPIC = 3.0
_PLAUSIBLE_MM = (0.005, 100.0)
_MOSTLY = 0.5
_DAMAGED = "unreadable:"
_SMALL_FILES = ("test image", "unlabelled", "not in dataset.json", "not an image file", "in no split list")


def unread(cohort: Cohort) -> list[Finding]:
    """Cases that could not be loaded, each with its own error."""
    return [_explain(case, case.problem) for case in cohort.unread if case.problem is not None]


def _explain(case: CaseFacts, problem: SamadaptError) -> Finding:
    check, why = next((check, why) for kind, check, why in _BY_ERROR if isinstance(problem, kind))
    place = f" ({problem.where})" if problem.where is not None else ""
    remedy = problem.remedy or "Correct the file or leave the case out."
    return Finding("error", check, case.name, f"{problem.what}{place}: {why}", remedy, (case.name,))


def excluded(cohort: Cohort) -> list[Finding]:
    """Files that were seen and left out, by reason; damaged ones are errors as long as nothing is prepared."""
    by_reason: dict[str, list[str]] = {}
    for name, reason in cohort.exclusions:
        by_reason.setdefault(reason, []).append(name)
    return [
        finding for reason, names in by_reason.items() for finding in about(names, *_judged(reason, cohort.prepared))
    ]


def _judged(reason: str, prepared: bool) -> tuple[Severity, str, str, str]:
    """Severity, check, message and remedy of a reason to leave a file out."""
    if _DAMAGED in reason and not prepared:
        remedy = "It is probably truncated or damaged: copy or download it again, or remove it."
        return "error", "readable", f"{reason}: the case cannot be used", remedy
    severity: Severity = "note" if any(word in reason for word in _SMALL_FILES) else "warning"
    remedy = "Nothing to do if this is intended; otherwise add the missing partner or mend the file."
    return severity, "excluded", f"left out: {reason}", remedy


def finite(cohort: Cohort) -> list[Finding]:
    """Images with NaN or infinite pixels."""
    return about(
        [case.name for case in cohort.cases if case.nonfinite],
        "error",
        "finite",
        "the image has NaN or infinite pixels; one of them makes the whole loss NaN",
        "Replace them, e.g. by the value of air, and prepare again.",
    )


def constant(cohort: Cohort) -> list[Finding]:
    """Images with one intensity everywhere."""
    return about(
        [case.name for case in cohort.cases if case.constant],
        "error",
        "constant",
        "the image has the same intensity everywhere, so there is nothing to learn from it",
        "Convert the file again from its source, or leave the case out.",
    )


def spacing(cohort: Cohort) -> list[Finding]:
    """Volumes whose spacing cannot be millimetres."""
    low, high = _PLAUSIBLE_MM
    odd = [case for case in cohort.cases if case.is_volume and not all(low <= s <= high for s in case.spacing_mm)]
    return about(
        [case.name for case in odd],
        "warning",
        "spacing",
        f"the spacing {_rounded(odd[0].spacing_mm) if odd else ''} can hardly be millimetres, "
        "so distances (HD95, NSD) would be wrong",
        "Check the header: the unit may be metres or micrometres.",
    )


def anisotropic(cohort: Cohort) -> list[Finding]:
    """Volumes with slices much thicker than pixels."""
    thick = [case for case in cohort.cases if case.is_volume and _ratio(case) >= _ANISOTROPIC]
    return about(
        [case.name for case in thick],
        "note",
        "anisotropic",
        f"voxels are up to {max(map(_ratio, thick), default=1):.1f} times longer in one direction; "
        "2-D slices along it are the right choice, 3-D distances depend on it",
        "Nothing to do; slice along the thick direction (slice_axis) and report distances in mm.",
    )


def one_slice(cohort: Cohort) -> list[Finding]:
    """Volumes of a single slice."""
    return about(
        [case.name for case in cohort.cases if case.is_volume and min(case.shape) == 1],
        "note",
        "one slice",
        "the volume has a single slice; a score of it is that of one image and weighs as much as a whole volume",
        "Check that slices of one patient were not saved as patients of their own.",
    )


def window(cohort: Cohort) -> list[Finding]:
    """Windows that make most of what is annotated black or white."""
    cases = [case for case in cohort.cases if case.window is not None and case.regions]
    lost = [case.name for case in cases if _clipped(case) > _MOSTLY]
    findings = about(
        lost,
        "error",
        "window",
        "the window makes most annotated pixels plain black or white, so the model cannot see what it shall find",
        "Choose another window, e.g. window=ct-lung for lungs or window=percentile, and check modality and units (HU).",
    )
    return findings + [f for value in cohort.label_set.values for f in _clipped_label(cohort, value, set(lost))]


def _clipped_label(cohort: Cohort, value: int, lost: set[str]) -> list[Finding]:
    having = [case for case in cohort.cases if value in case.regions and case.name not in lost]
    if not having or statistics.median(case.regions[value].clipped for case in having) <= _MOSTLY:
        return []
    return about(
        [case.name for case in having if case.regions[value].clipped > _MOSTLY],
        "warning",
        "window",
        f"the window makes most of {cohort.label_set[value].name!r} plain black or white",
        "A wider window shows this class; the others may lose contrast.",
        subject=cohort.label_set[value].name,
    )


def _clipped(case: CaseFacts) -> float:
    total = sum(region.area for region in case.regions.values())
    return sum(region.area * region.clipped for region in case.regions.values()) / total


def _ratio(case: CaseFacts) -> float:
    return max(case.spacing_mm) / min(case.spacing_mm)


def _rounded(values: tuple[float, ...]) -> str:
    return " x ".join(f"{value:.4g}" for value in values)
