"""The tables of a comparison: methods, pairs of them, label by label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations

from samadapt.metrics import Difference, paired_difference, with_holm
from samadapt.report.empty import without_objects_notes
from samadapt.report.grid import NOTHING, Cell, Column, Line, Table, number, p_text, span
from samadapt.report.methods import Method
from samadapt.report.organs import DICE, FEW_CASES, labels_of
from samadapt.report.runs import spacing_notes

LEVEL = 0.05
MANY = 8
"""Methods above which only those that were told the same are tested against each other."""
_ACCURACY = (("dice", "Dice", 3, True), ("nsd", "NSD", 3, True), ("hd95", "HD95", 1, False))
_COST = (
    ("parameters", Column("Parameters"), 0),
    ("trained", Column("Trained"), 0),
    ("checkpoint", Column("Trained part", "MB"), 2),
    ("training", Column("Training", "s"), 0),
    ("seconds", Column("Time a slice", "s"), 4),
    ("memory", Column("Peak memory", "MB"), 0),
)
_TEST = (
    "p is two-sided, of Wilcoxon's signed-rank test over cases; beside it, corrected by Holm for all tests of this "
    f"table. A difference is called one where the corrected p is below {LEVEL:g}; all others may be chance, which is "
    "not to say that the methods are equal."
)


def methods_table(methods: list[Method]) -> Table:
    """Accuracy and cost side by side, one line a method."""
    columns = [Column(head, "mm" if name == "hd95" else "", kind="model") for name, head, _, _ in _ACCURACY]
    lines = [[_mean(m, name, digits) for name, _, digits, _ in _ACCURACY] for m in methods]
    for place, (_, _, _, higher) in enumerate(_ACCURACY):
        _mark_best(lines, place, higher)
    costs = [[_amount(m.cost[key], digits) for key, _, digits in _COST] for m in methods]
    used = [place for place in range(len(_COST)) if any(row[place] is not NOTHING for row in costs)]
    columns += [replace(_COST[place][1], group="Cost") for place in used]
    caption = (
        "Mean over the labels of a case, then over cases, with 95 % bootstrap intervals. Bold: the best of a column."
    )
    notes = (
        "Time a slice is that of a whole run, for all its prompt policies together; memory is the peak of its process.",
        "HD95 leaves out organs that were missed or invented: read it beside the table of boundary distances.",
        *without_objects_notes(m.condition.run for m in methods),
        *spacing_notes(m.condition.run for m in methods),
    )
    rows = tuple(
        Line(m.name, (*line, *(cost[place] for place in used))) for m, line, cost in zip(methods, lines, costs)
    )
    return Table("methods", "Methods", caption, "Method", tuple(columns), rows, notes)


def _mean(method: Method, figure: str, digits: int) -> Cell:
    entry = method.condition.mean(figure)
    if not entry:
        return NOTHING
    detail = span(entry["low"], entry["high"], digits) if entry["n"] > 1 else ""
    return Cell(number(entry["mean"], digits), detail, values={key: entry[key] for key in ("mean", "low", "high", "n")})


def _mark_best(lines: list[list[Cell]], place: int, higher: bool) -> None:
    values = [line[place].values["mean"] for line in lines if line[place] is not NOTHING]
    if len(values) < 2:
        return
    best = max(values) if higher else min(values)
    for line in lines:
        line[place] = replace(line[place], best=line[place].values.get("mean") == best)


def _amount(value: float | None, digits: int) -> Cell:
    return NOTHING if value is None else Cell(f"{value:,.{digits}f}", values={"": value})


def all_pairs(methods: list[Method], seed: object) -> dict[tuple[str, str], Difference]:
    """Pairs of methods by mean foreground Dice of a case, corrected together.

    Every pair of a few methods; of more than `MANY` those that were told the same, if there are any.
    """
    pairs = list(combinations(methods, 2))
    alike = [(a, b) for a, b in pairs if a.condition.prompts == b.condition.prompts]
    asked = alike if len(methods) > MANY and alike else pairs
    by_case = {m.name: m.by_case() for m in methods}
    return with_holm({(a.name, b.name): paired_difference(by_case[a.name], by_case[b.name], seed) for a, b in asked})


def pairs_table(pairs: Mapping[tuple[str, str], Difference]) -> Table:
    """One line a pair: the difference with its interval, cases, and both p values."""
    columns = (
        Column("Difference"),
        Column("Cases"),
        Column("Higher", "cases"),
        Column("Lower", "cases"),
        Column("p"),
        Column("p", "Holm"),
        Column("Reading", kind="words"),
    )
    lines = tuple(Line(f"{second} – {first}", _pair(one)) for (first, second), one in pairs.items())
    caption = (
        "Mean Dice of a case without the background: the method named first minus the one named second, case by case."
    )
    notes = [_TEST]
    if len({name for pair in pairs for name in pair}) > MANY:
        notes.append("Of so many methods only those that were told the same are tested against each other.")
    if any(one.n < FEW_CASES for one in pairs.values()):
        notes.append(f"With n cases no p can be below 2 / 2^n: {LEVEL:g} is out of reach below 6 cases.")
    return Table("pairs", "Every pair", caption, "Methods", columns, lines, tuple(notes))


def _pair(one: Difference) -> tuple[Cell, ...]:
    if not one.n:
        return (*(NOTHING,) * 6, Cell("no case in common"))
    values = {"mean": one.mean, "low": one.low, "high": one.high}
    difference = Cell(f"{one.mean:+.3f}", _signed(one), values=values)
    counts = [Cell(str(n), values={"": n}) for n in (one.n, one.higher, one.lower)]
    tests = [Cell(p_text(p), values={"": p}) for p in (one.p, one.p_holm)]
    reading = f"the {'first' if one.mean > 0 else 'second'} is better" if one.p_holm < LEVEL else "may be chance"
    return (difference, *counts, *tests, Cell(reading))


def _signed(one: Difference) -> str:
    return f"{one.low:+.3f} to {one.high:+.3f}" if one.n > 1 else ""


def labels_table(methods: list[Method], seed: object) -> Table | None:
    """Difference of every other method from the first one, label by label, corrected together.

    Of more than `MANY` methods each is compared with the first one that was told the same.
    """
    first = _firsts(methods)
    others = [m for m in methods if first[m.name] is not m]
    names = [name for name in labels_of([m.condition for m in methods], DICE.name) if name != "background"]
    if not others or not names:
        return None
    found = with_holm(
        {
            (name, m.name): paired_difference(first[m.name].by_case(name), m.by_case(name), seed)
            for name in names
            for m in others
        }
    )
    alone = {one.name for one in first.values()}
    what = alone.pop() if len(alone) == 1 else "the first method that was told the same"
    lines = tuple(Line(name, tuple(_difference(found[name, m.name]) for m in others)) for name in names)
    caption = f"Dice of every label minus that of {what}, case by case, with 95 % bootstrap intervals."
    notes = (
        "Orange: Holm's corrected p, over all cells of this table, where it is below "
        f"{LEVEL:g}. Cases in which one of the two has no Dice for a label are not in its difference.",
    )
    columns = tuple(Column(m.name) for m in others)
    return Table("differences", "Label by label", caption, "Label", columns, lines, notes)


def _firsts(methods: list[Method]) -> dict[str, Method]:
    """The method that each is compared with, by name; its own first one is itself."""
    if len(methods) <= MANY:
        return {m.name: methods[0] for m in methods}
    by_prompts: dict[str, Method] = {}
    return {m.name: by_prompts.setdefault(m.condition.prompts, m) for m in methods}


def _difference(one: Difference) -> Cell:
    if not one.n:
        return NOTHING
    values = {"mean": one.mean, "low": one.low, "high": one.high, "n": one.n, "p": one.p, "p Holm": one.p_holm}
    remark = f"p {p_text(one.p_holm)}" if one.p_holm < LEVEL else ""
    return Cell(f"{one.mean:+.3f}", _signed(one), remark, values=values)


def sentence(methods: list[Method], pairs: Mapping[tuple[str, str], Difference]) -> str:
    """The comparison in words: the highest mean, and from whom it can be told apart."""
    best = max(methods, key=lambda m: float(m.condition.mean()["mean"]))
    said = f"{best.name} has the highest mean Dice, {best.condition.mean()['mean']:.3f}."
    tested = [m for m in methods if (best.name, m.name) in pairs or (m.name, best.name) in pairs]
    told = [m.name for m in tested if _is_better(pairs, best, m)]
    others = [m.name for m in tested if m.name not in told]
    if told:
        said += f" Case by case it is better than {_joined(told)} (Holm's corrected p below {LEVEL:g})."
    if others:
        said += f" Its difference from {_joined(others)} may be chance."
    return said


def _joined(names: list[str]) -> str:
    return names[0] if len(names) == 1 else "; ".join(names[:-1]) + " and " + names[-1]


def _is_better(pairs: Mapping[tuple[str, str], Difference], one: Method, other: Method) -> bool:
    """True if the corrected test tells them apart and the cases that both have speak for the first."""
    forward, back = pairs.get((other.name, one.name)), pairs.get((one.name, other.name))
    if forward is not None:
        return forward.p_holm < LEVEL and forward.mean > 0
    return back is not None and back.p_holm < LEVEL and back.mean < 0
