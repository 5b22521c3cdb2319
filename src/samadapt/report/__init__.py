"""One page, and the same tables as CSV and Markdown, from run folders alone.

Importing this package is light, and nothing in it imports torch. The package itself can be called:
``samadapt.report(runs, out)`` is `samadapt.report.report`, whichever of the two the name was bound to first.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from types import ModuleType

__all__ = ["report"]


def report(runs: str | Path | Iterable[str | Path], out: str | Path) -> Path:
    """Write one self-contained HTML page from run folders, with its tables beside it.

    Parameters
    ----------
    runs : path or iterable of path
        Run folders of `train` and `evaluate`, in the order in which their columns shall stand.
    out : path
        HTML file to write, or an existing folder, which gets ``report.html``. Beside ``name.html`` lie ``name.md``
        (all tables), ``name-figures.csv`` (every figure of every summary at full precision) and one
        ``name-<table>.csv`` for each table.

    Returns
    -------
    Path
        The HTML file. It has no links to the outside and runs no script.

    Raises
    ------
    RunFolderError
        If a folder holds no run, an unfinished evaluation, a run of another kind, or damaged files.
    """
    from samadapt.report.files import write_files
    from samadapt.report.page import render
    from samadapt.report.runs import read_runs
    from samadapt.report.tables import tables_of

    page = Path(out) / "report.html" if Path(out).is_dir() else Path(out)
    found = read_runs([runs] if isinstance(runs, str | Path) else runs)
    tables = tables_of(found)
    html = render(found, tables)
    write_files(page, html, found, tables)
    return page


class _Callable(ModuleType):
    def __call__(self, runs: str | Path | Iterable[str | Path], out: str | Path) -> Path:
        return report(runs, out)


sys.modules[__name__].__class__ = _Callable
