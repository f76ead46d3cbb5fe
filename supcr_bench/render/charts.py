"""Draws the charts of a run with matplotlib; forward and training stand side by side on one y axis.

Time and memory are drawn against the batch size N on logarithmic scales, in three views: as
measured; divided by N^2 log N, where that law is a level line; and times as multiples of the floor,
where that was measured. Guide curves of N^3 and N^2 log N show how steep these laws are. Along
other axes, times are drawn as ratios to the first value. Lengths are in points.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from supcr_bench.analysis.findings import Findings
from supcr_bench.analysis.frontier import CAPACITIES_BYTES
from supcr_bench.analysis.growth import time_bounds
from supcr_bench.analysis.summary import (
    COMPARED,
    axis_effects,
    implementations_of,
    time_interval,
)
from supcr_bench.render.cells import arm_names, facets_of
from supcr_bench.render.drawing import Chart, Drawing, Line, Mark, law_text
from supcr_bench.values.axes import AXES, PASSES, Axis, Pass
from supcr_bench.values.grouping import grouped
from supcr_bench.values.growth_law import LAWS
from supcr_bench.values.metrics import MEMORY, TIME, Metric
from supcr_bench.values.result import Result, Status
from supcr_bench.values.units import format_limit_bytes

_GUIDES = ("N^3", "N^2 log N", "N")
_NEAR = 10.0
"""The next larger memory of a device is drawn if it is at most this many times the largest
figure."""
LEVEL_LAW = LAWS["N^2 log N"]
FEWEST_SIZES = 2
"""Series with fewer batch sizes have no chart; their figures are in the tables."""
_LOG_FROM = 4.0
"""Ratios that span less than this factor are drawn on a linear scale."""


def charts_of(findings: Findings, at_most: int = 3) -> list[Chart]:
    """Charts against N of up to ``at_most`` series, those with most sizes; then along each axis."""
    series = grouped(findings.results, lambda r: r.case.series()).values()
    longest = sorted(series, key=lambda own: -len({r.case.batch_size for r in own}))[:at_most]
    charts = [
        chart
        for metric in (TIME, MEMORY)
        for number, own in enumerate(longest, start=1)
        if len({r.case.batch_size for r in own}) >= FEWEST_SIZES
        for chart in _scaling_charts(metric, number, own, findings)
    ]
    return charts + [c for axis in COMPARED for c in _axis_charts(axis, findings.results)]


def _drawing(
    name: str, panels: Mapping[Pass, Sequence[Line]], results: Sequence[Result]
) -> Drawing:
    return Drawing(name, panels, implementations_of(results), arm_names(results))


def tick(text: str) -> str:
    """A tick's label without trailing zeros: ``10 ms`` for ``10.0 ms``."""
    number, _, unit = text.partition(" ")
    return f"{number.rstrip('0').rstrip('.') if '.' in number else number} {unit}"


# --- Against the batch size ---

_Scale = Callable[[Result], float]


def _scaling_charts(
    metric: Metric, series: int, results: Sequence[Result], findings: Findings
) -> Iterator[Chart]:
    """The charts of a series: all views for the first series, and one for any other."""
    lines = {p: _lines(metric, p, results, findings) for p in PASSES}
    if not any(line.points for own in lines.values() for line in own):
        return
    what = "Time per call" if metric is TIME else "Peak memory"
    unit, scale = ("ns", 1e9) if metric is TIME else ("bytes", 1.0)
    floors_s = {r.case: r.floor_s for r in results if r.floor_s and metric is TIME}
    views: tuple[tuple[str, str, _Scale, Callable[[float], str]], ...] = (
        ("", what, lambda _: 1.0, lambda y: tick(metric.format(y))),
        (
            "divided by N^2 log N",
            f"{what} / (N\u00b2 log N), {unit}",
            lambda r: LEVEL_LAW.of(r.case.batch_size) / scale,
            lambda y: f"{y:,.0f}" if y >= 10 else f"{y:.3g}",
        ),
        (
            "as multiples of the floor",
            f"{what} / floor",
            lambda r: floors_s.get(r.case, 0.0),
            lambda y: f"{y:,.4g}\u00d7",
        ),
    )
    case, name = results[0].case, f"{metric.name}-{series}"
    for number, (view, y_title, over, y_text) in enumerate(views if series == 1 else views[:1]):
        panels = {p: [_scaled(line, over) for line in own] for p, own in lines.items() if own}
        panels = {
            p: own for p, lines_ in panels.items() if (own := [x for x in lines_ if x.points])
        }
        if not panels:  # no floor was measured
            continue
        drawing = _drawing(f"{name}-{number}" if number else name, panels, findings.results)
        highest = max(mark.y for mark in drawing.marks)
        known = CAPACITIES_BYTES if metric is MEMORY and not number else ()
        near = [n for n in known if highest < n < _NEAR * highest][:1]
        shown = {float(n): format_limit_bytes(n) for n in near}
        drawing.scales(("batch size N", "{:g}".format), (y_title, y_text), also=list(shown))
        if number < 2:
            laws = _GUIDES[: 2 + (metric is MEMORY)]
            drawing.guides(laws, LEVEL_LAW.of if number else lambda _: 1.0)
        drawing.levels(shown)
        yield drawing.chart(
            title=f"{what}{f', {view}' if view else ''}: {case.describe_series()}",
            section=metric.name,
            view=view or ("other workloads" if series > 1 else ""),
            filters={k: v for k, v in facets_of(case).items() if k != "pass"},
        )


