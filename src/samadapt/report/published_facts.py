"""Published figures that are of no label: sizes, distances, counts over a set, and the time saved."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from samadapt.report.grid import NOTHING, Cell, Column, Line, Table
from samadapt.report.methods import Method
from samadapt.report.published import SAMMED2D, SIRST5K, SYNAPSE, Published

Own = Callable[[Method], float | None]


@dataclass(frozen=True)
class _Figure:
    """One line: what was printed for each published method, and how the same is found in a run, if it can be."""

    what: str
    printed: tuple[str, ...]
    own: Own = lambda _: None
    digits: int = 0


@dataclass(frozen=True)
class _Facts:
    """What was published of one system.

    Attributes
    ----------
    slug, system, source : str
    columns : tuple of str
        Published methods.
    figures : tuple of _Figure
    note : str
    belongs : callable
        True for a method beside which it stands.
    of_model : bool
        The figures are of the model, whatever it was told: one column for each run.
    """

    slug: str
    system: str
    source: str
    columns: tuple[str, ...]
    figures: tuple[_Figure, ...]
    note: str
    belongs: Callable[[Method], bool]
    of_model: bool = False

    def beside(self, methods: list[Method]) -> Table | None:
        """Its table with a column for every method that it belongs to; None if there is none."""
        own = {self._head(method): method for method in methods if self.belongs(method)}
        if not own:
            return None
        published = tuple(Column(name, group="Published", kind="published") for name in self.columns)
        columns = (*published, *map(Column, own))
        lines = tuple(
            Line(f.what, (*map(_printed, f.printed), *(_own(m, f) for m in own.values()))) for f in self.figures
        )
        caption = f"What was published of {self.system} ({self.source}), and the same of the runs."
        title = f"Published for {self.system}"
        return Table(f"published-{self.slug}", title, caption, "Figure", columns, lines, (self.note,))

    def _head(self, method: Method) -> str:
        return method.condition.run.name if self.of_model else method.name


def published_facts(methods: list[Method]) -> list[Table]:
    """Figures of MedSAM beside its runs, and of SAMed, SIRST-5K and SAM-Med2D beside runs on their data."""
    found = (facts.beside(methods) for facts in _ALL)
    return [table for table in found if table is not None]


def _printed(text: str) -> Cell:
    return Cell(text) if text else NOTHING


def _own(method: Method, figure: _Figure) -> Cell:
    value = figure.own(method)
    return NOTHING if value is None else Cell(f"{value:,.{figure.digits}f}", values={"": value})


def _fact(key: str) -> Own:
    return lambda method: method.condition.run.facts.get(key)


def _trained(method: Method) -> float | None:
    return method.cost["trained"]


def _hd95_in_voxels(method: Method) -> float | None:
    if method.condition.run.facts.get("convention") != "transunet":
        return None
    mean = method.condition.mean("hd95").get("mean")
    return None if mean is None else float(mean)


def _counted(figure: str, factor: float = 1.0) -> Own:
    """A figure of the convention irstd, counted over the set for its only label."""

    def value(method: Method) -> float | None:
        c = method.condition
        entries = [
            e["value"]
            for e in c.run.conventions
            if e.get("counted") and (e["convention"], e["figure"]) == ("irstd", figure)
            if (e["prompts"], e["method"], e["choice"]) == (c.prompts, c.method, c.choice)
        ]
        return entries[0] * factor if entries and entries[0] is not None else None

    return value


def _slices_a_second(method: Method) -> float | None:
    seconds = method.cost["seconds"]
    return 1 / seconds if seconds else None


def _is_medsam(method: Method) -> bool:
    facts = method.condition.run.facts
    return str(facts.get("model") or "").lower().startswith("medsam") or facts.get("preprocessing") == "medsam"


def _on(table: Published) -> Callable[[Method], bool]:
    """True for a method that was measured on the data, and the labels, of a published table."""

    def belongs(method: Method) -> bool:
        facts = method.condition.run.facts
        return table.fits((facts.get("label_set") or {}).values(), facts.get("datasets") or ())

    return belongs


_MEDSAM = _Facts(
    "medsam",
    "MedSAM",
    "Ma et al. 2024, doi:10.1038/s41467-024-44824-z",
    ("MedSAM",),
    (
        _Figure("Parameters of the image encoder", ("89,670,912",), _fact("parameters_encoder")),
        _Figure("Parameters of the mask decoder", ("4,058,340",), _fact("parameters_decoder")),
        _Figure("Parameters that learnt", ("93,729,252",), _trained),
        _Figure("Pairs of image and mask, 80/10/10 % for training, validation and test", ("1,570,263",)),
        _Figure("Annotation time saved, first expert", ("82.37 %",)),
        _Figure("Annotation time saved, second expert", ("82.95 %",)),
    ),
    "Time was saved by two experts who corrected MedSAM's masks instead of drawing their own; nothing here can measure "
    "that. Its Dice was published task by task on data that are not these: none stands here.",
    _is_medsam,
    of_model=True,
)
_SAMED = _Facts(
    "samed",
    "SAMed",
    "Zhang and Liu 2023, arXiv:2304.13785",
    SYNAPSE.columns,
    (_Figure("HD95, mean over organs, in voxels", ("20.64", "16.02", "31.72"), _hd95_in_voxels, 2),),
    "The convention “transunet” gives distance 0 to an organ that was missed, and counts voxels, not millimetres. Of "
    "runs under another convention nothing stands here.",
    _on(SYNAPSE),
)
_SIRST5K = _Facts(
    "sirst-5k",
    "SIRST-5K",
    "README of its repository",
    ("SIRST-5K",),
    (
        _Figure("IoU over all pixels", ("0.928",), _counted("iou"), 3),
        _Figure("Pd, targets found", ("0.988",), _counted("pd"), 3),
        _Figure("Fa, millionths of all pixels", ("2.735",), _counted("fa", 1e6), 3),
    ),
    "Printed there as mIoU 92.78, Pd 98.84 and Fa 2.735e-6, of a network made for such targets. The same of a run "
    "needs --conventions irstd; Fa is the exact one.",
    _on(SIRST5K),
)
_SAMMED2D = _Facts(
    "sammed2d",
    "SAM-Med2D",
    "Cheng et al. 2023, arXiv:2308.16184",
    ("SAM 256", "SAM 1024", "FT-SAM 256", "SAM-Med2D 256"),
    (_Figure("Images a second", ("51", "8", "51", "35"), _slices_a_second, 1),),
    "On its card, from a box or a point; of the runs, on this machine, for all their prompts together.",
    _on(SAMMED2D),
)
_ALL = (_MEDSAM, _SAMED, _SIRST5K, _SAMMED2D)
