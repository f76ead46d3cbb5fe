"""Draws the charts of a run with matplotlib; forward and training stand side by side on one y axis.

Time and memory are drawn against the batch size N on logarithmic scales, in three views: as
measured; divided by N^2 log N, where that law is a level line; and times as multiples of the floor,
where that was measured. Guide curves of N^3 and N^2 log N show how steep these laws are. Along
other axes, times are drawn as ratios to the first value. Lengths are in points.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence

from supcr_bench.analysis.findings import Findings
from supcr_bench.analysis.frontier import CAPACITIES_BYTES, CHANGED
from supcr_bench.analysis.growth import time_bounds
from supcr_bench.analysis.summary import COMPARED, axis_effects, time_interval
from supcr_bench.render.cells import arm_names, facets_of
from supcr_bench.render.drawing import GUIDES, Chart, Line, Mark, Scale, law_text
from supcr_bench.values.axes import AXES, Axis
from supcr_bench.values.case import Case
from supcr_bench.values.growth_law import LAWS
from supcr_bench.values.metrics import MEMORY, TIME, Metric
from supcr_bench.values.result import Result, Status, grouped
from supcr_bench.values.units import format_limit_bytes

_NEAR = 10.0
"""The next larger memory of a device is drawn up to this many times the largest figure."""
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


def tick(text: str) -> str:
    """A tick's label without trailing zeros: ``10 ms`` for ``10.0 ms``."""
    number, _, unit = text.partition(" ")
    return f"{number.rstrip('0').rstrip('.') if '.' in number else number} {unit}"


# --- Against the batch size ---

_Divisor = Callable[[Result], float] | None


def _scaling_charts(
    metric: Metric, series: int, results: Sequence[Result], findings: Findings
) -> Iterator[Chart]:
    """The charts of a series: all views for the first series, and one for any other."""
    what = "Time per call" if metric is TIME else "Peak memory"
    unit, scale = ("ns", 1e9) if metric is TIME else ("bytes", 1.0)
    floors_s = {r.case: r.floor_s for r in results if r.floor_s and metric is TIME}
    views: tuple[tuple[str, str, _Divisor, Callable[[float], str]], ...] = (
        ("", what, None, lambda y: tick(metric.format(y))),
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
    place = case.describe_series([r.case for r in findings.results])
    for number, (view, y_title, by, y_text) in enumerate(views if series == 1 else views[:1]):
        lines = [line for line in _lines(metric, results, findings, by) if line.points]
        if not lines:  # nothing, or no floor, was measured
            continue
        highest = max(mark.y for line in lines for mark in line.marks)
        known = CAPACITIES_BYTES if metric is MEMORY and not number else ()
        near = [n for n in known if highest < n < _NEAR * highest][:1]
        yield Chart(
            name=f"{name}-{number}" if number else name,
            title=f"{what}{f', {view}' if view else ''}: {place}",
            lines=lines,
            labels=arm_names(findings.results),
            x=Scale("batch size N", "{:g}".format),
            y=Scale(y_title, y_text),
            guides=[*GUIDES][: 2 + (metric is MEMORY)] if number < 2 else (),
            over=LEVEL_LAW.of if number else lambda _: 1.0,
            levels={float(n): format_limit_bytes(n) for n in near},
            section=metric.name,
            view=view or ("other workloads" if series > 1 else ""),
            filters=facets_of(case, without=("pass",)),
        )


def _lines(
    metric: Metric, results: Sequence[Result], findings: Findings, by: _Divisor
) -> Iterator[Line]:
    """A line for each implementation and pass, without marks for which ``by`` gives 0."""

    def marks(values: Iterable[tuple[Result, float | None]]) -> list[Mark]:
        found = []
        for r, y in values:
            if y and (scale := by(r) if by else 1.0):
                time = time_interval(r) if metric is TIME else None
                ends = None
                if time and time.low and time.high:
                    ends = time.low / scale, time.high / scale
                found.append(Mark(r.case.batch_size, y / scale, ends, r))
        return found

    ordered = sorted(results, key=lambda r: r.case.batch_size)
    arms = grouped(ordered, lambda r: r.series)
    for arm, members in arms.items():
        own = (g for g in findings.growth if g.metric is metric and g.series == arm)
        verdict = next((g.verdict for g in own), None)
        law = verdict.law if verdict else None
        limits = [
            (r, r.memory_limit_bytes)
            for r in members
            if r.status is Status.OUT_OF_MEMORY and not r.peak_bytes
        ]
        curve = verdict.curve if verdict and law and by is None else None
        points = marks((r, metric.get(r)) for r in members)
        exact = points[:-2] if curve and metric.exact else ()
        off = [m.x for m in exact if curve and abs(curve(m.x) / m.y - 1) > CHANGED]
        yield Line(
            points=points,
            bounds=marks(time_bounds(members) if metric is TIME else limits),
            note=f" {law_text(law)}" if law else "",
            curve=curve,
            curve_above=max(off, default=0.0),
        )


# --- Along another axis ---


def _axis_charts(axis: Axis, results: Sequence[Result]) -> Iterator[Chart]:
    """Time along a numeric axis, and memory along ranks, as ratios to the first value."""

    def setting(case: Case) -> tuple[object, ...]:
        others = (o.of(case.shared) for o in AXES if o.name not in ("pass", axis.name))
        return (*others, case.definition)

    for metric in (TIME, MEMORY) if axis.name == "ranks" else (TIME,):
        series = [
            [
                Mark(float(at), ratio, None, effect.result)
                for effect in members
                if isinstance(at := axis.of(effect.result.case), int | float)
                and (ratio := effect.ratio(metric))
            ]
            for members in axis_effects(results, axis)
        ]
        lines = [Line(points=sorted(own, key=lambda m: m.x)) for own in series if len(own) > 1]
        if not lines:
            continue
        # The setting with the most points; of several, that with the largest batch size.
        lines = max(
            grouped(lines, lambda line: setting(line.case)).values(),
            key=lambda own: (sum(len(line.points) for line in own), own[0].case.batch_size),
        )
        case, what = lines[0].case, "Time" if metric is TIME else "Peak memory of a rank"
        place = case.describe(axis, [r.case for r in results])
        marks = [mark for line in lines for mark in line.points]
        ratios = [mark.y for mark in marks]
        log_y = max(ratios) >= _LOG_FROM * min(ratios)
        yield Chart(
            name=f"{axis.id}-{metric.name}",
            title=f"{what} along {axis.label}, at {place}",
            lines=lines,
            labels=arm_names(results),
            x=Scale(axis.label, axis.text, log=min(mark.x for mark in marks) > 0),
            y=Scale(f"{what}, times that of the first value", "{:.3g}\u00d7".format, log=log_y),
            section=axis.id,
            view=what if metric is MEMORY else "",
            filters=facets_of(case, without=(axis.id, "pass")),
        )
