"""Decides from raw results whether what a chart says is true: its title, axes, marks and legends.

A chart says what it shows before it is drawn, which takes a hundred times as long. Whether the
legends of its figure name exactly what is drawn is decided on the figure.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache

import numpy as np
from matplotlib.axes import Axes as Panel
from matplotlib.lines import Line2D

from supcr_bench.render.drawing import BOUNDS, Chart, Line, law_text, short_name
from supcr_bench.render.palette import PAPER
from supcr_bench.values.axes import AXES, PASSES, Axis
from supcr_bench.values.case import Case
from supcr_bench.values.definition import short_name as short_definition
from supcr_bench.values.growth_law import LAWS
from supcr_bench.values.result import Result, Status, grouped
from tests.render.evidence_propositions import course_holds, quantity, rising, time_holds
from tests.render.propositions import FIGURES, Known, close, of, place_of, time_of
from tests.render.table_propositions import alike

OF_LAW = {law_text(name): name for name in LAWS}


def chart_holds(run: Known, chart: Chart) -> bool:
    arms = {(r.implementation, short_definition(r.case.definition)) for r in run.results}
    several = len({definition for _, definition in arms}) > 1
    if {*chart.labels.values()} != {
        f"{name}\n{whose}" if several else name for name, whose in arms
    }:
        return False
    if told := re.fullmatch(r"(Time per call|Peak memory)(?:, (.*?))?: (.*)", chart.title):
        return _against_n(run, chart, *told.groups())
    told = re.fullmatch(r"(Time|Peak memory of a rank) along (.*), at (.*)", chart.title)
    assert told, chart.title
    return _along(run, chart, *told.groups())


# --- Against the batch size ---

VIEWS: Mapping[str | None, tuple[str, Sequence[str]]] = {
    None: ("", ("N^3", "N^2 log N")),
    "divided by N^2 log N": (" / (N\u00b2 log N)", ("N^3", "N^2 log N")),
    "as multiples of the floor": (" / floor", ()),
}
"""What each view adds to the title of the y axis, and its guide curves."""


def _against_n(run: Known, chart: Chart, what: str, view: str | None, place: str) -> bool:
    timed = what.startswith("Time")
    more, laws = VIEWS[view]
    unit = (", ns" if timed else ", bytes") if view and "divided" in view else ""
    laws = [*laws, *(["N"] if laws and not timed else [])]
    if (chart.x.title, chart.y.title, [*chart.guides]) != (
        "batch size N",
        f"{what}{more}{unit}",
        laws,
    ):
        return False
    own = _by_series(run).get(place, ())
    panels = {p: _panel([r for r in own if r.case.pass_ == p], timed, view) for p in PASSES}
    if {p for p, (points, _) in panels.items() if points} != chart.panels.keys():
        return False
    highest = max(mark.y for mark in chart.marks)
    return all(quantity(text) == level > highest for level, text in chart.levels.items()) and all(
        _equal({(line.name, m.x): m.y for line in lines for m in line.points}, panels[p][0])
        and _equal({(line.name, m.x): m.y for line in lines for m in line.bounds}, panels[p][1])
        and all(_law_holds(run, line, timed) for line in lines)
        for p, lines in chart.panels.items()
    )


@cache
def _by_series(run: Known) -> dict[str, list[Result]]:
    return grouped(run.results, lambda r: _place(run, r.case).partition(" ")[2])


def _place(run: Known, case: Case, without: Axis | None = None) -> str:
    """A workload as a title gives it: of several devices or precisions, with its own."""
    cases = [r.case for r in run.results]
    place = case.describe(without, cases)
    for name in ("device", "dtype"):
        varies = len({getattr(c, name) for c in cases}) > 1
        own = without is not None and without.name == name
        assert getattr(case, name) in place.split() or own or not varies
    return place


Marks = dict[tuple[str, float], float]


def _panel(own: Sequence[Result], timed: bool, view: str | None) -> tuple[Marks, Marks]:
    """The figures of a pass, and limits that are known to be below those that it has not."""
    points, bounds = Marks(), Marks()
    floors_s = {r.case: r.floor_s for r in own if r.floor_s}
    late = set()
    for r in sorted(own, key=lambda r: r.case.batch_size):
        name, n = r.implementation, r.case.batch_size
        by = 1.0
        if view:
            law = n**2 * math.log(n) / (1e9 if timed else 1)
            by = law if view.startswith("divided") else floors_s.get(r.case, 0.0)
        late |= {name} if r.status is Status.TIMED_OUT else set()
        limit: float | None = r.memory_limit_bytes if r.status is Status.OUT_OF_MEMORY else None
        if timed:
            passed = r.status is Status.TIMED_OUT or (r.status is Status.SKIPPED and name in late)
            calls = 1 if passed else 9 if r.status is Status.SKIPPED and r.predicted_s else 0
            limit = r.time_limit_s / calls if r.time_limit_s and calls else None
        if by and (figure := time_of(r) if timed else r.peak_bytes):
            points[name, float(n)] = figure / by
        elif by and limit:
            bounds[name, float(n)] = limit / by
    shown = {name for name, _ in points}
    return points, {at: y for at, y in bounds.items() if at[0] in shown}


def _equal(one: Marks, other: Marks) -> bool:
    return one.keys() == other.keys() and all(close(y, other[at]) for at, y in one.items())


def _law_holds(run: Known, line: Line, timed: bool) -> bool:
    """Whether the law that the legend adds is that of the figures, and its curve near each mark."""
    if not line.note:
        return line.curve is None
    held = _is_law(run, line.name, place_of(line.case), OF_LAW[line.note.strip()], timed)
    most = math.log(2 if timed else 1.12)
    return held and all(
        line.curve is None or abs(math.log(line.curve(mark.x) / mark.y)) <= most
        for mark in line.points
        if mark.x > line.curve_above
    )


@cache
def _is_law(run: Known, name: str, place: tuple[object, ...], law: str, timed: bool) -> bool:
    own = [r for r in of(run, name) if place_of(r.case) == place]
    own.sort(key=lambda r: r.case.batch_size)
    points = rising(own, "time" if timed else "peak_bytes")
    if not timed:
        return course_holds(points, law)
    span = points[0][0].case.batch_size, points[-1][0].case.batch_size
    return time_holds(own, f"grows as {law}", span, None, points)


# --- Along another axis ---


def _along(run: Known, chart: Chart, what: str, label: str, place: str) -> bool:
    """Whether all is shown that is alike but for that axis, as ratios to the first value."""
    axis = next(axis for axis in AXES if axis.label == label)
    definition, ratios = chart.lines[0].case.definition, Marks()
    for own in (own for name in chart.labels for own in alike(axis, of(run, name, definition))):
        known = [(r, time_of(r) if what == "Time" else r.peak_bytes) for r in own]
        base = next((figure for r, figure in known if r.status in FIGURES), None)
        case = own[0].case
        rest = _place(run, case, axis)
        found = {
            (f"{r.implementation} {case.pass_}", float(axis.of(r.case))): figure / base
            for r, figure in known
            if base and figure and isinstance(axis.of(r.case), int | float)
        }
        ratios |= found if rest == place and len(found) > 1 else {}
    told = {
        (f"{line.name} {line.case.pass_}", mark.x): mark.y
        for line in chart.lines
        for mark in line.marks
    }
    titles = label, f"{what}, times that of the first value"
    return (
        _equal(told, ratios)
        and (chart.x.title, chart.y.title) == titles
        and not (chart.guides or chart.levels or any(line.note for line in chart.lines))
    )


# --- Charts that are made false ---


def false_charts(chart: Chart) -> Iterator[tuple[str, Chart]]:
    """The chart with another title, axis, name, law, level or mark."""
    for how, by in (
        ("Time per call", "Peak memory"),
        ("Peak memory", "Time per call"),
        ("Time along", "Peak memory of a rank along"),
        (r", divided by N\^2 log N", ""),
        (", as multiples of the floor", ""),
        (r"D=(\d)", r"D=1\1"),
        (r"NaN (\d)", r"NaN 1\1"),
        (r"at N=(\d)", r"at N=1\1"),
    ):
        title = re.sub(how, by, chart.title, count=1)
        if title != chart.title:
            yield how, replace(chart, title=title)
    yield "axis", replace(chart, y=chart.y._replace(title=f"{chart.y.title}, s"))
    yield "guides", replace(chart, guides=[*chart.guides, "N^4"])
    yield "names", replace(chart, labels={n: f"{label}, too" for n, label in chart.labels.items()})
    yield "levels", replace(chart, levels={1.0: "1 GiB"})
    first, *others = sorted(chart.lines, key=lambda line: not line.note)
    falses: list[tuple[str, Line]] = [
        ("mark", replace(first, points=[m._replace(y=1.1 * m.y) for m in first.points])),
        ("size", replace(first, points=[m._replace(x=m.x + 1) for m in first.points])),
        ("bound", replace(first, bounds=[*first.bounds, first.points[-1]])),
    ]
    if first.note:
        law = "N" if first.note == " N\u2074" else "N\u2074"
        falses.append(("law", replace(first, note=f" {law}")))
    if first.curve:
        falses.append(("curve", replace(first, curve=lambda n: 9 * n)))
    for how, line in falses:
        yield how, replace(chart, lines=[line, *others])
    if others:
        yield "line", replace(chart, lines=others)


# --- The legends of a figure ---


def legends_hold(chart: Chart) -> bool:
    """Whether each legend names what its panel shows, in the order in which the lines end."""
    return all(_legend_holds(chart, panel) for panel in chart.figure.axes) and _key_holds(chart)


def _marks_in(chart: Chart, panel: Panel) -> list[tuple[Line2D, Result, float]]:
    """The line that draws each mark, its result, and its y."""
    return [
        (line, r, float(y))
        for line in panel.lines
        for r, y in zip(
            chart.cases.get(str(line.get_gid()), ()),
            np.asarray(line.get_ydata(), dtype=float),
            strict=False,
        )
    ]


def _legend_holds(chart: Chart, panel: Panel) -> bool:
    axis = next((axis for axis in AXES if axis.id == chart.section), AXES[0])
    ends: dict[str, tuple[float, float]] = {}
    looks: dict[str, set[object]] = {}
    for line, r, y in _marks_in(chart, panel):
        ends[r.implementation] = max(ends.get(r.implementation, (0.0, 0.0)), (axis.of(r.case), y))
        looks.setdefault(r.implementation, {line.get_markeredgecolor()}).add(line.get_marker())
    legend = panel.get_legend()
    assert legend is not None
    texts = [text.get_text() for text in legend.get_texts()]
    laws = "|".join(map(re.escape, OF_LAW))
    forms = {rf"{re.escape(short_name(name))}(\n.*)?( ({laws}))?": name for name in ends}
    whose = [
        next((name for form, name in forms.items() if re.fullmatch(form, text)), "")
        for text in texts[: len(ends)]
    ]
    heights = [ends[name][1] for name in whose]
    drawn = [label for line in panel.lines if not (label := str(line.get_label())).startswith("_")]
    return (
        set(whose) == set(ends)
        and heights == sorted(heights, reverse=True)
        and texts[len(ends) :] == drawn
        and all(
            isinstance(handle, Line2D)
            and handle.get_color() in looks[name]
            and (handle.get_marker() in looks[name] or looks[name] & {*BOUNDS.values()})
            for name, handle in zip(whose, legend.legend_handles, strict=False)
        )
    )


def _key_holds(chart: Chart) -> bool:
    """Whether the legend below names the marks of other kinds, and the curves of laws, as drawn."""
    told = {text.get_text() for key in chart.figure.legends for text in key.get_texts()}
    forms = {form: f"{status.words}: above this" for status, form in BOUNDS.items()}
    drawn = set()
    for panel in chart.figure.axes:
        for line, r, _ in _marks_in(chart, panel):
            hollow, form = line.get_markerfacecolor() == PAPER, line.get_marker()
            if hollow is not (r.status is Status.WRONG):
                return False
            if r.status not in FIGURES:
                drawn.add(forms.get(str(form), ""))
                if f"{r.status.words}: above this" not in drawn:
                    return False
            drawn |= {"wrong result"} if hollow else set()
        if any(line.get_linewidth() == 1.8 for line in panel.lines):
            drawn.add("bold: the law, where it is decided")
    return told == drawn
