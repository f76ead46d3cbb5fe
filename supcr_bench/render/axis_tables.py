"""What an axis changes, as tables: a row per comparison, a column per value of the axis."""

from collections.abc import Callable, Mapping, Sequence

from supcr_bench.analysis.axis_effect import COMPARED, AxisEffectRow, axis_effect_rows
from supcr_bench.render.cells import case_columns, facets_of
from supcr_bench.values.axes import PASSES, Axis
from supcr_bench.values.result import Result, Status
from supcr_bench.values.table import Cell, Table, numbers, row, words
from supcr_bench.values.units import MISSING, format_bytes, format_duration_s

# Six values of an axis are to fit on a terminal: a cell has seven characters at most.
_SHORTEST_STATUS = {
    Status.OUT_OF_MEMORY: "OOM",
    Status.TIMED_OUT: "timeout",
    Status.SKIPPED: "skipped",
    Status.FAILED: "failed",
}


def _ratio_text(ratio: float) -> str:
    if ratio >= 99.5:
        return f"x{ratio:.0f}" if ratio < 99_999.5 else f"x{ratio:.0e}"
    if ratio >= 9.995:
        return f"x{ratio:.1f}"
    return f"x{ratio:.2f}" if ratio >= 0.00995 else f"x{ratio:.0e}"


def _tolerances_text(tolerances: float) -> str:
    if 0 < tolerances < 0.00995:
        return "<0.01"
    return f"{tolerances:.0e}" if tolerances >= 999.5 else f"{tolerances:.2g}"


def _without_figure(row: AxisEffectRow) -> str:
    return _SHORTEST_STATUS.get(row.status, MISSING)


def _agreement_text(row: AxisEffectRow) -> str:
    if row.tolerances is not None:
        return _tolerances_text(row.tolerances)
    return "broken" if row.status is Status.WRONG else _without_figure(row)


def _time_text(row: AxisEffectRow) -> str:
    if row.base or row.time_ratio is None:
        return _without_figure(row) if row.time_s is None else format_duration_s(row.time_s)
    return _ratio_text(row.time_ratio)


def _memory_text(row: AxisEffectRow) -> str:
    if row.base or row.memory_ratio is None:
        return _without_figure(row) if row.peak_bytes is None else format_bytes(row.peak_bytes)
    return _ratio_text(row.memory_ratio)


_FIGURES: Mapping[str, tuple[str, Callable[[AxisEffectRow], str]]] = {
    "agreement": (
        "largest error as a multiple of the tolerance: up to 1 agrees; broken: not finite",
        _agreement_text,
    ),
    "time": (
        "median of the first that was measured, and ratios to it; they are timed one after the "
        "other, so the machine's drift is in them",
        _time_text,
    ),
    "memory": ("peak of the first that was measured, and ratios to it", _memory_text),
}


def axis_table(rows: Sequence[AxisEffectRow], axis: Axis, figure: str) -> Table:
    """One figure of one pass along one axis.

    Args:
        rows: of that axis and pass, in the order to keep.
        axis: whose values are the columns.
        figure: ``agreement``, ``time`` or ``memory``.
    """
    pass_ = rows[0].case.pass_
    note, text = _FIGURES[figure]
    groups: dict[tuple[object, ...], dict[object, AxisEffectRow]] = {}
    for effect in rows:
        groups.setdefault(effect.others, {})[effect.value] = effect
    # In the order of a comparison that has them all, if there is one.
    whole_first = sorted(rows, key=lambda effect: -len(groups[effect.others]))
    values = list(dict.fromkeys(effect.value for effect in whole_first))
    headers, texts = case_columns([effect.case for effect in rows], always=(), without=axis.name)

    def cell(effect: AxisEffectRow | None) -> Cell:
        if effect is None or not effect.status.has_figures:
            return Cell(text(effect) if effect else MISSING, "quiet")
        return Cell(text(effect), "bad" if effect.status is Status.WRONG else "")

    return Table(
        name=f"{axis.id}-{figure}-{pass_}",
        title=f"Along {axis.label}: {figure}, {pass_}",
        note=note,
        columns=(
            *words("implementation"),
            *numbers(*headers, "N", *(axis.text(value) for value in values)),
        ),
        rows=tuple(
            row(
                one.implementation,
                *texts(one.case),
                str(one.case.batch_size),
                *(cell(members.get(value)) for value in values),
                facets=facets_of(one.case, one.implementation, without=(axis.id,)),
                group=one.implementation,
            )
            for members in groups.values()
            for one in [next(iter(members.values()))]
        ),
        keys=2 + len(headers),
    )


def axis_tables(results: Sequence[Result]) -> list[Table]:
    """Three tables of each pass for every axis that varies with everything else equal."""
    timed = [r for r in results if not r.untimed]
    tables = []
    for axis in COMPARED:
        effects = axis_effect_rows(results, axis)
        for figure in _FIGURES:
            known = axis_effect_rows(timed, axis) if figure == "time" else effects
            for pass_ in PASSES:
                if own := [effect for effect in known if effect.case.pass_ == pass_]:
                    tables.append(axis_table(own, axis, figure))  # noqa: PERF401
    return tables
