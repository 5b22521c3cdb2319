"""What happened to every tensor of a checkpoint."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from samadapt.core.errors import CheckpointError

_REFUSED = {
    "dropped": "tensors of a shape that does not fit",
    "missing": "tensors that the model needs and the file lacks",
    "unexpected": "tensors that the model has no place for",
}


@dataclass(frozen=True)
class LoadReport:
    """Fate of the tensors of a checkpoint, by transformers' names.

    Attributes
    ----------
    exact : tuple of str
        Taken as they are.
    resampled : tuple of str
        Position tables interpolated to another image size.
    dropped : tuple of str
        In the file, but of another shape; the model's own are freshly initialised.
    missing : tuple of str
        Not in the file; freshly initialised.
    unexpected : tuple of str
        In the file, but without a place in the model.
    """

    exact: tuple[str, ...] = ()
    resampled: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()

    def __str__(self) -> str:
        groups = ("exact", "resampled", *_REFUSED)
        return ", ".join(f"{len(getattr(self, name))} {name}" for name in groups)

    def refused(self, allow: Sequence[str], groups: Sequence[str] = tuple(_REFUSED)) -> list[str]:
        """What `require` objects to, one text a group, with the first names of each."""
        problems = []
        for group in groups:
            keys = [key for key in getattr(self, group) if not _allowed(key, group, allow)]
            if keys:
                problems.append(f"{len(keys)} {_REFUSED[group]} ({some(keys)})")
        return problems

    def require(self, allow: Sequence[str], *, where: object, looks_like: str, expected: str) -> None:
        """Raise `CheckpointError` for tensors that are dropped, missing or unexpected and that `allow` does not name.

        Parameters
        ----------
        allow : sequence of str
            Names of groups ("dropped", "missing", "unexpected") or glob patterns of tensor names.
        where : object
            The file.
        looks_like, expected : str
            What the file seems to be, and what was to be loaded.
        """
        problems = self.refused(allow)
        if problems:
            raise CheckpointError(
                f"this looks like {looks_like}; to load it as {expected} leaves {'; '.join(problems)}",
                where=where,
                remedy="Choose the file that belongs to this model, or name the tensors you do without: "
                'allow=["unexpected"], allow=["*.Adapter.*"].',
            )


def _allowed(key: str, group: str, allow: Sequence[str]) -> bool:
    return any(pattern == group or fnmatchcase(key, pattern) for pattern in allow)


def some(keys: Sequence[str], count: int = 3) -> str:
    """The first names, and how many more there are."""
    rest = len(keys) - count
    return ", ".join(keys[:count]) + (f" and {rest} more" if rest > 0 else "")
