"""Charts of time along an axis, and of memory along ranks, as ratios to the first value."""

from collections.abc import Mapping, Sequence

from supcr_bench.analysis.summary import COMPARED, AxisEffectRow, axis_effects, implementations_of
from supcr_bench.render.cells import facets_of, ratio_text, series_text
from supcr_bench.render.charts.drawing import WRONG, Chart, Drawing, definitions_text
from supcr_bench.values.axes import AXES, PASSES, Axis
from supcr_bench.values.definition import short_name
from supcr_bench.values.metrics import MEMORY, TIME, Metric
from supcr_bench.values.result import Result, Status
from supcr_bench.values.units import listed

_LOG_FROM = 4.0
"""Ratios that span less than this factor are drawn on a linear scale."""


def axis_charts(results: Sequence[Result]) -> list[Chart]:
    """Charts of time along each numeric axis, and of memory along ranks; forward and training."""
    names = implementations_of(results)
    charts = []
    for axis in COMPARED:
        groups = axis_effects(results, axis)
        for pass_ in PASSES:
            own = [members for members in groups if members[0].case.pass_ == pass_]
            for metric in (TIME, MEMORY) if axis.name == "ranks" else (TIME,):
                lines = _lines(own, axis, metric)
                charts += [_chart(axis, metric, lines, names)] if lines else []
    return charts


def _ratio(row: AxisEffectRow, metric: Metric) -> float:
    return (row.time_ratio if metric is TIME else row.memory_ratio) or 0.0


def _lines(
    groups: Sequence[Sequence[AxisEffectRow]], axis: Axis, metric: Metric
) -> list[list[AxisEffectRow]]:
    """The rows to draw of each implementation: as many values of the axis as possible.

    All rows are equal in the axes other than this one and the batch size. Of equally many values,
    those of the largest batch size are drawn.
    """
    settings: dict[tuple[object, ...], dict[str, list[AxisEffectRow]]] = {}
    for members in groups:
        drawn = [r for r in members if not isinstance(r.value, str) and _ratio(r, metric)]
        if len(drawn) < 2:
            continue
        name, case = drawn[0].implementation, drawn[0].case.shared
        setting = tuple(o.of(case) for o in AXES if o.name not in ("batch_size", axis.name))
        found = settings.setdefault(setting, {})
        held = found.get(name, drawn)
        found[name] = max(held, drawn, key=lambda own: (len(own), own[0].case.batch_size))
    best_setting = max(settings.values(), key=lambda s: sum(map(len, s.values())), default={})
    lines = [sorted(own, key=lambda row: float(row.value)) for own in best_setting.values()]
    return [own for own in lines if _base(own).value == _base(lines[0]).value]


def _base(own: Sequence[AxisEffectRow]) -> AxisEffectRow:
    return next((row for row in own if row.base), own[0])


def _chart(
    axis: Axis, metric: Metric, lines: Sequence[Sequence[AxisEffectRow]], names: Sequence[str]
) -> Chart:
    """The chart of the rows of each implementation along one axis, by rising value."""

    def value(row: AxisEffectRow) -> str:
        return f"{axis.short}={axis.text(row.value)}"

    case, base = lines[0][0].case, value(_base(lines[0]))
    definitions = {own[0].implementation: short_name(own[0].case.definition) for own in lines}
    sizes = {own[0].case.batch_size for own in lines}
    where = f"N={min(sizes)}" if len(sizes) == 1 else "each at its largest N"
    subtitle = (
        f"{metric.title} relative to {base}, {case.pass_}; {where}; "
        f"{series_text(case, without=axis.name)}; {definitions_text(definitions)}"
    )
    description = [f"{subtitle[0].upper()}{subtitle[1:]}; along {axis.label}."]
    drawing = _axes(axis, metric, lines, names)
    for own in lines:
        name, size = own[0].implementation, f"N={own[0].case.batch_size}"
        xs, ys = [float(row.value) for row in own], [_ratio(row, metric) for row in own]
        drawing.line(name, xs, ys)
        steps = []
        for row, x, y in zip(own, xs, ys, strict=True):
            figure = metric.format(row.time_s if metric is TIME else row.peak_bytes)
            said, times = f"{name}, {value(row)}, {size}: {figure}", f"{ratio_text(y)} times"
            if not row.base:
                said += f", {times} the {metric.title} of {base}"
                steps.append(f"{times} at {axis.text(row.value)}")
            wrong = row.status is Status.WRONG
            drawing.point(name, x, y, said + WRONG * wrong, hollow=wrong)
        drawing.entry(name, ys[-1], size if len(sizes) > 1 else "", definitions)
        description.append(f"{name}, {size}: {', '.join(steps)}.")
    if metric is TIME:
        drift = "The values were timed one after the other, so these ratios include drift."
        description.append(drift)
    last = max((own[-1] for own in lines), key=lambda row: float(row.value))
    at_last = [own[-1] for own in lines if own[-1].value == last.value]
    ends = {row.implementation: _ratio(row, metric) for row in at_last}
    what = "time per call" if metric is TIME else "peak memory of a rank"
    return drawing.chart(
        "-".join((axis.id, *([] if metric is TIME else [metric.name]), case.pass_)),
        _title(ends, value(last), metric.title, base, case.pass_),
        subtitle,
        " ".join(description),
        axis.id,
        facets_of(case, without=(axis.id,)),
        (axis.label, f"{what}, relative to {base}"),
    )


def _axes(
    axis: Axis, metric: Metric, lines: Sequence[Sequence[AxisEffectRow]], names: Sequence[str]
) -> Drawing:
    values = sorted({float(row.value) for own in lines for row in own})
    ratios = [1.0, *(_ratio(row, metric) for own in lines for row in own)]
    low, high = min(ratios), max(ratios)
    log_x, log_y = values[0] > 0, high / low >= _LOG_FROM
    aside = 0.15 * (high - low + 0.2)
    y = (low / 1.4, high * 1.4) if log_y else (low - aside, high + aside)
    aside = 0.04 * values[-1]
    x = (values[0] / 1.15, values[-1] * 1.15) if log_x else (-aside, values[-1] + aside)
    drawing = Drawing(names, x, y, log_x=log_x, log_y=log_y)
    drawing.ticks(values, axis.text, lambda v: f"{v:.3g}\u00d7")
    return drawing


def _title(ends: Mapping[str, float], value: str, what: str, base: str, pass_: str) -> str:
    least, most = (choose(ends, key=lambda name: ends[name]) for choose in (min, max))
    low, high, everyone = ratio_text(ends[least]), ratio_text(ends[most]), listed(list(ends))
    if low == high == ratio_text(1.0):
        return f"{value} takes the same {what} as {base} in {pass_}: {everyone}"
    whose = f"{low} ({everyone})" if low == high else f"{low} ({least}) to {high} ({most})"
    return f"{value} takes {whose} times the {what} of {base} in {pass_}"
