"""Time or memory of one pass against batch size, log-log: figures, laws, bounds, crossovers."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, TypeVar

from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.path import Path

from supcr_bench.analysis.crossover import Crossover
from supcr_bench.analysis.growth import Growth, time_bounds
from supcr_bench.analysis.growth_verdict import GrowthVerdict
from supcr_bench.analysis.summary import CostRow, cost_row, implementations_of
from supcr_bench.analysis.timed_growth import FEWEST_SIZES
from supcr_bench.render.cells import series_text
from supcr_bench.render.charts.canvas import ARROW, KEY_ARROW, Canvas
from supcr_bench.render.charts.chart import Chart
from supcr_bench.render.charts.scaling_words import description, title
from supcr_bench.render.charts.theme import INK, QUIET
from supcr_bench.render.charts.wording import (
    bound_words,
    memory_words,
    superscript,
    tick_text,
    time_words,
)
from supcr_bench.render.grid import facets_of
from supcr_bench.values.result import Result, Status
from supcr_bench.values.units import format_bytes, format_duration_s, format_limit_bytes

Figure = Literal["time", "memory"]
_T = TypeVar("_T")
BEYOND = 2
"""How many times the largest size a law is drawn to."""
GPU_BYTES = tuple(gib * 2**30 for gib in (8, 16, 24, 40, 80))
"""Memories of common GPUs."""
_NEAR = 100
"""A memory is drawn where the chart comes within this factor of it."""
_CURVE_STEPS, _COUNTED_STEPS = 24, 8
"""A law is nearly straight here, and a band of counted figures is two linear programmes a step."""
_MOST_POINTS = 160
"""Of a chart; a page of many would not open at once."""
_MOST_CROSSINGS = 3
_SEEN = 1.05
"""A band of this width is as wide as a line."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """One of the two figures that are drawn: where it is and how it reads."""

    axis: str
    of: Callable[[CostRow], float | None]
    unit: Callable[[float], str]
    words: Callable[[CostRow], str]


_KINDS: Mapping[Figure, _Kind] = {
    "time": _Kind("time per call", lambda r: r.time_s, format_duration_s, time_words),
    "memory": _Kind(
        "peak memory above the inputs",
        lambda r: None if r.peak_bytes is None else float(r.peak_bytes),
        format_bytes,
        memory_words,
    ),
}


@dataclass(frozen=True, slots=True)
class _Line:
    """What is drawn of one implementation.

    Attributes:
        name: whose.
        points: with a figure, by rising size.
        bounds: results without one, and what it is at least.
        verdict: on its growth, if there is one.
    """

    name: str
    points: tuple[tuple[CostRow, float], ...]
    bounds: tuple[tuple[Result, float], ...]
    verdict: GrowthVerdict | None

    @property
    def sizes(self) -> list[int]:
        """Of the points."""
        return [row.case.batch_size for row, _ in self.points]

    @property
    def has_band(self) -> bool:
        """Whether what the data leave open is wide enough to be seen; it is widest at the end."""
        if self.verdict is None or self.verdict.band is None or not self.points:
            return False
        low, high = self.verdict.band(BEYOND * self.sizes[-1])
        return high > _SEEN * low


def memory_bounds(members: Sequence[Result]) -> list[tuple[Result, float]]:
    """What a case takes at least where it ran out of memory; by rising size, as ``time_bounds``."""
    return [
        (r, float(r.memory_limit_bytes))
        for r in members
        if r.status is Status.OUT_OF_MEMORY and r.memory_limit_bytes and not r.peak_bytes
    ]


def scaling_chart(
    name: str,
    figure: Figure,
    results: Sequence[Result],
    growth: Sequence[Growth],
    crossovers: Sequence[Crossover],
    names: Sequence[str],
) -> Chart | None:
    """A chart of one figure in one series and pass; ``None`` where there is nothing to draw.

    Args:
        name: of the chart.
        figure: which.
        results: of one series and pass.
        growth: of these, of any figure.
        crossovers: of these.
        names: of every implementation of the run, for colours.
    """
    kind = _KINDS[figure]
    lines = [
        line
        for own in implementations_of(results)
        if (line := _line(own, figure, results, growth)).points or line.bounds
    ]
    if not lines:
        return None
    drawn = _drawn_crossovers(crossovers, lines) if figure == "time" else []
    case, laws = results[0].case, {line.name: line.verdict for line in lines if line.verdict}
    said = title(figure, lines_of(lines), case.pass_, laws, crossovers, drawn)
    subtitle = f"{kind.axis}, {case.pass_}; {series_text(case)}"
    key = _key(lines, figure, crossings=bool(drawn))
    canvas = Canvas(said, subtitle, names, len(key))
    _draw(canvas, figure, lines, results)
    for row in drawn:
        assert row.size is not None and row.low is not None and row.high is not None
        text = f"{row.large} overtakes {row.small} at N={row.size:.0f}"
        text += f", 95 % interval {row.low:.0f} to {row.high:.0f}"
        canvas.crossing(row.one, row.other, (row.size, row.low, row.high), text)
    canvas.key(key)
    words = description(figure, subtitle, lines_of(lines), laws, crossovers, results)
    return canvas.chart(name, figure, facets_of(case), words)


def lines_of(lines: Sequence[_Line]) -> dict[str, list[tuple[CostRow, float]]]:
    """The points of each implementation."""
    return {line.name: list(line.points) for line in lines}


def _line(name: str, figure: Figure, results: Sequence[Result], growth: Sequence[Growth]) -> _Line:
    own = sorted((r for r in results if r.implementation == name), key=lambda r: r.case.batch_size)
    of = _KINDS[figure].of
    rows = [cost_row(r) for r in own]
    bounds = time_bounds(own) if figure == "time" else memory_bounds(own)
    return _Line(
        name,
        tuple((row, y) for row in rows if (y := of(row)) is not None and y > 0),
        tuple(bounds),
        next(
            (g.verdict for g in growth if g.figure == figure and g.implementation == name),
            None,
        ),
    )


def _drawn_crossovers(rows: Sequence[Crossover], lines: Sequence[_Line]) -> list[Crossover]:
    """Those with a size, by it; where they are many, those at which the fastest of all changes."""
    found = [row for row in rows if row.size is not None]
    if len(found) > _MOST_CROSSINGS:
        found.sort(key=lambda row: _behind(row, lines))
    return sorted(found[:_MOST_CROSSINGS], key=lambda row: row.size or 0)


def _behind(row: Crossover, lines: Sequence[_Line]) -> float:
    """How many times the fastest of all takes what the two of a crossover take there."""
    assert row.size is not None
    times = {line.name: _between(line, row.size) for line in lines if len(line.points) > 1}
    return times.get(row.one, math.inf) / min(times.values(), default=1.0)


def _between(line: _Line, size: float) -> float:
    """Figure at a size, straight in log-log between measured ones; infinite beyond them."""
    pairs = [(math.log(row.case.batch_size), math.log(y)) for row, y in line.points]
    at = math.log(size)
    for (x0, y0), (x1, y1) in pairwise(pairs):
        if x0 <= at <= x1:
            return math.exp(y0 + (y1 - y0) * (at - x0) / (x1 - x0))
    return math.inf


def _draw(
    canvas: Canvas, figure: Figure, lines: Sequence[_Line], results: Sequence[Result]
) -> None:
    kind = _KINDS[figure]
    sizes = sorted({r.case.batch_size for r in results})
    fitted = [line for line in lines if line.verdict and line.verdict.band]
    right = max([sizes[-1] * 1.08, *(BEYOND * line.sizes[-1] for line in fitted)])
    figures = [y for line in lines for _, y in line.points]
    figures += [y for line in lines for _, y in line.bounds]
    figures += [
        line.verdict.curve(BEYOND * line.sizes[-1])
        for line in fitted
        if line.verdict and line.verdict.law and line.verdict.curve
    ]
    levels = _levels(max(figures), results) if figure == "memory" else {}
    high = max([*figures, *levels])
    low = min(figures)
    y = (low / 1.6, high * 2.0)
    canvas.scales((sizes[0] / 1.12, right), y, log_x=True, log_y=True)
    ticks = _size_ticks(sizes, right)
    canvas.ticks(ticks, log_ticks(*y), "{:g}".format, lambda v: tick_text(kind.unit(v)))
    canvas.axis_titles("batch size N", kind.axis)
    for order, (level, text) in enumerate(sorted(levels.items())):
        canvas.level(level, text, order)
    for line in lines:
        _draw_law(canvas, line, _CURVE_STEPS if figure == "time" else _COUNTED_STEPS)
    most = max(4, _MOST_POINTS // len(lines))
    for line in lines:
        _draw_points(canvas, figure, line, most, lines)


def _draw_law(canvas: Canvas, line: _Line, band_steps: int) -> None:
    """The law with its band; only the band where no law is named; else the points joined."""
    verdict, sizes = line.verdict, line.sizes
    if not line.points:
        return
    if verdict is None or verdict.curve is None or verdict.band is None:
        if len(sizes) > 1:
            canvas.line(line.name, sizes, [y for _, y in line.points], faint=True)
        canvas.end(line.name, sizes[-1], line.points[-1][1], _open(verdict, sizes))
        return
    last = BEYOND * sizes[-1]
    if line.has_band:
        at = _spaced(sizes[0], last, band_steps)
        canvas.band(line.name, at, [verdict.band(n) for n in at], faint=verdict.law is None)
    if verdict.law is None:
        canvas.end(line.name, sizes[-1], line.points[-1][1], _open(verdict, sizes))
        return
    within = _spaced(sizes[0], sizes[-1], _CURVE_STEPS)
    canvas.line(line.name, within, [verdict.curve(n) for n in within])
    beyond = _spaced(sizes[-1], last, 4)
    canvas.line(line.name, beyond, [verdict.curve(n) for n in beyond], faint=True)
    canvas.end(line.name, last, verdict.curve(last), superscript(verdict.law))


def _open(verdict: GrowthVerdict | None, sizes: Sequence[int]) -> str:
    """What stands in place of a law; nothing where nobody would expect one."""
    return "law open" if verdict and len(sizes) >= FEWEST_SIZES else ""


def _draw_points(
    canvas: Canvas, figure: Figure, line: _Line, most: int, lines: Sequence[_Line]
) -> None:
    kind = _KINDS[figure]
    for row, y in _thinned(line.points, most):
        low, high = row.time_low_s, row.time_high_s
        canvas.point(
            line.name,
            row.case.batch_size,
            y,
            kind.words(row),
            interval=(low, high) if figure == "time" and low and high else None,
            hollow=row.status is Status.WRONG,
        )
    # Bounds of several implementations are often the same: each stands a little aside.
    bounded = [other.name for other in lines if other.bounds]
    for result, y in _thinned(line.bounds, most):
        aside = 1.035 ** (bounded.index(line.name) - (len(bounded) - 1) / 2)
        canvas.point(
            line.name,
            result.case.batch_size * aside,
            y,
            bound_words(result),
            hollow=result.status is Status.SKIPPED,
            shape="X" if result.status is Status.OUT_OF_MEMORY else ARROW,
        )
    if line.bounds and not line.points:
        result, y = line.bounds[0]
        canvas.end(line.name, result.case.batch_size, y, "")


def _thinned(items: Sequence[_T], most: int) -> Sequence[_T]:
    """Evenly, with the first and the last."""
    if len(items) <= most:
        return items
    return [items[round(i * (len(items) - 1) / (most - 1))] for i in range(most)]


def _spaced(first: float, last: float, steps: int) -> list[float]:
    """From one size to another, evenly in logarithms."""
    return [first * (last / first) ** (i / steps) for i in range(steps + 1)]


def _levels(highest: float, results: Sequence[Result]) -> dict[float, str]:
    """Memories that the chart comes near to, and the run's own limit where it was met."""
    levels = {
        float(size): format_limit_bytes(size) for size in GPU_BYTES if size <= _NEAR * highest
    }
    for r in results:
        if r.status is Status.OUT_OF_MEMORY and r.memory_limit_bytes:
            levels[float(r.memory_limit_bytes)] = (
                f"limit {format_limit_bytes(r.memory_limit_bytes)}"
            )
    return levels


