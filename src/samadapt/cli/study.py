"""``samadapt study``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import typer

from samadapt.cli.generate import make_command
from samadapt.core.errors import ConfigError
from samadapt.study.studies.plan import StudyConfig, StudyPlan

if TYPE_CHECKING:
    from samadapt.study.studies.run import StudyResult


@dataclass(frozen=True)
class Listing:
    """All studies by name."""

    plans: dict[str, StudyPlan]

    def as_json(self) -> dict[str, Any]:
        """For ``--json``."""
        return {name: plan.model_dump(mode="json") for name, plan in self.plans.items()}


def _run(config: StudyConfig) -> StudyResult | Listing:
    from samadapt.study import studies

    if config.list:
        return Listing({name: studies.get(name) for name in studies.names()})
    if not config.study:
        raise ConfigError("which study?", remedy=f"Name one of {', '.join(studies.names())}; --list tells more.")
    from samadapt.study.studies.run import study

    return study(config)


def _show(result: StudyResult | Listing) -> None:
    from rich.console import Console

    console = Console(highlight=False, soft_wrap=True)
    if isinstance(result, Listing):
        for name, plan in result.plans.items():
            console.print(f"[bold]{name}[/]  {plan.title}")
            wanted = [*plan.data, *(need.model for need in plan.models.values())]
            console.print(f"  needs: {', '.join(dict.fromkeys(wanted))}; cite: {plan.cite}", style="dim", markup=False)
        return
    if result.page is None:
        from samadapt.study.studies.check import described

        for line in (line for need in result.needs for line in described(need)):
            typer.echo(line)
        return
    typer.echo(f"The study's page: {result.page}")


def _exit_code(result: StudyResult | Listing) -> int:
    return 0 if isinstance(result, Listing) or result.complete else 1


command = make_command(StudyConfig, _run, arguments=("study",), show=_show, exit_code=_exit_code)
