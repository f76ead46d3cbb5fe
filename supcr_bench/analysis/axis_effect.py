"""How agreement, time and memory change along one axis, with everything else equal."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from supcr_bench.analysis.summary import implementations_of
from supcr_bench.values.axes import AXES, PASSES, Axis
from supcr_bench.values.case import Case
from supcr_bench.values.grouping import grouped
from supcr_bench.values.metrics import TIME
from supcr_bench.values.result import Result, Status

COMPARED = tuple(axis for axis in AXES if axis.compared)
"""The axes along which reports compare results."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AxisEffectRow:
    """One value of an axis, compared with the first measured value (the base), all else equal."""

    axis: Axis
    implementation: str
    case: Case
    status: Status
    base: bool
    tolerances: float | None
    time_s: float | None
    time_ratio: float | None
    peak_bytes: int | None
    memory_ratio: float | None

    @property
    def value(self) -> float | int | str:
        found: float | int | str = self.axis.of(self.case)
        return found


def _ratio(own: float | None, base: float | None) -> float | None:
    return own / base if own is not None and base else None


def _row(axis: Axis, r: Result, base: Result) -> AxisEffectRow:
    # A wrong result whose errors are all within the tolerance is wrong because it is NaN.
    nan = r.status is Status.WRONG and (r.tolerances or 0) <= 1
    return AxisEffectRow(
        axis=axis,
        implementation=r.implementation,
        case=r.case,
        status=r.status,
        base=r is base,
        tolerances=None if nan else r.tolerances,
        time_s=TIME.get(r),
        time_ratio=_ratio(TIME.get(r), TIME.get(base)),
        peak_bytes=r.peak_bytes,
        memory_ratio=_ratio(r.peak_bytes, base.peak_bytes),
    )


def axis_effects(results: Sequence[Result], axis: Axis) -> list[list[AxisEffectRow]]:
    """For each group of results that differ only in that axis, a row for each value.

    A group has figures at two values or more; groups are sorted by implementation, pass and batch
    size.
    """
    # A labels file fixes some axes, so their values cannot be compared.
    own = [r for r in results if not axis.from_labels or r.case.nan_density is not None]
    others: dict[str, None] = {axis.field: None}
    groups = grouped(own, lambda r: (r.implementation, replace(r.case, **others))).values()  # type: ignore[arg-type]
    names = implementations_of(own)

    def order(members: Sequence[Result]) -> tuple[int, int, int]:
        name, case = members[0].key
        return names.index(name), PASSES.index(case.pass_), case.batch_size

    compared = [m for m in groups if sum(r.status.has_figures for r in m) >= 2]
    return [
        [_row(axis, r, next(b for b in members if b.status.has_figures)) for r in members]
        for members in sorted(compared, key=order)
    ]
