"""All tables of some runs."""

from __future__ import annotations

from samadapt.report.by_convention import convention_tables
from samadapt.report.conditions import conditions_of
from samadapt.report.cost import cost_table
from samadapt.report.grid import Table
from samadapt.report.organs import boundary_tables, dice_table
from samadapt.report.provenance import provenance_table
from samadapt.report.runs import Run
from samadapt.report.sessions import session_table


def tables_of(runs: list[Run]) -> dict[str, Table]:
    """By name: dice, hd95, nsd and sessions where something was measured, conventions and counted where several were
    asked for; cost and provenance always.
    """
    conditions = conditions_of(runs)
    asked = (dice_table(conditions), *boundary_tables(conditions), session_table(runs))
    measured = [table for table in asked if table is not None]
    measured += convention_tables(runs, conditions)
    return {table.slug: table for table in (*measured, cost_table(runs), provenance_table(runs))}
