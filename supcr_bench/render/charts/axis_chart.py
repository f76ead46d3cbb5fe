"""Charts of time along an axis, and of memory along ranks, as ratios to the first value."""

from collections.abc import Sequence
from dataclasses import dataclass

from supcr_bench.analysis.axis_effect import COMPARED, AxisEffectRow, axis_effects
from supcr_bench.analysis.summary import implementations_of
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
                charts += [_Comparison(axis, metric, lines).chart(names)] if lines else []
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


@dataclass(frozen=True, slots=True)
class _Comparison:
    """The rows of each implementation along one axis, by rising value."""

    axis: Axis
    metric: Metric
    lines: Sequence[Sequence[AxisEffectRow]]

    @property
    def base(self) -> str:
        return self._value(_base(self.lines[0]).value)

    def _value(self, value: object) -> str:
        return f"{self.axis.short}={self.axis.text(value)}"

    def chart(self, names: Sequence[str]) -> Chart:
        axis, metric, lines = self.axis, self.metric, self.lines
        case = lines[0][0].case
        definitions = {own[0].implementation: short_name(own[0].case.definition) for own in lines}
        sizes = {own[0].case.batch_size for own in lines}
        where = f"N={min(sizes)}" if len(sizes) == 1 else "each at its largest N"
        subtitle = (
            f"{metric.title} relative to {self.base}, {case.pass_}; {where}; "
            f"{series_text(case, without=axis.name)}; {definitions_text(definitions)}"
        )
        drawing = self._axes(names)
        for own in lines:
            name = own[0].implementation
            xs, ys = [float(row.value) for row in own], [_ratio(row, metric) for row in own]
            drawing.line(name, xs, ys)
            for row, x, y in zip(own, xs, ys, strict=True):
                hollow = row.status is Status.WRONG
                drawing.point(name, x, y, self._point_words(row), hollow=hollow)
            size = f"N={own[0].case.batch_size}" if len(sizes) > 1 else ""
            drawing.entry(name, ys[-1], size, definitions)
        what = "time per call" if metric is TIME else "peak memory of a rank"
        return drawing.chart(
            "-".join((axis.id, *([] if metric is TIME else [metric.name]), case.pass_)),
            self._title(),
            subtitle,
            self._description(subtitle),
            axis.id,
            facets_of(case, without=(axis.id,)),
            (axis.label, f"{what}, relative to {self.base}"),
        )

    def _axes(self, names: Sequence[str]) -> Drawing:
        values = sorted({float(row.value) for own in self.lines for row in own})
        ratios = [1.0, *(_ratio(row, self.metric) for own in self.lines for row in own)]
        low, high = min(ratios), max(ratios)
        log_x, log_y = values[0] > 0, high / low >= _LOG_FROM
        if log_y:
            y = (low / 1.4, high * 1.4)
        else:
            aside = 0.15 * (high - low + 0.2)
            y = (low - aside, high + aside)
        aside = 0.04 * values[-1]
        x = (values[0] / 1.15, values[-1] * 1.15) if log_x else (-aside, values[-1] + aside)
        drawing = Drawing(names, x, y, log_x=log_x, log_y=log_y)
        drawing.ticks(values, self.axis.text, lambda v: f"{v:.3g}\u00d7")
        return drawing

    def _point_words(self, row: AxisEffectRow) -> str:
        figure = self.metric.format(row.time_s if self.metric is TIME else row.peak_bytes)
        said = f"{row.implementation}, {self._value(row.value)}, N={row.case.batch_size}: {figure}"
        if not row.base:
            times = ratio_text(_ratio(row, self.metric))
            said += f", {times} times the {self.metric.title} of {self.base}"
        return said + (WRONG if row.status is Status.WRONG else "")

    def _title(self) -> str:
        what, pass_ = self.metric.title, self.lines[0][0].case.pass_
        last = max(float(row.value) for own in self.lines for row in own)
        ends = {
            own[-1].implementation: _ratio(own[-1], self.metric)
            for own in self.lines
            if float(own[-1].value) == last
        }
        least, most = (choose(ends, key=lambda name: ends[name]) for choose in (min, max))
        value, everyone = self._value(last), listed(list(ends))
        low, high = ratio_text(ends[least]), ratio_text(ends[most])
        if low == high == ratio_text(1.0):
            return f"{value} takes the same {what} as {self.base} in {pass_}: {everyone}"
        whose = f"{low} ({everyone})" if low == high else f"{low} ({least}) to {high} ({most})"
        return f"{value} takes {whose} times the {what} of {self.base} in {pass_}"

    def _description(self, subtitle: str) -> str:
        sentences = [f"{subtitle[0].upper()}{subtitle[1:]}; along {self.axis.label}."]
        for own in self.lines:
            parts = [
                f"{ratio_text(_ratio(row, self.metric))} times at {self.axis.text(row.value)}"
                for row in own
                if not row.base
            ]
            whose = f"{own[0].implementation}, N={own[0].case.batch_size}"
            sentences.append(f"{whose}: {', '.join(parts)}.")
        if self.metric is TIME:
            sentences.append(
                "The values were timed one after the other, so these ratios include drift."
            )
        return " ".join(sentences)
