"""Charts time or memory, in forward or training, against batch size N on logarithmic scales."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import TypeVar

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from supcr_bench.analysis.counted_growth import FEWEST_SIZES
from supcr_bench.analysis.crossover import Crossover
from supcr_bench.analysis.findings import Findings
from supcr_bench.analysis.frontier import CAPACITIES_BYTES
from supcr_bench.analysis.growth import time_bounds
from supcr_bench.analysis.summary import (
    fastest_by_size,
    implementations_of,
    known_wrong,
    time_interval,
)
from supcr_bench.render.cells import facets_of, series_text
from supcr_bench.render.charts.drawing import (
    ARROW,
    WRONG,
    Chart,
    Drawing,
    definitions_text,
    marker_entry,
)
from supcr_bench.render.palette import INK, QUIET
from supcr_bench.values.definition import short_name
from supcr_bench.values.grouping import grouped
from supcr_bench.values.growth_law import GrowthVerdict
from supcr_bench.values.metrics import TIME, Metric
from supcr_bench.values.result import Result, Status
from supcr_bench.values.units import format_duration_s, format_limit_bytes, listed, plural

_T = TypeVar("_T")
BEYOND = 2
"""A growth law, such as N^2, is drawn up to this many times the largest size."""

_NEAR = 100
"""A GPU's memory is drawn if the chart has a figure that is at most this many times smaller."""
_CURVE_STEPS, _COUNTED_STEPS = 24, 8
"""Steps of a curve, and of the range of a counted figure, which takes longer to compute."""
_MOST_POINTS = 160
"""Most points of a chart; pages with many charts would otherwise open slowly."""
_MOST_CROSSINGS = 3
_MOST_NAMED = 2
"""Most crossovers that a title names."""
_SUPERSCRIPT = str.maketrans("234", "\u00b2\u00b3\u2074", "^")
_SEEN = 1.05
"""A band whose ends have this ratio is as wide as a line."""


@dataclass(frozen=True, slots=True)
class _Line:
    """One implementation: results with a figure, results with only a bound, and its growth."""

    name: str
    points: Sequence[tuple[Result, float]]
    bounds: Sequence[tuple[Result, float]]
    verdict: GrowthVerdict

    @property
    def sizes(self) -> list[int]:
        return [row.case.batch_size for row, _ in self.points]

    @property
    def logs(self) -> tuple[list[float], list[float]]:
        """The logarithms of sizes and figures."""
        return [math.log(n) for n in self.sizes], [math.log(y) for _, y in self.points]

    @property
    def figures(self) -> list[float]:
        """All figures and bounds, and the end of the line."""
        return [self.end, *(y for _, y in (*self.points, *self.bounds))]

    @property
    def last(self) -> float:
        return BEYOND * self.sizes[-1] if self.verdict.band else self.sizes[-1]

    @property
    def law(self) -> Callable[[float], float] | None:
        return self.verdict.curve if self.verdict.law else None

    @property
    def law_text(self) -> str:
        """The growth law, as ``N² log N``, or that it is not decided; empty for too few sizes."""
        if self.verdict.law:
            return self.verdict.law.translate(_SUPERSCRIPT)
        return "growth not decided" if len(self.sizes) >= FEWEST_SIZES else ""

    @property
    def has_visible_band(self) -> bool:
        """Whether the band, which is widest at the end, is wider there than a line."""
        low, high = self.verdict.band(self.last) if self.verdict.band else (1, 1)
        return high > _SEEN * low

    @property
    def end(self) -> float:
        """The figure at the end of the line; without a line, the first bound."""
        return self.law(self.last) if self.law else (self.points or self.bounds)[-1][1]


def scaling_chart(
    name: str, metric: Metric, results: Sequence[Result], findings: Findings
) -> Chart | None:
    """The chart of one series (workloads that differ only in batch size), in one pass.

    It is ``None`` if the results have no figures or only one size. ``findings`` are those of the
    whole run, whose implementations give each its colour.
    """
    by_name = grouped(results, lambda r: r.implementation).values()
    lines = [line for own in by_name if (line := _line(own, metric, findings))]
    if not lines or len({r.case.batch_size for r in results}) < 2:
        return None
    key = (results[0].case.pass_, results[0].case.series())
    known = [c for c in findings.crossovers if (c.case.pass_, c.case.series()) == key]
    crossovers = [c for c in known if metric is TIME]
    return _Scaling(metric, results, lines, crossovers).chart(name, findings)


