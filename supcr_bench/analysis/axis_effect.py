"""How agreement, time and memory change along one axis, with everything else equal."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

from supcr_bench.analysis.summary import implementations_of
from supcr_bench.values.axes import AXES, PASSES, Axis
from supcr_bench.values.case import Case
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

    @property
    def others(self) -> tuple[object, ...]:
        return (self.implementation, *_all_but(self.axis, self.case))


def _all_but(axis: Axis, case: Case) -> tuple[object, ...]:
    return tuple(getattr(case, f.name) for f in fields(Case) if f.name != axis.field)


def _tolerances(result: Result) -> float | None:
    # A wrong result whose errors are all within the tolerance is wrong because it is NaN.
    nan = result.status is Status.WRONG and (result.tolerances or 0) <= 1
    return None if nan else result.tolerances


def _ratio(own: float | None, base: float | None) -> float | None:
    return own / base if own is not None and base else None


def _compared(axis: Axis, members: Sequence[Result]) -> list[AxisEffectRow]:
    """Rows of one comparison; the base is the first measured value."""
    base = next(r for r in members if r.status.has_figures)
    return [
        AxisEffectRow(
            axis=axis,
            implementation=r.implementation,
            case=r.case,
            status=r.status,
            base=r is base,
            tolerances=_tolerances(r),
            time_s=TIME.get(r),
            time_ratio=_ratio(TIME.get(r), TIME.get(base)),
            peak_bytes=r.peak_bytes,
            memory_ratio=_ratio(r.peak_bytes, base.peak_bytes),
        )
        for r in members
    ]


def axis_effect_rows(results: Sequence[Result], axis: Axis) -> list[AxisEffectRow]:
    """Compare the measured values of an axis, if there are several, with everything else equal."""
    # A labels file fixes some axes, so their values cannot be compared.
    results = [r for r in results if not axis.from_labels or r.case.nan_density is not None]
    groups: dict[tuple[object, ...], list[Result]] = {}
    for result in results:
        key = (result.implementation, *_all_but(axis, result.case))
        groups.setdefault(key, []).append(result)
    compared = [
        members for members in groups.values() if sum(r.status.has_figures for r in members) >= 2
    ]
    names = implementations_of(results)
    compared.sort(
        key=lambda members: (
            names.index(members[0].implementation),
            PASSES.index(members[0].case.pass_),
            members[0].case.batch_size,
        )
    )
    return [row for members in compared for row in _compared(axis, members)]
