"""Errors that say what was wrong, where, and what to do.

Every error that a user can cause derives from `SamadaptError`. The command line prints
the three parts in one box and exits with `exit_code`.
"""

from __future__ import annotations


class SamadaptError(Exception):
    """Base of all errors that samadapt raises on purpose.

    Parameters
    ----------
    what : str
        What was wrong, in one sentence.
    where : object, optional
        File, case or argument the problem is in.
    remedy : str, optional
        What the user can do about it.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: object = None, remedy: str | None = None) -> None:
        self.what, self.where, self.remedy = what, where, remedy
        said = what if where is None else f"{where}: {what}"
        super().__init__(f"{said.rstrip('.')}. {remedy}" if remedy else said)


class FileFormatError(SamadaptError):
    """A file is missing, truncated, corrupt, or of a format that nothing here reads."""


class ShapeMismatch(SamadaptError):
    """Two arrays that must share a shape do not."""


class GridMismatch(SamadaptError):
    """Two volumes that must share spacing and affine do not."""


class InvalidGeometry(SamadaptError):
    """Spacing, affine or number of axes cannot describe an image."""


class NonFiniteValues(SamadaptError):
    """NaN or infinity where finite numbers are needed."""


class LabelError(SamadaptError):
    """A label map has values that its label set does not explain."""


class PromptError(SamadaptError):
    """A point, box or mask prompt that cannot be used with this image."""


class ConfigError(SamadaptError):
    """A configuration value or key that is not valid."""


class CheckpointError(SamadaptError):
    """Weights that are not what they should be, or are not safe to read."""


class AdapterMismatch(CheckpointError):
    """An adapter that was made for another base model, image size or label set."""


class StoreError(SamadaptError):
    """A prepared store that is incomplete, damaged or of another version."""


class RunFolderError(SamadaptError):
    """A run folder that holds another run or lacks what a run must have."""


class DataError(SamadaptError):
    """A dataset whose content makes the job impossible (empty folder, leaking split, no labels)."""

    exit_code = 1


class NonFiniteLoss(SamadaptError):
    """Training met a loss or gradient that is not finite."""

    exit_code = 1


class DiskFull(SamadaptError):
    """The disk had no room; nothing half-written was left behind."""

    exit_code = 1
