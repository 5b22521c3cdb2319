"""The checks by name, in the order of the report."""

from __future__ import annotations

from collections.abc import Callable

from samadapt.core.errors import ConfigError
from samadapt.data.doctor import check_files, check_labels, check_sides, check_splits
from samadapt.data.doctor.facts import Cohort
from samadapt.data.doctor.findings import Finding

Check = Callable[[Cohort], list[Finding]]

CHECKS: dict[str, Check] = {
    "unread": check_files.unread,
    "finite": check_files.finite,
    "constant": check_files.constant,
    "unknown-values": check_labels.unknown_values,
    "mixed-mask": check_labels.mixed_mask,
    "sides": check_sides.sides,
    "mirrored": check_sides.mirrored,
    "exchanged": check_labels.exchanged,
    "duplicates": check_splits.duplicates,
    "leakage": check_splits.leakage,
    "absent-from-training": check_labels.absent_from_training,
    "never-present": check_labels.never_present,
    "empty-labels": check_labels.empty_labels,
    "window": check_files.window,
    "spacing": check_files.spacing,
    "excluded": check_files.excluded,
    "anisotropic": check_files.anisotropic,
    "one-slice": check_files.one_slice,
}


def register(name: str, check: Check) -> None:
    """Add a check; `ConfigError` if the name is taken."""
    if name in CHECKS:
        raise ConfigError(f"a check named {name!r} exists already", remedy="Choose another name.")
    CHECKS[name] = check
