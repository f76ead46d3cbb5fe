"""What missing labels and label dimensions change: time relative to the first value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Literal

from matplotlib.ticker import MaxNLocator

from supcr_bench.analysis.axis_effect import AxisEffectRow, axis_effect_rows
from supcr_bench.analysis.summary import implementations_of
from supcr_bench.render.cells import facets_of, listed, series_text
from supcr_bench.render.charts.chart import Chart, Section
from supcr_bench.render.charts.drawing import Drawing
from supcr_bench.render.charts.scaling_chart import log_ticks
from supcr_bench.values.axes import PASSES, Axis, Pass, get_axis
from supcr_bench.values.case import Case
from supcr_bench.values.result import Result, Status
from supcr_bench.values.units import format_bytes, format_duration_s

Figure = Literal["time", "memory"]


@dataclass(frozen=True, slots=True)
class _Words:
    """How an axis reads."""

    section: Section
    x: str
    value: str
    whole: str


_AXES: Mapping[str, _Words] = {
    "nan_density": _Words("nan-density", "share of labels missing", "{} NaN", "NaN density"),
    "dims": _Words("dims", "label dimensions D", "D={}", "dimensions"),
    "ranks": _Words("ranks", "ranks W that share out the batch", "W={}", "ranks"),
}
_NAMES: Mapping[Figure, str] = {"time": "time per call", "memory": "peak memory of a rank"}
_FIGURES: tuple[Figure, ...] = ("time", "memory")
_LOG_FROM = 4.0
"""Ratios that span less than this factor are drawn on a plain scale."""


def axis_charts(results: Sequence[Result]) -> list[Chart]:
    """One for each axis and pass along which at least one implementation was timed twice.

    Along ranks memory is drawn too: what a rank needs is what they are there to lower.
    """
    names = implementations_of(results)
    charts = []
    for axis in map(get_axis, _AXES):
        rows = axis_effect_rows(results, axis)
        for pass_ in PASSES:
            own = [row for row in rows if row.case.pass_ == pass_]
            charts += [
                _chart(axis, figure, pass_, lines, names)
                for figure in (_FIGURES if axis.name == "ranks" else _FIGURES[:1])
                if (lines := _lines(own, axis, figure))
            ]
    return charts


def _ratio(row: AxisEffectRow, figure: Figure) -> float | None:
    return row.time_ratio if figure == "time" else row.memory_ratio


def _lines(rows: Sequence[AxisEffectRow], axis: Axis, figure: Figure) -> list[list[AxisEffectRow]]:
    """Of each implementation the comparison to draw: of those with the most values, the largest N.

    All of them share everything but batch size and axis, on the first such setting with the most.
    """
    settings: dict[tuple[object, ...], dict[str, list[list[AxisEffectRow]]]] = {}
    groups: dict[tuple[object, ...], list[AxisEffectRow]] = {}
    for row in rows:
        groups.setdefault(row.others, []).append(row)
    for members in groups.values():
        timed = [row for row in members if _ratio(row, figure)]
        if len(timed) < 2:
            continue
        one, case = timed[0], timed[0].case.shared
        setting = tuple(
            getattr(case, f.name) for f in fields(Case) if f.name not in ("batch_size", axis)
        )
        own = settings.setdefault(setting, {}).setdefault(one.implementation, [])
        own.append(sorted(timed, key=lambda row: float(row.value)))
    if not settings:
        return []
    best = max(
        settings.values(),
        key=lambda found: sum(max(len(own) for own in many) for many in found.values()),
    )
    lines = [
        max(many, key=lambda own: (len(own), own[0].case.batch_size)) for many in best.values()
    ]
    return [own for own in lines if _base(own).value == _base(lines[0]).value]


def _chart(
    axis: Axis,
    figure: Figure,
    pass_: Pass,
    lines: Sequence[Sequence[AxisEffectRow]],
    names: Sequence[str],
) -> Chart:
    words = _AXES[axis.name]
    case = lines[0][0].case
    sizes = sorted({own[0].case.batch_size for own in lines})
    where = f"N={sizes[0]}" if len(sizes) == 1 else "each at its largest N"
    base = _value_words(axis, _base(lines[0]).value)
    subtitle = (
        f"{figure} relative to {base}, {pass_}; {where}; {series_text(case, without=axis.name)}"
    )
    values = sorted({float(row.value) for own in lines for row in own})
    ratios = [ratio for own in lines for row in own if (ratio := _ratio(row, figure))]
    low, high = min([*ratios, 1.0]), max([*ratios, 1.0])
    if high / low >= _LOG_FROM:
        y, log_y = (low / 1.4, high * 1.4), True
        y_ticks = log_ticks(*y)
    else:
        aside = 0.15 * (high - low + 0.2)
        y, log_y = (low - aside, high + aside), False
        y_ticks = [float(v) for v in MaxNLocator(6).tick_values(*y) if y[0] <= v <= y[1]]
    log_x = axis.name != "nan_density"
    x = (values[0] / 1.15, values[-1] * 1.15) if log_x else (values[0] - 0.04, values[-1] + 0.04)
    drawing = Drawing(names, x, y, log_x=log_x, log_y=log_y)
    drawing.ticks(values, y_ticks, axis.text, lambda v: f"{v:.3g}\u00d7")
    for own in lines:
        name, last = own[0].implementation, own[-1]
        xs, ys = [float(r.value) for r in own], [_ratio(r, figure) or 0.0 for r in own]
        drawing.line(name, xs, ys)
        for row, at, ratio in zip(own, xs, ys, strict=True):
            said = _point_words(row, axis, figure, base)
            drawing.point(name, at, ratio, said, hollow=row.status is Status.WRONG)
        drawing.entry(name, ys[-1], f"N={last.case.batch_size}" if len(sizes) > 1 else "")
    return drawing.chart(
        f"{words.section}-{pass_}" if figure == "time" else f"{words.section}-{figure}-{pass_}",
        _title(axis, figure, pass_, lines),
        subtitle,
        _description(axis, figure, subtitle, lines),
        words.section,
        facets_of(case, without=(words.section,)),
        (words.x, f"{_NAMES[figure]}, relative to {base}"),
    )


def _base(own: Sequence[AxisEffectRow]) -> AxisEffectRow:
    """What the others are held against: it may have been run after them."""
    return next((row for row in own if row.base), own[0])


def _value_words(axis: Axis, value: float | str) -> str:
    """``97% NaN`` or ``D=8``."""
    return _AXES[axis.name].value.format(axis.text(value))


def _times(ratio: float) -> str:
    """``11.7 times``, ``0.24``, or ``1/53``."""
    if ratio < 0.095:
        return f"1/{1 / ratio:,.0f}"
    if ratio < 0.995:
        return f"{ratio:.2f}"
    return f"{ratio:.0f} times" if ratio >= 99.5 else f"{ratio:.3g} times"


def _point_words(row: AxisEffectRow, axis: Axis, figure: Figure, base: str) -> str:
    value = _value_words(axis, row.value)
    known = format_duration_s(row.time_s) if figure == "time" else format_bytes(row.peak_bytes)
    said = f"{row.implementation}, {value}, N={row.case.batch_size}: {known}"
    ratio = _ratio(row, figure)
    if not row.base and ratio:
        said += f", {_times(ratio)} the {figure} of {base}"
    return said + (", wrong result" if row.status is Status.WRONG else "")


def _title(
    axis: Axis, figure: Figure, pass_: Pass, lines: Sequence[Sequence[AxisEffectRow]]
) -> str:
    """What the last value costs, from the least to the most."""
    last = max(float(row.value) for own in lines for row in own)
    ends = {
        own[-1].implementation: _ratio(own[-1], figure) or 1.0
        for own in lines
        if float(own[-1].value) == last
    }
    least, most = (f(ends, key=lambda name: ends[name]) for f in (min, max))
    value, base = _value_words(axis, last), _value_words(axis, _base(lines[0]).value)
    if _times(ends[least]) == _times(ends[most]) == _times(1.0):
        alike = "as long as" if figure == "time" else "as much memory as"
        return f"{value} takes {alike} {base} in {pass_}: {listed(list(ends))}"
    if _times(ends[least]) == _times(ends[most]):
        whose = f"{_times(ends[most])} ({listed(list(ends))})"
    else:
        whose = f"{_times(ends[least])} ({least}) to {_times(ends[most])} ({most})"
    of = "" if ends[most] >= 0.995 else "of "
    return f"{value} takes {whose} {of}the {figure} of {base} in {pass_}"


def _description(
    axis: Axis, figure: Figure, subtitle: str, lines: Sequence[Sequence[AxisEffectRow]]
) -> str:
    words = _AXES[axis.name]
    sentences = [f"{subtitle[0].upper()}{subtitle[1:]}; along {words.whole}."]
    for own in lines:
        parts = [
            f"{_times(_ratio(r, figure) or 0)} at {axis.text(r.value)}" for r in own if not r.base
        ]
        sentences.append(
            f"{own[0].implementation}, N={own[0].case.batch_size}: {', '.join(parts)}."
        )
    if figure == "time":
        sentences.append(
            "The values are timed one after the other, so the machine's drift is in them."
        )
    return " ".join(sentences)
