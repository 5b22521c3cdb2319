"""Published figures of a model that are of no label: its size, and the time it saved its users."""

from __future__ import annotations

from samadapt.report.grid import NOTHING, Cell, Column, Line, Table
from samadapt.report.methods import Method

_MEDSAM = (
    ("Parameters of the image encoder", "89,670,912", "parameters_encoder"),
    ("Parameters of the mask decoder", "4,058,340", "parameters_decoder"),
    ("Parameters that learnt", "93,729,252", "trained"),
    ("Annotation time saved, first expert", "82.37 %", ""),
    ("Annotation time saved, second expert", "82.95 %", ""),
)


def published_facts(methods: list[Method]) -> Table | None:
    """MedSAM's published figures beside the same of the runs; None where none of the methods is MedSAM."""
    runs = {m.condition.run.name: m for m in methods if _is_medsam(m)}
    if not runs:
        return None
    columns = (Column("MedSAM", group="Published", kind="published"), *(Column(name) for name in runs))
    lines = tuple(
        Line(what, (Cell(printed), *(_own(method, key) for method in runs.values()))) for what, printed, key in _MEDSAM
    )
    caption = "What was published of MedSAM (Ma et al. 2024, doi:10.1038/s41467-024-44824-z), and the same of the runs."
    notes = (
        "Time was saved by two experts who corrected MedSAM's masks instead of drawing their own; "
        "nothing here can measure that. Its Dice was published task by task on data that are not these: none stands "
        "here.",
    )
    return Table("published-medsam", "Published for MedSAM", caption, "Figure", columns, lines, notes)


def _is_medsam(method: Method) -> bool:
    facts = method.condition.run.facts
    return str(facts.get("model") or "").lower().startswith("medsam") or facts.get("preprocessing") == "medsam"


def _own(method: Method, key: str) -> Cell:
    value = method.cost["trained"] if key == "trained" else method.condition.run.facts.get(key)
    return NOTHING if value is None else Cell(f"{int(value):,}", values={"": int(value)})
