"""The command line in this process."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from samadapt.cli.main import main


@dataclass(frozen=True)
class Answer:
    """What one call of the command line did."""

    code: int
    out: str
    err: str


@pytest.fixture
def samadapt(capsys, monkeypatch):
    """Call the command line with words; returns code, standard output and standard error."""
    monkeypatch.setenv("COLUMNS", "300")

    def call(*words: object) -> Answer:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            main([str(word) for word in words])
        captured = capsys.readouterr()
        return Answer(int(left.value.code or 0), captured.out, captured.err)

    return call