def _lines(metric: Metric, pass_: str, results: Sequence[Result], findings: Findings) -> list[Line]:
    own = sorted((r for r in results if r.case.pass_ == pass_), key=lambda r: r.case.batch_size)
    found = []
    for name, members in grouped(own, lambda r: r.implementation).items():
        case = members[0].case
        verdicts = [
            g.verdict
            for g in findings.growth
            if (g.metric, *(g.implementation, g.case.pass_, g.case.series()))
            == (metric, name, pass_, case.series())
        ]
        law = verdicts[0].law if verdicts else None
        limits = [
            (r, float(r.memory_limit_bytes))
            for r in members
            if r.status is Status.OUT_OF_MEMORY and not r.peak_bytes and r.memory_limit_bytes
        ]
        bounds = time_bounds(members) if metric is TIME else limits
        line = Line(
            name,
            [
                Mark(r.case.batch_size, y, _ends(metric, r), r)
                for r in members
                if (y := metric.get(r))
            ],
            [Mark(r.case.batch_size, y, None, r) for r, y in bounds],
            f" {law_text(law)}" if law else "",
            verdicts[0].curve if law else None,
        )
        found += [line] if line.points or line.bounds else []
    return found


def _ends(metric: Metric, result: Result) -> tuple[float, float] | None:
    time = time_interval(result) if metric is TIME else None
    return (time.low, time.high) if time and time.low and time.high else None


def _scaled(line: Line, over: _Scale) -> Line:
    """The line with each y divided by its result's scale; marks without a scale are left out."""

    def scaled(marks: Sequence[Mark]) -> list[Mark]:
        return [
            Mark(m.x, m.y / by, m.ends and (m.ends[0] / by, m.ends[1] / by), m.result)
            for m in marks
            if (by := over(m.result))
        ]

    as_measured = all(over(mark.result) == 1.0 for mark in line.points)
    curve = line.curve if as_measured else None
    return replace(line, points=scaled(line.points), bounds=scaled(line.bounds), curve=curve)


# --- Along another axis ---


def _axis_charts(axis: Axis, results: Sequence[Result]) -> Iterator[Chart]:
    """Time along a numeric axis, and memory along ranks, as ratios to the first value."""
    for metric in (TIME, MEMORY) if axis.name == "ranks" else (TIME,):
        settings: dict[tuple[object, ...], dict[Pass, dict[str, Line]]] = {}
        for members in axis_effects(results, axis):
            marks = [
                Mark(float(at), ratio, None, effect.result)
                for effect in members
                if isinstance(at := axis.of(effect.result.case), int | float)
                and (ratio := effect.ratio(metric))
            ]
            if len(marks) < 2:
                continue
            name, case = marks[0].result.key
            place = tuple(o.of(case.shared) for o in AXES if o.name not in ("pass", axis.name))
            passes = settings.setdefault((*place, case.definition), {})
            line = Line(name, sorted(marks, key=lambda mark: mark.x))
            passes.setdefault(case.pass_, {})[name] = line
        if not settings:
            continue
        # The setting with the most points; of several, that with the largest batch size.
        own = max(
            settings.values(),
            key=lambda setting: (
                sum(len(line.points) for p in setting.values() for line in p.values()),
                max(
                    line.points[0].result.case.batch_size
                    for p in setting.values()
                    for line in p.values()
                ),
            ),
        )
        panels = {p: list(own[p].values()) for p in PASSES if p in own}
        case = next(iter(panels.values()))[0].points[0].result.case
        drawing = _drawing(f"{axis.id}-{metric.name}", panels, results)
        what = "Time" if metric is TIME else "Peak memory of a rank"
        ratios = [mark.y for mark in drawing.marks]
        drawing.scales(
            (axis.label, axis.text),
            (f"{what}, times that of the first value", "{:.3g}\u00d7".format),
            log_x=min(mark.x for mark in drawing.marks) > 0,
            log_y=max(ratios) >= _LOG_FROM * min(ratios),
        )
        yield drawing.chart(
            title=f"{what} along {axis.label}, at N={case.batch_size}",
            section=axis.id,
            view=what if metric is MEMORY else "",
            filters=facets_of(case, without=(axis.id, "pass")),
        )