def _line(own: Sequence[Result], metric: Metric, findings: Findings) -> _Line | None:
    own = sorted(own, key=lambda r: r.case.batch_size)
    name, case = own[0].key
    wanted = (metric, name, case.pass_, case.series())
    verdicts = (
        g.verdict
        for g in findings.growth
        if (g.metric, g.implementation, g.case.pass_, g.case.series()) == wanted
    )
    full = [r for r in own if r.status is Status.OUT_OF_MEMORY and not r.peak_bytes]
    limits = [(r, float(r.memory_limit_bytes)) for r in full if r.memory_limit_bytes]
    bounds = time_bounds(own) if metric is TIME else limits
    points = [(r, y) for r in own if (y := metric.get(r))]
    if not points and not bounds:
        return None
    return _Line(name, points, bounds, next(verdicts, GrowthVerdict(law=None, evidence="")))


@dataclass(frozen=True, slots=True)
class _Scaling:
    """What a chart shows; it has crossovers only if it shows time."""

    metric: Metric
    results: Sequence[Result]
    lines: Sequence[_Line]
    crossovers: Sequence[Crossover]

    def chart(self, name: str, findings: Findings) -> Chart:
        metric, case = self.metric, self.results[0].case
        definitions = {r.implementation: short_name(r.case.definition) for r in self.results}
        what = "time per call" if metric is TIME else "peak memory above the inputs"
        subtitle = f"{what}, {case.pass_}; {series_text(case)}; {definitions_text(definitions)}"
        drawn = self._drawn_crossovers()
        levels = self._memory_levels() if metric is not TIME else {}
        drawing = self._axes(levels, implementations_of(findings.results))
        for order, (level, text) in enumerate(sorted(levels.items())):
            drawing.level(level, text, order)
        for line in self.lines:
            _draw_law(drawing, line, _CURVE_STEPS if metric is TIME else _COUNTED_STEPS)
            drawing.entry(line.name, line.end, line.law_text, definitions)
        for line in self.lines:
            self._draw_points(drawing, line)
        for row in drawn:
            assert row.size is not None and row.low is not None and row.high is not None
            drawing.crossing((row.one, row.other), row.size, (row.low, row.high), overtakes(row))
        return drawing.chart(
            name,
            self._title(drawn),
            subtitle,
            self._description(subtitle),
            metric.name,
            facets_of(case),
            ("batch size N", what),
            self._key(crossings=bool(drawn)),
        )

    def _drawn_crossovers(self) -> list[Crossover]:
        """The crossovers to draw, by size; of many, those of the fastest implementations."""

        def behind(row: Crossover) -> float:
            at = math.log(row.size or 1)
            logs = {
                line.name: np.interp(at, *line.logs, left=math.inf, right=math.inf)
                for line in self.lines
                if line.points
            }
            return float(logs[row.one] - min(logs.values()))

        found = sorted((row for row in self.crossovers if row.size is not None), key=behind)
        return sorted(found[:_MOST_CROSSINGS], key=lambda row: row.size or 0)

    def _memory_levels(self) -> dict[float, str]:
        """Memory of GPUs near the figures, and the run's memory limit if a call exceeded it."""
        highest = max(y for line in self.lines for y in line.figures)
        levels = {
            float(size): format_limit_bytes(size)
            for size in CAPACITIES_BYTES[1:]
            if size <= _NEAR * highest
        }
        limits = {r.memory_limit_bytes for r in self.results if r.status is Status.OUT_OF_MEMORY}
        return levels | {float(n): f"limit {format_limit_bytes(n)}" for n in limits if n}

    def _axes(self, levels: Mapping[float, str], names: Sequence[str]) -> Drawing:
        sizes = sorted({r.case.batch_size for r in self.results})
        right = max([sizes[-1] * 1.08, *(line.last for line in self.lines if line.points)])
        low = min(y for line in self.lines for _, y in (*line.points, *line.bounds))
        high = max([*levels, *(y for line in self.lines for y in line.figures)])
        drawing = Drawing(names, (sizes[0] / 1.12, right), (low / 1.6, high * 2.0))
        powers = [2.0**i for i in range(1, 41) if sizes[0] <= 2**i <= right]
        at = powers if sum(p in sizes for p in powers) >= 4 else sizes
        drawing.ticks(at, "{:g}".format, lambda v: tick_text(self.metric.format(v)))
        return drawing

    def _draw_points(self, drawing: Drawing, line: _Line) -> None:
        most = max(4, _MOST_POINTS // len(self.lines))
        points = _thinned(line.points, most)
        if self.metric is TIME:
            known = [(row.case.batch_size, time_interval(row)) for row, _ in points]
            ends = [(n, i.low, i.high) for n, i in known if i and i.low and i.high]
            drawing.intervals(line.name, ends)
        for row, y in points:
            hollow, text = row.status is Status.WRONG, point_words(row, self.metric)
            drawing.point(line.name, row.case.batch_size, y, text, hollow=hollow)
        # Bounds of several implementations often coincide, so each is shifted a little.
        bounded = [other.name for other in self.lines if other.bounds]
        for result, y in _thinned(line.bounds, most):
            aside = 1.035 ** (bounded.index(line.name) - (len(bounded) - 1) / 2)
            drawing.point(
                line.name,
                result.case.batch_size * aside,
                y,
                bound_words(result),
                hollow=result.status is Status.SKIPPED,
                shape="X" if result.status is Status.OUT_OF_MEMORY else ARROW,
            )

    def _key(self, *, crossings: bool) -> list[Line2D | Patch]:
        points = {row.status for line in self.lines for row, _ in line.points}
        bounds = {r.status for line in self.lines for r, _ in line.bounds}
        median = "median, 95 % interval" if self.metric is TIME else "measured"
        law = Line2D([], [], lw=1.8, color=QUIET, label="law, pale beyond the data")
        band = Patch(fc=QUIET, alpha=0.3, label="range that the data allow")
        entries: list[tuple[bool, Line2D | Patch]] = [
            (Status.MEASURED in points, marker_entry(median)),
            (Status.WRONG in points, marker_entry("wrong result", hollow=True)),
            (any(line.law for line in self.lines), law),
            (any(line.has_visible_band for line in self.lines), band),
            (crossings, Patch(fc=INK, alpha=0.12, label="crossover, 95 % interval")),
            (Status.OUT_OF_MEMORY in bounds, marker_entry("out of memory: above this", "X")),
            (Status.TIMED_OUT in bounds, marker_entry("timed out: above this", ARROW)),
            (Status.SKIPPED in bounds, marker_entry("skipped: above this", ARROW, hollow=True)),
        ]
        return [entry for drawn, entry in entries if drawn]

    def _title(self, drawn: Sequence[Crossover]) -> str:
        """The main finding; ``drawn`` are the crossovers that matter most, by size."""
        measured = [line for line in self.lines if line.points]
        names = listed([line.name for line in measured])
        where = f"in {self.results[0].case.pass_}"
        if not measured:
            return f"Nothing could be measured {where}"
        if len(measured) == 1:
            (line,) = measured
            if line.verdict.law:
                return f"The {self.metric.title} of {names} grows as {line.verdict.law} {where}"
            row, y = line.points[-1]
            return f"{names} takes {self.metric.format(y)} at N={row.case.batch_size} {where}"
        if drawn:
            parts = [overtakes(c, interval=False) for c in drawn[:_MOST_NAMED]]
            more = sum(c.size is not None for c in self.crossovers) - len(parts)
            parts += [plural(more, "more crossover")] if more else []
            return f"{listed(parts)} {where}"
        rows = [(row, y) for line in measured for row, y in line.points]
        if self.metric is TIME:
            return self._fastest(rows, where) or f"Time of {names} {where}"
        # The most and the least memory at the largest common size.
        by_size = grouped(rows, lambda point: point[0].case.batch_size)
        size, at = max(by_size.items(), key=lambda item: (len(item[1]), item[0]))
        if len(at) < 2:
            return f"Peak memory of {names} {where}"
        (least, low), (most, high) = (choose(at, key=lambda p: p[1]) for choose in (min, max))
        if high / low < 1.05:
            return f"{names} take the same memory {where}"
        times = f"{high / low:,.{high / low < 9.5:d}f} times the memory of {least.implementation}"
        return f"{most.implementation} takes {times} at N={size} {where}"

    def _fastest(self, rows: Sequence[tuple[Result, float]], where: str) -> str | None:
        """Who is the fastest at the sizes of several implementations; ``None`` without such."""
        timed = Counter(row.case.batch_size for row, _ in rows)
        by_case = fastest_by_size(self.results, known_wrong(self.results))
        fastest = {case.batch_size: names for case, names in by_case.items()}
        sizes = sorted(n for n in fastest if timed[n] > 1)
        spans = [(names, list(same)) for names, same in groupby(sizes, key=fastest.__getitem__)]
        if not 1 <= len(spans) <= 2:
            names = listed(list(dict.fromkeys(name for own, _ in spans for name in own)))
            changes = f"{names} are close {where}: which is the fastest changes with N"
            return changes if spans else None
        (first, small), (second, large) = spans[0], spans[-1]
        said = f"{listed(first)} {'tie' if len(first) > 1 else 'is the fastest'} {where}"
        if len(spans) == 2:
            then = f"{listed(second)}{' tie' if len(second) > 1 else ''} from N={large[0]} on"
            return f"{said} up to N={small[-1]}, {then}"
        return f"{said} {f'from N={small[0]} to {small[-1]}' if small[1:] else f'at N={small[0]}'}"

    def _description(self, subtitle: str) -> str:
        """A text alternative: ranges and laws, crossovers, and the cases without a figure."""
        sentences = [f"{subtitle[0].upper()}{subtitle[1:]}; against batch size, both logarithmic."]
        for line in self.lines:
            grows = f"grows as {line.verdict.law}" if line.verdict.law else "growth not decided"
            sizes, figures = line.sizes, [y for _, y in line.points]
            if len(figures) == 1:
                sentences.append(f"{line.name}: N={sizes[0]}, {self.metric.format(figures[0])}.")
            elif figures:
                span = span_text(figures[0], figures[-1], self.metric.format)
                sentences.append(f"{line.name}: N={sizes[0]} to {sizes[-1]}, {span}, {grows}.")
        sentences += [f"{overtakes(c)}." for c in self.crossovers if c.size is not None]
        missing = (r for r in self.results if not r.status.has_figures)
        for (name, status), own in grouped(missing, lambda r: (r.implementation, r.status)).items():
            at = ", ".join(map(str, sorted(r.case.batch_size for r in own)))
            sentences.append(f"{name}: {status.words} at N={at}.")
        return " ".join(sentences)


def overtakes(row: Crossover, *, interval: bool = True) -> str:
    text = f"{row.large} overtakes {row.small} at N={row.size:.0f}"
    return f"{text}, 95 % interval {row.low:.0f} to {row.high:.0f}" if interval else text


def _draw_law(drawing: Drawing, line: _Line, band_steps: int) -> None:
    """Draw the law with its band; if the law is undecided, join the points."""
    sizes, band = line.sizes, line.verdict.band
    if band and line.has_visible_band:
        at = np.geomspace(sizes[0], line.last, band_steps + 1).tolist()
        drawing.band(line.name, at, [band(n) for n in at], faint=line.law is None)
    if line.law:
        for first, last, steps in ((sizes[0], sizes[-1], _CURVE_STEPS), (sizes[-1], line.last, 4)):
            at = np.geomspace(first, last, steps + 1).tolist()
            drawing.line(line.name, at, [line.law(n) for n in at], faint=last > sizes[-1])
    elif len(sizes) > 1:
        drawing.line(line.name, sizes, [y for _, y in line.points], faint=True)


def _thinned(items: Sequence[_T], most: int) -> Sequence[_T]:
    if len(items) <= most:
        return items
    return [items[i] for i in np.linspace(0, len(items) - 1, most).round().astype(int)]


def tick_text(text: str) -> str:
    """A tick's label without trailing zeros: ``10 ms`` for ``10.0 ms``."""
    number, _, unit = text.partition(" ")
    return f"{number.rstrip('0').rstrip('.') if '.' in number else number} {unit}"


def span_text(low: float, high: float, unit: Callable[[float], str]) -> str:
    """A range, as in ``57.9 to 59.1 ms``."""
    one, other = unit(low), unit(high)
    number, _, scale = one.partition(" ")
    return f"{number} to {other}" if other.endswith(f" {scale}") else f"{one} to {other}"


def point_words(result: Result, metric: Metric) -> str:
    """A point in words: ``rowsort, N=256: 58.4 ms, 95 % interval 57.9 to 59.1 ms``."""
    figure = metric.format(metric.get(result))
    said = f"{result.implementation}, N={result.case.batch_size}: {figure}"
    time = time_interval(result) if metric is TIME else None
    if time and time.low is not None and time.high is not None:
        said += f", 95 % interval {span_text(time.low, time.high, format_duration_s)}"
    return said + (WRONG if result.status is Status.WRONG else "")


def bound_words(result: Result) -> str:
    """Says why there is no figure, and what its lower bound is."""
    whose = f"{result.implementation}, N={result.case.batch_size}"
    if result.status is Status.OUT_OF_MEMORY:
        return f"{whose}: out of memory, limit {format_limit_bytes(result.memory_limit_bytes)}"
    if result.status is Status.TIMED_OUT:
        return f"{whose}: timed out, limit {format_duration_s(result.time_limit_s)}"
    if result.predicted_s is not None:
        return f"{whose}: skipped, about {format_duration_s(result.predicted_s)} a call predicted"
    return f"{whose}: skipped, {result.reason or 'no reason given'}"
