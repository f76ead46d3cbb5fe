"""Scaling plots: time and memory against batch size, forward and training, log-log.

One figure per series with at least two sizes. What could not be measured is drawn at its bound.
"""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullLocator

from supcr_bench.analysis.summary import CostRow, cost_row, implementations_of
from supcr_bench.render.cells import series_text
from supcr_bench.render.palette import colour, marker
from supcr_bench.values.case import PASSES, Workload
from supcr_bench.values.cell import FEWEST_CALLS
from supcr_bench.values.growth_law import LAWS
from supcr_bench.values.result import Result, Status
from supcr_bench.values.units import format_bytes, format_duration_s, format_limit_bytes

GUIDES = ("N^3", "N^2 log N")
_GREY = "#767676"
_BOUND_MARKERS = {
    Status.OUT_OF_MEMORY: ("X", "out of memory, at the limit"),
    Status.TIMED_OUT: ("v", "timed out, at the limit"),
    Status.SKIPPED: ("o", "skipped, at the predicted time"),
}


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawn figure.

    Attributes:
        name: of its files, without an ending.
        title: what is seen.
        svg: text, the same for the same results.
        png: bytes.
    """

    name: str
    title: str
    svg: str
    png: bytes


@dataclass(frozen=True, slots=True)
class _Figure:
    """One of the two figures that are drawn: its name, its unit and where to find it."""

    name: str
    label: str
    of: Callable[[CostRow], float | None]
    unit: Callable[[float], str]


_TIME = _Figure("time", "time per call", lambda r: r.time_s, format_duration_s)
_MEMORY = _Figure(
    "memory",
    "peak memory above the inputs",
    lambda r: None if r.peak_bytes is None else float(r.peak_bytes),
    format_bytes,
)


def scaling_plots(results: Sequence[Result]) -> list[Plot]:
    """A figure for every series with a growing batch size."""
    series: dict[tuple[object, ...], list[Result]] = {}
    for result in results:
        series.setdefault(result.case.series(), []).append(result)
    names = implementations_of(results)
    plots: list[Plot] = []
    for members in series.values():
        if len({r.case.batch_size for r in members}) >= 2:
            plots.append(_scaling_plot(f"scaling-{len(plots) + 1}", members, names))
    return plots


def _scaling_plot(name: str, results: Sequence[Result], names: Sequence[str]) -> Plot:
    passes = [p for p in PASSES if any(r.case.pass_ == p for r in results)]
    figure = Figure(figsize=(5.2 * len(passes), 7.6), layout="constrained")
    axes = figure.subplots(2, len(passes), squeeze=False, sharex=True)
    for row, kind in enumerate((_TIME, _MEMORY)):
        for column, pass_ in enumerate(passes):
            own = [r for r in results if r.case.pass_ == pass_]
            _draw(axes[row][column], own, names, kind)
            axes[row][column].set_title(f"{kind.label}, {pass_}", fontsize=10, loc="left")
    for a in axes[-1]:
        a.set_xlabel("batch size N")
    title = f"Scaling with the batch size: {series_text(results[0].case)}"
    figure.suptitle(title, fontsize=12, x=0.01, ha="left")
    if keys := _marker_key(results):
        figure.legend(handles=keys, loc="outside lower left", ncols=len(keys), frameon=False)
    return Plot(name, title, _as_svg(figure), _as_png(figure))


def _marker_key(results: Sequence[Result]) -> list[Line2D]:
    """What the markers at a bound mean; only those that are drawn."""
    drawn = {r.status for r in results if r.key in _bounds(results, _TIME)}
    drawn |= {r.status for r in results if r.key in _bounds(results, _MEMORY)}
    return [
        Line2D(
            [],
            [],
            ls="",
            marker=shape,
            mec=_GREY,
            mfc="none" if status is Status.SKIPPED else _GREY,
            label=meaning,
        )
        for status, (shape, meaning) in _BOUND_MARKERS.items()
        if status in drawn
    ]


def _draw(axes: Axes, results: Sequence[Result], names: Sequence[str], kind: _Figure) -> None:
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    sizes = sorted({r.case.batch_size for r in results})
    rows = {r.key: cost_row(r) for r in results}
    bounds = _bounds(results, kind)
    measured: list[tuple[int, float]] = []
    ends: list[tuple[float, float, str]] = []
    for name in implementations_of(results):
        own = sorted(
            (r for r in results if r.implementation == name), key=lambda r: r.case.batch_size
        )
        shade = colour(name, names)
        points = [
            (r.case.batch_size, y) for r in own if (y := kind.of(rows[r.key])) is not None and y > 0
        ]
        if points:
            measured += points
            xs, ys = zip(*points, strict=True)
            axes.plot(xs, ys, marker=marker(name, names), color=shade, lw=1.8, ms=5, label=name)
            ends.append((*points[-1], name))
        if kind is _TIME:
            _intervals(axes, [rows[r.key] for r in own], shade)
        for r in own:
            if (r.key in bounds) and kind.of(rows[r.key]) is None:
                shape, _ = _BOUND_MARKERS[r.status]
                hollow = r.status is Status.SKIPPED
                axes.plot(
                    r.case.batch_size,
                    bounds[r.key],
                    shape,
                    ms=8,
                    mec=shade,
                    mfc="none" if hollow else shade,
                    clip_on=False,
                    zorder=3,
                )
    if measured:
        _guides(axes, measured)
    drawn = [y for _, y in measured] + list(bounds.values())
    if drawn:  # the guides may leave the picture, the figures may not
        axes.set_ylim(min(drawn) / 2.5, max(drawn) * 4)
    _budget_line(axes, results, kind, measured, bounded=bool(bounds))
    _direct_labels(axes, ends, names)
    axes.set_xticks(sizes, [str(n) for n in sizes])
    axes.xaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(FuncFormatter(lambda v, _: _tick(kind.unit(v))))
    axes.set_xlim(sizes[0] / 1.15, sizes[-1] * 1.9)
    axes.grid(visible=True, which="major", lw=0.4, alpha=0.5)
    axes.spines[["top", "right"]].set_visible(False)


def _intervals(axes: Axes, rows: Sequence[CostRow], shade: str) -> None:
    for row in rows:
        if row.time_low_s is not None and row.time_high_s is not None:
            axes.vlines(row.case.batch_size, row.time_low_s, row.time_high_s, color=shade, lw=1)


def _bounds(results: Sequence[Result], kind: _Figure) -> Mapping[tuple[str, Workload], float]:
    """Where a case without a figure is drawn: at the limit it passed, or at its prediction."""
    bounds: dict[tuple[str, Workload], float] = {}
    for r in results:
        if kind is _TIME and r.status is Status.TIMED_OUT and r.time_limit_s:
            bounds[r.key] = r.time_limit_s
        elif kind is _TIME and r.status is Status.SKIPPED and r.predicted_s:
            bounds[r.key] = r.predicted_s
        elif kind is _MEMORY and r.status is Status.OUT_OF_MEMORY and r.memory_limit_bytes:
            bounds[r.key] = float(r.memory_limit_bytes)
    return bounds


def _guides(axes: Axes, measured: Sequence[tuple[int, float]]) -> None:
    """The laws through the cheapest point of the smallest size: only their slopes mean anything."""
    first = min(n for n, _ in measured)
    last = max(n for n, _ in measured)
    if first == last:
        return
    anchor = min(y for n, y in measured if n == first) * 0.6
    for guide, dashes in zip(GUIDES, ((1, 2), (4, 2)), strict=True):
        law = LAWS[guide]
        xs = [first * (last / first) ** (i / 40) for i in range(41)]
        ys = [anchor * law.ratio(first, x) for x in xs]
        axes.plot(xs, ys, color=_GREY, lw=1, dashes=dashes, zorder=1)
        axes.annotate(
            _superscript(guide),
            (xs[26], ys[26]),
            color=_GREY,
            fontsize=8,
            ha="center",
            va="center",
            bbox={"boxstyle": "square,pad=0.15", "fc": "white", "ec": "none"},
            zorder=1.5,
            annotation_clip=True,
        )


def _tick(text: str) -> str:
    """A tick's label without decimals: ticks are whole powers of ten."""
    number, unit = text.split(" ")
    return f"{number.removesuffix('.00').removesuffix('.0')} {unit}"