def _size_ticks(sizes: Sequence[int], right: float) -> list[float]:
    """The sizes; powers of two alone where these are most of what they span."""
    powers = [2.0**i for i in range(1, 41) if sizes[0] <= 2**i <= right]
    return powers if sum(p in sizes for p in powers) >= 4 else [float(n) for n in sizes]


def log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten within the range, or 1, 2 and 5 times these where they are few."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    powers = [10.0**i for i in range(first, last + 1)]
    within = [p for p in powers if low <= p <= high]
    if len(within) < 3:
        return [v for p in powers for m in (1, 2, 5) if low <= (v := m * p) <= high]
    return within[:: -(-len(within) // 9)]


def _key(lines: Sequence[_Line], figure: Figure, *, crossings: bool) -> list[Line2D | Patch]:
    """What shapes mean; only those that are drawn."""
    points = [row for line in lines for row, _ in line.points]
    bounds = {r.status for line in lines for r, _ in line.bounds}
    entries: list[Line2D | Patch] = []

    def marked(shape: str | Path, text: str, *, hollow: bool = False) -> None:
        size, fill = 13.0 if shape is KEY_ARROW else 6.5, "none" if hollow else QUIET
        entries.append(
            Line2D([], [], ls="", marker=shape, ms=size, mec=QUIET, mfc=fill, label=text)
        )

    if any(row.status is Status.MEASURED for row in points):
        marked("o", "median, 95 % interval" if figure == "time" else "measured")
    if any(row.status is Status.WRONG for row in points):
        marked("o", "wrong result", hollow=True)
    if any(line.verdict and line.verdict.law for line in lines):
        entries.append(Line2D([], [], lw=1.8, color=QUIET, label="law, pale beyond the data"))
    if any(line.has_band for line in lines):
        entries.append(Patch(fc=QUIET, alpha=0.3, label="what the data leave open"))
    if crossings:
        entries.append(Patch(fc=INK, alpha=0.12, label="crossover, 95 % interval"))
    if Status.OUT_OF_MEMORY in bounds:
        marked("X", "out of memory: above this")
    if Status.TIMED_OUT in bounds:
        marked(KEY_ARROW, "timed out: above this")
    if Status.SKIPPED in bounds:
        marked(KEY_ARROW, "skipped: above this", hollow=True)
    return entries
