"""Texts of table cells: figures, and the columns, filters and words that describe a case."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from supcr_bench.analysis.statistics import Interval
from supcr_bench.analysis.summary import time_interval
from supcr_bench.values.axes import WORKLOAD_AXES, Axis
from supcr_bench.values.case import Case
from supcr_bench.values.definition import short_name
from supcr_bench.values.result import Result, Status, grouped
from supcr_bench.values.table import Cell, Column, Facets, Row, Table, numbers, row, words
from supcr_bench.values.units import MISSING, format_bytes, format_duration_s, telling


def ended_text(status: Status) -> str:
    """The text in place of a missing figure: how the case ended."""
    return MISSING if status.has_figures else status.words


def interval_text(time: Interval) -> str:
    """A median's interval and number of samples, such as ``-2/+40% (12)``; or this number alone."""
    if time.low is None or time.high is None or not time.estimate:
        return f"({time.samples})"
    less, more = (f"{abs(x / time.estimate - 1):.0%}" for x in (time.low, time.high))
    return f"{f'±{less}' if less == more else f'-{less[:-1]}/+{more}'} ({time.samples})"


def time_text(result: Result) -> str:
    """A time as ``1.06 s ±2% (12)``, or its status; marked where imprecise, and where wrong."""
    time = time_interval(result)
    if time is None:
        return ended_text(result.status)
    imprecise = "*" if result.time_stopped_by == "budget" else ""
    return _marked(f"{format_duration_s(time.estimate)} {interval_text(time)}{imprecise}", result)


def memory_text(result: Result) -> str:
    size = result.peak_bytes
    return ended_text(result.status) if size is None else _marked(format_bytes(size), result)


def _marked(text: str, result: Result) -> str:
    return f"{text} wrong" if result.status is Status.WRONG else text


def ratio_text(ratio: float | None, marks: Sequence[float] = ()) -> str:
    """A ratio with about three digits: ``1.04``, ``12.3``, ``1,040`` or ``0.031``; or a dash.

    The text has more digits if that shows on which side of each mark the ratio lies.
    """
    if ratio is None:
        return MISSING
    digits = 0 if ratio >= 99.95 else 1 if ratio >= 9.995 else 2 if ratio >= 0.0995 else 3
    return telling((f"{ratio:,.{d}f}" for d in range(digits, 10)), ratio, marks)


SHOWN = tuple(axis for axis in WORKLOAD_AXES if axis.name != "batch_size")
"""The axes in which series differ: workloads of one series differ only in the batch size."""
USUAL = ("dims", "nan_density")
"""Axes that a table shows even if they do not vary."""


def facets_of(case: Case, implementation: str | None = None, without: Sequence[str] = ()) -> Facets:
    """The values by which a page filters a row, ``without`` those that vary within the row."""
    values = ((axis, axis.of(case.workload)) for axis in SHOWN)
    facets = {
        axis.id: axis.text(value)
        for axis, value in values
        if value is not None or axis.name != "temperature"  # the definition's own
    }
    facets |= {"pass": case.pass_} | ({"implementation": implementation} if implementation else {})
    return {name: value for name, value in facets.items() if name not in without}


def case_columns(
    cases: Sequence[Case], always: Sequence[str] = USUAL, without: Axis | None = None
) -> tuple[tuple[str, ...], Callable[[Case], tuple[str, ...]]]:
    """Headers of the columns that describe a case, and a function that gives a case's texts.

    There is a column for each axis in which the cases differ. Axes in ``always`` have one too,
    unless two other axes vary and leave no room for it on a terminal.
    """
    texts: dict[str, Callable[[Case], str]] = {
        axis.short: lambda case, axis=axis: axis.text(axis.of(case))  # type: ignore[misc]
        for axis in SHOWN
        if axis is not without
    }
    texts["definition"] = lambda case: short_name(case.definition)
    shown = {head for head, text in texts.items() if len({text(case) for case in cases}) > 1}
    usual = {axis.short for axis in SHOWN if axis.name in always}
    if len(shown - usual - {"definition"}) < 2:
        shown |= usual
    heads = tuple(head for head in texts if head in shown)
    return heads, lambda case: tuple(texts[head](case) for head in heads)


def definitions_note(definitions: Mapping[str, str]) -> str:
    """Explain the short names of definitions that end in ``*``; definitions by implementation."""
    marked = {n: full for n, full in definitions.items() if full != short_name(full)}
    return "; ".join(f"{short_name(full)} ({n}) stands for {full}" for n, full in marked.items())


def noted(note: str, rows: Sequence["HasCase"]) -> str:
    """A table's note, followed by the full names of definitions that the table shortens."""
    marks = definitions_note({implementation_of(r): r.case.definition for r in rows})
    return f"{note}.\n{marks}" if marks else note


def arm_names(results: Sequence[Result]) -> dict[str, str]:
    """A label for each implementation, with its definition below if the results have several."""
    arms = dict.fromkeys((r.implementation, short_name(r.case.definition)) for r in results)
    found = grouped(arms, lambda arm: arm[0])
    if len({definition for _, definition in arms}) < 2:
        return {name: name for name in found}
    return {name: f"{name}\n{', '.join(whose for _, whose in own)}" for name, own in found.items()}


class HasCase(Protocol):
    """A row of a table, which has a case."""

    @property
    def case(self) -> Case: ...


def series_rows(found: Iterable[tuple[str, Case, Cell, str]]) -> tuple[Row, ...]:
    """Rows of case, outcome and reason; batch sizes with the same outcome share a row."""
    groups = grouped(found, lambda f: (f[0], f[2], f[1].pass_, f[1].series()))
    rows = []
    for (name, what, *_), members in groups.items():
        members.sort(key=lambda member: member[1].batch_size)
        _, case, _, why = members[0]
        sizes = ", ".join(str(member[1].batch_size) for member in members)
        if len(members) > 1 and why != MISSING:
            why = f"at N={case.batch_size}: {why}"
        whose = f"{name} {case.pass_}, {case.describe_series()}, N={sizes}"
        rows.append(row(whose, what, why, facets=facets_of(case, name)))
    return tuple(rows)


T = TypeVar("T", bound=HasCase)
Columns = Mapping[str | Column, Callable[[T], Cell | str]]
"""Headers of columns, each with a function that gives a row's text or cell."""


def implementation_of(found: object) -> Any:
    return getattr(found, "implementation", None)


def case_table(
    name: str,
    title: str,
    note: str,
    rows: Sequence[T],
    lead: Columns[T],
    figures: Columns[T],
    *,
    always: Sequence[str] = USUAL,
    without: Axis | None = None,
    group: Callable[[T], object] = lambda _: None,
) -> Table:
    """Build a table with columns for the axes in which its cases differ.

    The order of columns is ``lead`` (words), the axes, ``figures``. The axes in ``always`` are
    always shown, ``without`` never. A line separates groups, if any has several rows.
    """
    headers, texts = case_columns([found.case for found in rows], always, without)
    groups = [group(found) for found in rows]
    ruled = len(set(groups)) < len(groups)
    hidden = [without.id] if without else []
    return Table(
        name=name,
        title=title,
        note=noted(note, rows) if "definition" in headers else note,
        columns=(*words(*lead), *numbers(*headers, *figures)),
        rows=tuple(
            row(
                *(write(found) for write in lead.values()),
                *texts(found.case),
                *(write(found) for write in figures.values()),
                facets=facets_of(found.case, implementation_of(found), hidden),
                group=own if ruled else None,
            )
            for found, own in zip(rows, groups, strict=True)
        ),
        keys=len(lead) + len(headers) + (next(iter(figures)) == "N"),
    )
