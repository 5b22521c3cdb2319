"""`compare`: one page on which methods that answered the same questions stand side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from samadapt.core.errors import DataError, RunFolderError
from samadapt.report.by_convention import convention_tables
from samadapt.report.compared import all_pairs, labels_table, methods_table, pairs_table, sentence
from samadapt.report.conditions import Condition, conditions_of
from samadapt.report.cost import cost_table
from samadapt.report.curves import dice_by_method
from samadapt.report.external import external_table, sets_table
from samadapt.report.files import write_files
from samadapt.report.grid import Table
from samadapt.report.methods import Method, differences_of, methods_of, read_with_training, told_in_words
from samadapt.report.modalities import modality_table
from samadapt.report.organs import FEW_CASES, boundary_tables, dice_table
from samadapt.report.page import render_template
from samadapt.report.provenance import provenance_table
from samadapt.report.published_facts import published_facts
from samadapt.report.runs import Run
from samadapt.report.verdict import measured_in_words


def compare(
    runs: Iterable[str | Path], out: str | Path, *, external: Sequence[str | Path] = (), anyway: bool = False
) -> Path:
    """Compare methods that were measured on the same cases with the same prompts.

    Parameters
    ----------
    runs : iterable of path
        Run folders of `evaluate` and `score`. The training runs that they name are read too, if they are still there.
        Differences label by label are from the first method; of many methods, from the first that was told the same.
    out : path
        HTML file to write; ``name.md``, ``name-figures.csv`` and one ``name-<table>.csv`` for each table lie beside it.
    external : sequence of path
        Run folders of the same methods on other data, to compare internal with external cases, set by set.
    anyway : bool
        Also compare runs whose data, split, cases, convention or prompts differ; the page then says so first.

    Returns
    -------
    Path
        The HTML file; it has no links to the outside and runs no script.

    Raises
    ------
    DataError
        If the runs differ in what makes them comparable and `anyway` is false, or hold fewer than two methods.
    RunFolderError
        If a folder cannot be reported on, or has no rows.csv.
    """
    found = read_with_training(runs)
    measured = [run for run in found if run.kind == "evaluate"]
    _require_rows(measured)
    warnings = differences_of(measured)
    if warnings and not anyway:
        raise DataError(
            " ".join(warnings),
            remedy="Measure all on one store with --prompt-folder of the first run, or add --anyway to compare them "
            "with a warning.",
        )
    methods = methods_of(found)
    if len(methods) < 2:
        raise DataError(
            f"there is nothing to compare: the runs hold {len(methods)} method{'' if len(methods) == 1 else 's'}",
            remedy="Give the run folders of two or more evaluations.",
        )
    seed = measured[0].facts.get("seed", 0)
    pairs = all_pairs(methods, seed)
    others = methods_of(read_with_training(external)) if external else []
    made = (
        *(methods_table(methods), pairs_table(pairs), labels_table(methods, seed)),
        *(modality_table(methods), external_table(methods, others, seed), sets_table(methods, others)),
        *(*_by_label(found), *convention_tables(found, conditions_of(found)), *published_facts(methods)),
        *(cost_table(found), provenance_table(found)),
    )
    tables = {table.slug: table for table in made if table is not None}
    page = Path(out)
    write_files(page, _render(found, methods, tables, sentence(methods, pairs), warnings), found, tables)
    return page


def _require_rows(runs: list[Run]) -> None:
    for run in runs:
        if not run.rows:
            raise RunFolderError(
                "rows.csv is missing or empty: nothing can be compared case by case",
                where=run.folder,
                remedy="Repeat the evaluation.",
            )


def _by_label(runs: list[Run]) -> list[Table | None]:
    conditions = conditions_of(runs)
    return [dice_table(conditions), *boundary_tables(conditions)]


def _render(
    runs: list[Run], methods: list[Method], tables: Mapping[str, Table], verdict: str, warnings: list[str]
) -> str:
    from markupsafe import Markup

    measured = [run for run in runs if run.kind == "evaluate"]
    cases = {len({row["case"] for row in run.rows}) for run in measured}
    few = [f"{min(cases)} cases are few: intervals from so few are too narrow."] if min(cases) < FEW_CASES else []
    return render_template(
        "compare.html.j2",
        title=f"{len(methods)} methods on {', '.join(dict.fromkeys(run.data for run in measured))}",
        measured=measured_in_words(measured),
        verdict=verdict,
        warnings=[*warnings, *few],
        dots=Markup(dice_by_method([*((m.name, m.condition) for m in methods), *_bounds(runs)])),
        tables=tables,
        runs=runs,
        started=max(str(run.manifest.get("started", ""))[:10] for run in runs),
        version=runs[0].manifest.get("samadapt", ""),
    )


def _bounds(runs: list[Run]) -> list[tuple[str, Condition]]:
    """The ellipse in the box, and the masks nearest to the truth, by what they are."""
    found = [c for c in conditions_of(runs) if not c.competes and c.mean()]
    names = [c.column.head if c.choice == "baseline" else f"{c.group}, {told_in_words(c)}, oracle" for c in found]
    return list(zip(names, found))