def _superscript(law: str) -> str:
    return law.replace("^2", "\u00b2").replace("^3", "\u00b3").replace("^4", "\u2074")


def _budget_line(
    axes: Axes,
    results: Sequence[Result],
    kind: _Figure,
    measured: Sequence[tuple[int, float]],
    *,
    bounded: bool,
) -> None:
    """The limit in force, where the plot comes anywhere near it."""
    if kind is _TIME:
        limits = [r.time_limit_s / FEWEST_CALLS for r in results if r.time_limit_s]
        text = "budget: {} a call"
    else:
        limits = [float(r.memory_limit_bytes) for r in results if r.memory_limit_bytes]
        text = "limit {}"
    if not limits:
        return
    limit = max(limits)
    if not bounded and limit > 30 * max((y for _, y in measured), default=limit):
        return
    shown = format_duration_s(limit) if kind is _TIME else format_limit_bytes(limit)
    axes.axhline(limit, color=_GREY, lw=0.8, ls=(0, (6, 3)), zorder=1)
    axes.annotate(
        text.format(shown),
        (0.01, limit),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        color=_GREY,
        fontsize=8,
    )


def _direct_labels(
    axes: Axes, ends: Sequence[tuple[float, float, str]], names: Sequence[str]
) -> None:
    """Names at the ends of their lines, moved apart where two lines end together."""
    low, high = axes.get_ylim()
    step = (high / low) ** 0.05
    placed: list[tuple[float, float]] = []
    for x, y, name in sorted(ends, key=lambda e: e[1]):
        at = y
        while any(_ratio(at, other) < step and px == x for px, other in placed):
            at *= step**0.5
        placed.append((x, at))
        axes.annotate(
            name,
            (x, at),
            xytext=(7, 0),
            textcoords="offset points",
            color=colour(name, names),
            fontsize=9,
            fontweight="bold",
            va="center",
        )


def _ratio(a: float, b: float) -> float:
    """How many times the smaller goes into the larger."""
    return max(a / b, b / a)


def _as_svg(figure: Figure) -> str:
    text = io.StringIO()
    # Text stays text, and ids and dates do not change from one drawing to the next.
    with mpl.rc_context({"svg.hashsalt": "supcr-bench", "svg.fonttype": "none"}):
        nothing = dict.fromkeys(("Creator", "Date", "Format", "Type"))
        figure.savefig(text, format="svg", metadata=nothing)
    return text.getvalue()


def _as_png(figure: Figure) -> bytes:
    data = io.BytesIO()
    figure.savefig(data, format="png", dpi=150)
    return data.getvalue()
